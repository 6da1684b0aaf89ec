"""An axis of time with breaks: where much longer than all the rest nothing begins or ends, a little
room stands for it, and says how long it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final

from saga_schemas.record_class import record

BREAK_WIDTH: Final = 58.0
_MOST_BREAKS: Final = 5
_TIMES_QUIET: Final = 1.5
_TIMES_BUSY: Final = 12
_LEAST_QUIET_US: Final = 2_000_000
_LEAST_BUSY_US: Final = 30_000_000
"""A shorter time is drawn as it is."""
_STEPS: Final = (1, 2, 5)

Span = tuple[int, int]
"""From when to when."""


@record
class Piece:
    """A part of the axis: from when to when, and where that is."""

    from_us: int
    to_us: int
    left: float
    right: float
    is_break: bool


@record
class TimeAxis:
    """An axis. Its pieces adjoin."""

    pieces: tuple[Piece, ...]

    def x(self, us: int) -> float:
        """Where a time is; one outside the axis is at its end."""
        for piece in self.pieces:
            if us <= piece.to_us:
                return _within(piece, us)
        return self.pieces[-1].right

    def ticks(self, every_px: float) -> Iterator[int]:
        """Times with a round distance from the beginning, not nearer to each other than this.

        None is in a break.
        """
        plain = [piece for piece in self.pieces if not piece.is_break and piece.to_us > piece.from_us]
        us_a_px = max(((piece.to_us - piece.from_us) / max(piece.right - piece.left, 1) for piece in plain), default=0.0)
        step = _round_step(us_a_px * every_px)
        begin = self.pieces[0].from_us
        for piece in plain:
            number = -(-(piece.from_us - begin) // step)
            while begin + number * step <= piece.to_us:
                yield begin + number * step
                number += 1


def time_axis(
    moments: Iterable[int], left: float, right: float, *, busy: Iterable[Span] = (), left_out: Iterable[Span] = ()
) -> TimeAxis:
    """The axis from the first of these times to the last.

    Args:
        moments: When something begins or ends; at least one.
        left: Where it begins.
        right: Where it ends.
        busy: When something is under way.
        left_out: When things happened that are not shown.
    """
    times = sorted(set(moments))
    if len(times) == 1:
        times.append(times[0] + 1_000)
    stretches = list(pairwise(times))
    broken = _broken(stretches, list(busy), list(left_out))
    room = right - left - len(broken) * BREAK_WIDTH
    plain_us = sum(later - earlier for number, (earlier, later) in enumerate(stretches) if number not in broken)
    pieces: list[Piece] = []
    x = left
    for number, (earlier, later) in enumerate(stretches):
        is_break = number in broken
        wide = BREAK_WIDTH if is_break else room * (later - earlier) / plain_us
        if pieces and not is_break and not pieces[-1].is_break:
            first = pieces.pop()
            pieces.append(Piece(from_us=first.from_us, to_us=later, left=first.left, right=x + wide, is_break=False))
        else:
            pieces.append(Piece(from_us=earlier, to_us=later, left=x, right=x + wide, is_break=is_break))
        x += wide
    return TimeAxis(pieces=tuple(pieces))


def _broken(stretches: list[Span], busy: list[Span], left_out: list[Span]) -> frozenset[int]:
    """The few stretches that are so much longer than all shorter ones together.

    Sooner where nothing is under way, and at once where things are left out.
    """
    length = [later - earlier for earlier, later in stretches]
    quiet = [not any(begin < later and end > earlier for begin, end in busy) for earlier, later in stretches]
    by_length = sorted(range(len(stretches)), key=length.__getitem__, reverse=True)
    rest_us = sum(length)
    found: set[int] = set()
    for number in by_length:
        earlier, later = stretches[number]
        hides = quiet[number] and any(begin <= earlier and later <= end for begin, end in left_out)
        times = 0.2 if hides else _TIMES_QUIET if quiet[number] else _TIMES_BUSY
        least_us = _LEAST_QUIET_US if quiet[number] else _LEAST_BUSY_US
        others_us = rest_us - length[number]
        if others_us and length[number] > max(times * others_us, least_us) and len(found) < _MOST_BREAKS:
            found.add(number)
            rest_us = others_us
    return frozenset(found)


def _within(piece: Piece, us: int) -> float:
    part = (us - piece.from_us) / max(piece.to_us - piece.from_us, 1)
    return piece.left + max(part, 0.0) * (piece.right - piece.left)


def _round_step(us: float) -> int:
    """The next of 1, 2, 5, 10, 20 … ms; from a minute on, of the steps of clocks."""
    for clock in (60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400):
        if 30_000_000 < us <= clock * 1_000_000:
            return clock * 1_000_000
    size = 1_000
    while True:
        for step in _STEPS:
            if step * size >= us:
                return step * size
        size *= 10
