"""The attempts of a saga over time, one line for each direction of a step. Pure.

A bar has the parts that are known of it: the handler in the colour of the outcome, what the wire
and the queue took in grey. A wait is dotted. Long stretches without news are cut (`time_axis.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from markupsafe import Markup

from saga_coordinator.console.drawing import svg
from saga_coordinator.console.drawing.time_axis import Piece, TimeAxis, time_axis
from saga_coordinator.console.formatting import Look, absolute, duration
from saga_schemas.record_class import record

_WIDE: Final = 906.0
_LEFT: Final = 158.0
_RIGHT: Final = 866.0
_TOP: Final = 30.0
_LINE: Final = 26.0
_BAR: Final = 13.0
_LEAST_BAR: Final = 2.5
_EVERY_PX: Final = 116.0
_LABEL_PX: Final = 62.0
_NAME_CHARS: Final = 20
_CHAR: Final = 5.9


@record
class Bar:
    """One attempt."""

    from_us: int
    to_us: int | None
    """None: it goes on."""
    tone: str
    words: str
    """What it was and what became of it."""
    queue_us: int | None = None
    handler_us: int | None = None


@record
class Line:
    """One direction of a step."""

    name: str
    look: Look
    href: str
    bars: tuple[Bar, ...]
    note: str
    """What became of it, in a word or two."""
    note_tone: str = "soft"
    omitted: int = 0
    """Attempts before the last bar that are not drawn."""
    waits_from_us: int | None = None
    """Since when it waits."""
    waits: str = ""
    """For what."""


def draw_waterfall(lines: Sequence[Line], *, from_us: int, to_us: int, is_open: bool) -> Markup:
    """Draw the lines from the beginning to the end, or to now."""
    bars = [bar for line in lines for bar in line.bars]
    busy = [(bar.from_us, to_us if bar.to_us is None else bar.to_us) for bar in bars]
    left_out = [(line.bars[-2].from_us, line.bars[-1].from_us) for line in lines if line.omitted and len(line.bars) > 1]
    axis = time_axis([from_us, *_moments(lines, to_us)], _LEFT, _RIGHT, busy=busy, left_out=left_out)
    bottom = _TOP + len(lines) * _LINE
    drawn = [*_axis(axis, bottom, is_open), *(svg.joined(_line(line, axis, number)) for number, line in enumerate(lines))]
    if not lines:
        drawn.append(svg.words(_LEFT, _TOP + 12, "Nobody was asked anything yet.", "small"))
        bottom += _LINE
    drawn += _legend(bottom + 16)
    height = bottom + 26
    attributes: dict[str, object] = {
        "class": "drawing waterfall",
        "viewBox": f"0 0 {svg.rounded(_WIDE)} {svg.rounded(height)}",
        "width": _WIDE,
        "height": height,
        "role": "group",
        "aria_label": "The attempts of each step over time; the attempts below say the same in words",
    }
    return svg.element("svg", attributes, *drawn)


def _moments(lines: Iterable[Line], to_us: int) -> Iterable[int]:
    yield to_us
    for line in lines:
        for bar in line.bars:
            yield bar.from_us
            if bar.to_us is not None:
                yield bar.to_us


# --- axis -----------------------------------------------------------------------------------------


def _axis(axis: TimeAxis, bottom: float, is_open: bool) -> Iterable[Markup]:
    begin = axis.pieces[0].from_us
    free = 0.0
    for us in axis.ticks(_EVERY_PX):
        x = axis.x(us)
        yield svg.path(f"M{svg.rounded(x)} {svg.rounded(_TOP - 10)}V{svg.rounded(bottom)}", "grid-line")
        if x - _LABEL_PX / 2 >= free and x <= _RIGHT - 8:
            yield svg.words(x, _TOP - 16, _clock(us) if us == begin else f"+{duration((us - begin) / 1000)}", "small", "middle")
            free = x + _LABEL_PX / 2
    for piece in axis.pieces:
        if piece.is_break:
            yield from _break(piece, bottom)
    yield svg.path(f"M{svg.rounded(_RIGHT)} {svg.rounded(_TOP - 10)}V{svg.rounded(bottom)}", "grid-line")
    if is_open:
        yield svg.words(_RIGHT + 4, _TOP - 16, "now", "small")


def _break(piece: Piece, bottom: float) -> Iterable[Markup]:
    """A strip with a ragged edge, and how long it is."""
    wide = piece.right - piece.left
    strip = {"x": piece.left + 4, "y": _TOP - 10, "width": wide - 8, "height": bottom - _TOP + 10, "class": "gap"}
    yield svg.element("rect", strip)
    middle = (piece.left + piece.right) / 2
    yield svg.words(middle, _TOP - 16, duration((piece.to_us - piece.from_us) / 1000), "small strong", "middle")
    for x in (piece.left + 4, piece.right - 4):
        yield svg.path(_ragged(x, _TOP - 10, bottom), "axis-cut")


def _ragged(x: float, top: float, bottom: float) -> str:
    line, y, side = [f"M{svg.rounded(x)} {svg.rounded(top)}"], top, 1
    while y < bottom:
        y = min(y + 6, bottom)
        line.append(f"L{svg.rounded(x + 2 * side)} {svg.rounded(y)}")
        side = -side
    return "".join(line)


def _clock(us: int) -> str:
    return f"{datetime.fromtimestamp(us / 1e6, tz=UTC):%H:%M:%S}"


def _legend(y: float) -> Iterable[Markup]:
    yield svg.element("rect", {"x": _LEFT, "y": y - 8, "width": 9, "height": 9, "class": "done"})
    yield svg.words(_LEFT + 14, y, "handler", "small")
    yield svg.element("rect", {"x": _LEFT + 70, "y": y - 8, "width": 9, "height": 9, "class": "way"})
    yield svg.words(_LEFT + 84, y, "wire and queue", "small")
    yield svg.path(f"M{svg.rounded(_LEFT + 180)} {svg.rounded(y - 4)}H{svg.rounded(_LEFT + 206)}", "line-soft dotted")
    yield svg.words(_LEFT + 212, y, "waits", "small")


# --- lines ----------------------------------------------------------------------------------------


def _line(line: Line, axis: TimeAxis, number: int) -> Iterable[Markup]:
    top = _TOP + number * _LINE + (_LINE - _BAR) / 2
    base = top + _BAR - 2
    tone = line.look.tone if line.look.tone in ("hot", "back") else ""
    name = [
        svg.element("title", {}, svg.text(f"{line.name}: {line.look.words}")),
        svg.shape(line.look.shape, 0, top, line.look.tone),
    ]
    name.append(svg.words(18, base, svg.cut(line.name, _NAME_CHARS), tone))
    yield svg.element("a", {"href": line.href, "class": "step"}, *name)
    for place, bar in enumerate(line.bars):
        if place and line.omitted and place == len(line.bars) - 1:
            yield _dotted(_end(line.bars[place - 1], axis) + 3, axis.x(bar.from_us) - 3, top, line.note_tone)
        yield svg.element("g", {}, svg.element("title", {}, svg.text(bar.words)), *_bar(bar, axis, top))
    free = max((_end(bar, axis) for bar in line.bars), default=_LEFT)
    if line.waits_from_us is not None:
        begin = max(axis.x(line.waits_from_us), free if line.bars and line.bars[-1].to_us is not None else _LEFT) + 3
        title = svg.element("title", {}, svg.text(line.waits))
        yield svg.element("g", {}, title, _dotted(begin, _RIGHT, top, "wait"))
        free = _RIGHT
    yield from _note(line, free, min((axis.x(bar.from_us) for bar in line.bars), default=_LEFT), base)


def _note(line: Line, right: float, left: float, base: float) -> Iterable[Markup]:
    """Right of the bars, or left of them where there is no room."""
    wide = len(line.note) * _CHAR + 8
    if line.note and right + wide <= _WIDE:
        yield svg.words(right + 6, base, line.note, f"small {line.note_tone}")
    elif line.note and left - wide >= _LEFT:
        yield svg.words(left - 6, base, line.note, f"small {line.note_tone}", "end")


def _bar(bar: Bar, axis: TimeAxis, top: float) -> Iterable[Markup]:
    end_us = axis.pieces[-1].to_us if bar.to_us is None else bar.to_us
    for from_us, to_us, look in _parts(bar, end_us):
        for piece in axis.pieces:
            begin, end = max(from_us, piece.from_us), min(to_us, piece.to_us)
            # An instant is drawn in one piece only.
            if begin < end or (from_us == to_us == begin == end and piece.from_us <= begin < piece.to_us):
                yield _stretch(axis.x(begin), axis.x(end), top, look, piece.is_break)


def _stretch(left: float, right: float, top: float, look: str, is_break: bool) -> Markup:
    if is_break:
        return svg.path(f"M{svg.rounded(left)} {svg.rounded(top + _BAR / 2)}H{svg.rounded(right)}", f"line-{look} dotted")
    wide = max(right - left, _LEAST_BAR)
    return svg.element("rect", {"x": min(left, _RIGHT - wide), "y": top, "width": wide, "height": _BAR, "class": look})


def _parts(bar: Bar, end_us: int) -> Iterable[tuple[int, int, str]]:
    """The parts of a bar with their looks, in order; a participant may have said anything."""
    whole = max(end_us - bar.from_us, 0)
    if bar.to_us is None or bar.handler_us is None:
        yield bar.from_us, bar.from_us + whole, f"{bar.tone}{' open' if bar.to_us is None else ''}"
        return
    queue = min(max(bar.queue_us or 0, 0), whole)
    handler = min(max(bar.handler_us, 0), whole - queue)
    taken, done = bar.from_us + queue, bar.from_us + queue + handler
    if queue:
        yield bar.from_us, taken, "way"
    yield taken, done, bar.tone
    if done < bar.from_us + whole:
        yield done, bar.from_us + whole, "way"


def _end(bar: Bar, axis: TimeAxis) -> float:
    return max(axis.x(axis.pieces[-1].to_us if bar.to_us is None else bar.to_us), axis.x(bar.from_us) + _LEAST_BAR)


def _dotted(left: float, right: float, top: float, tone: str) -> Markup:
    y = svg.rounded(top + _BAR / 2)
    return svg.path(f"M{svg.rounded(min(left, right))} {y}H{svg.rounded(right)}", f"line-{tone} dotted")


def attempt_words(what: str, asked_us: int, took_ms: float | None, outcome: str) -> str:
    """The tooltip of a bar."""
    took = "" if took_ms is None else f" after {duration(took_ms)}"
    return f"{what}, asked {absolute(asked_us)}: {outcome}{took}"
