"""The offsets of a time zone over time, and what a wall clock shows when. Whole seconds.

An instant is seconds since 1970 in UTC. A wall clock is such a number too: what it shows, read as
if it were UTC. At an instant it shows the instant plus the zone's offset.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final, NamedTuple

HOUR_S: Final = 3_600
DAY_S: Final = 86_400
FIRST_S: Final = -62_000_000_000
"""In year 5: what is earlier is not looked at."""
LAST_S: Final = 250_000_000_000
"""In year 9892: what is later is not looked at."""
_BLOCK_S: Final = 388 * DAY_S
_FURTHEST_S: Final = 26 * HOUR_S
"""No offset is as far from UTC, and no clock was ever set back so far."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)


class _Block(NamedTuple):
    """The offsets of somewhat more than a year."""

    starts: list[int]
    """Instants from which an offset holds; the first is the block's own beginning."""
    offsets: list[int]
    end: int


class Timeline:
    """The offsets of one zone.

    They are found by asking the zone once a day and halving the day where the answer differs: no
    zone changes its offset there and back within a day. What was asked is kept.
    """

    def __init__(self, zone: tzinfo) -> None:
        self.zone: Final = zone
        self._blocks: dict[int, _Block] = {}

    def offset(self, at: int) -> int:
        """What the wall clock is ahead of UTC at an instant."""
        return self.span(at)[0]

    def span(self, at: int) -> tuple[int, int]:
        """The offset at an instant, and an instant until which it holds (itself excluded).

        It may hold longer: whoever wants to know asks again there.
        """
        number = at // _BLOCK_S
        block = self._blocks.get(number)
        if block is None:
            block = self._blocks[number] = self._asked(number)
        place = bisect_right(block.starts, at)
        return block.offsets[place - 1], block.starts[place] if place < len(block.starts) else block.end

    def first_instant(self, wall: int) -> int:
        """The first instant at which the clock shows this or later.

        A wall clock that comes twice: the first of them. One that the clock skips: the end of the
        gap.
        """
        at = wall - _FURTHEST_S
        while True:
            offset, until = self.span(at)
            found = max(wall - offset, at)
            if found < until:
                return found
            at = until

    def comes_again(self, wall: int, after: int) -> bool:
        """Whether the clock shows exactly this once more, after an instant at which it does."""
        _, at = self.span(after)
        while at <= after + _FURTHEST_S:
            offset, until = self.span(at)
            if at <= wall - offset < until:
                return True
            at = until
        return False

    def reached(self, at: int) -> int:
        """The latest wall clock that was ever shown up to this instant, itself included."""
        offset, until = self.span(at - 2 * _FURTHEST_S)
        highest = min(until - 1, at) + offset
        while until <= at:
            offset, until = self.span(until)
            highest = max(highest, min(until - 1, at) + offset)
        return highest

    def _asked(self, number: int) -> _Block:
        begin, end = number * _BLOCK_S, (number + 1) * _BLOCK_S
        starts, offsets = [begin], [self._ask(begin)]
        before = begin
        for at in (*range(begin + DAY_S, end, DAY_S), end - 1):
            offset = self._ask(at)
            if offset != offsets[-1]:
                starts.append(self._change(before, at))
                offsets.append(offset)
            before = at
        return _Block(starts, offsets, end)

    def _change(self, before: int, after: int) -> int:
        """The first instant in between with another offset than before."""
        old = self._ask(before)
        while after - before > 1:
            middle = (before + after) // 2
            if self._ask(middle) == old:
                before = middle
            else:
                after = middle
        return after

    def _ask(self, at: int) -> int:
        offset = (_EPOCH + timedelta(seconds=at)).astimezone(self.zone).utcoffset()
        assert offset is not None
        return offset // _SECOND
