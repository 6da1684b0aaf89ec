"""Ticks of a schedule in their order, each as a shape: what became of it, or that it is to come.
Pure.

Ticks stand at even distances, whatever the time between them: what became of each is to be seen. A
shape, its colour and its title say the same. It is drawn twice, wide and narrow, and the stylesheet
shows one: text keeps its size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from markupsafe import Markup

from saga_coordinator.console.drawing import svg
from saga_coordinator.console.formatting import Look, number
from saga_schemas.record_class import record

_WIDE, _NARROW = (930.0, 30), (350.0, 10)
"""The width, and how many ticks stand side by side: a whole number of pixels each."""
_HEAD: Final = 22.0
_LINE: Final = 60.0
_SHAPE: Final = 12.0
_BETWEEN: Final = 16.0
_CHAR: Final = 6.1
"""A letter's width, about."""
_APART: Final = 8.0


@record
class TickMark:
    """One tick, or several in a row that came to the same."""

    look: Look
    state: str
    """Its state in a word, for the legend."""
    title: str
    """All there is to say of it."""
    day: str
    """`28 Mar`."""
    clock: str
    """`02:30`."""
    href: str = ""
    """Where it leads; empty: nowhere."""
    count: int = 1
    odd: bool = False
    """Something about its time is unusual; the title says what."""


@record
class TickRow:
    """Ticks under one heading."""

    heading: str
    marks: Sequence[TickMark]
    empty: str
    """What stands there without a tick."""


def draw_ticks(rows: Sequence[TickRow]) -> Markup:
    """Both drawings."""
    return _drawing(rows, "wide", *_WIDE) + _drawing(rows, "narrow", *_NARROW)


def latest(marks: Sequence[TickMark]) -> Sequence[TickMark]:
    """The last of them that have room on one wide line."""
    room = _WIDE[1]
    for place in range(len(marks) - 1, -1, -1):
        room -= _slots(marks[place])
        if room < 0:
            return marks[place + 1 :]
    return marks


def legend(rows: Sequence[TickRow]) -> list[tuple[Look, str]]:
    """Each state that is drawn, the most frequent first."""
    looks = {mark.state: mark.look for row in rows for mark in row.marks}
    return [(looks[state], state) for state, _ in _counted(mark for row in rows for mark in row.marks)]


def described(rows: Sequence[TickRow]) -> str:
    """The drawing in a sentence: `Decided: 27 completed, 3 skipped. To come: 30 to come.`"""
    said = []
    for row in rows:
        states = ", ".join(f"{number(count)} {state}" for state, count in _counted(row.marks))
        said.append(f"{row.heading}: {states or row.empty}")
    return ". ".join(said)


def _counted(marks: Iterable[TickMark]) -> list[tuple[str, int]]:
    counts: Counter[str] = Counter()
    for mark in marks:
        counts[mark.state] += mark.count
    return counts.most_common()


def _drawing(rows: Sequence[TickRow], size: str, width: float, beside: int) -> Markup:
    parts: list[Markup] = []
    top = 0.0
    for row in rows:
        parts.append(svg.words(0, top + 11, row.heading, "small"))
        top += _HEAD
        if not row.marks:
            parts.append(svg.words(0, top + 12, row.empty, "soft"))
            top += _HEAD
        for line in _lines(row.marks, beside):
            parts += _line(line, width / beside, width, top)
            top += _LINE
        top += _BETWEEN
    height = max(top - _BETWEEN, 1.0)
    attributes: dict[str, object] = {
        "class": f"drawing chart {size} ticks",
        "viewBox": f"0 0 {svg.rounded(width)} {svg.rounded(height)}",
        "width": width,
        "height": height,
        "role": "group",
        "aria_label": f"{described(rows)}. The table of ticks below says the same in words",
    }
    return svg.element("svg", attributes, *parts)


def _slots(mark: TickMark) -> int:
    """Several in a row need room for their number."""
    return 2 if mark.count > 1 else 1


def _lines(marks: Sequence[TickMark], beside: int) -> Iterable[Sequence[TickMark]]:
    """The marks, so many slots a line."""
    line: list[TickMark] = []
    for mark in marks:
        if line and sum(map(_slots, line)) + _slots(mark) > beside:
            yield line
            line = []
        line.append(mark)
    if line:
        yield line


def _line(marks: Sequence[TickMark], slot: float, width: float, top: float) -> Iterable[Markup]:
    yield svg.path(f"M0 {svg.rounded(top + 21)}H{svg.rounded(sum(map(_slots, marks)) * slot)}", "grid-line")
    days, clocks = _Labels(width), _Labels(width)
    left = 0.0
    for mark in marks:
        yield _mark(mark, left, slot * _slots(mark), top)
        yield from days.at(left, top + 40, mark.day)
        yield from clocks.at(left, top + 53, mark.clock)
        left += slot * _slots(mark)


def _mark(mark: TickMark, left: float, slot: float, top: float) -> Markup:
    """The shape over the line; several in a row say how many they are."""
    x = left + 2
    parts = [
        svg.element("title", {}, svg.text(mark.title)),
        svg.element("rect", {"x": left, "y": top, "width": slot, "height": 26, "class": "hover"}),
        svg.shape(mark.look.shape, x, top + 3, mark.look.tone),
    ]
    if mark.count > 1:
        parts.append(svg.words(x + _SHAPE + 1, top + 13, _short(mark.count), f"small {mark.look.tone}"))
    if mark.odd:
        parts.append(svg.path(f"M{svg.rounded(left)} {svg.rounded(top + 21)}H{svg.rounded(left + slot - 3)}", "line-wait"))
    if mark.href:
        return svg.element("a", {"href": mark.href, "class": "step", "aria_label": mark.title}, *parts)
    return svg.element("g", {"role": "img", "aria_label": mark.title}, *parts)


def _short(count: int) -> str:
    """At most four characters: the title has the number."""
    return f"×{count}" if count < 100 else "×99+" if count < 1_000 else "×1k+"


class _Labels:
    """Texts of one line from left to right. One that would touch the last is left out, and one that
    says the same as the last."""

    def __init__(self, width: float) -> None:
        self._free = 0.0
        self._width = width
        self._said = ""

    def at(self, x: float, y: float, said: str) -> Iterable[Markup]:
        wide = len(said) * _CHAR
        if said != self._said and x >= self._free and x + wide <= self._width:
            self._free, self._said = x + wide + _APART, said
            yield svg.words(x, y, said, "small")
