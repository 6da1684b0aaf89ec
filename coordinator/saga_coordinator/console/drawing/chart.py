"""Line charts and sparklines as SVG. Pure.

A line has a colour and a pattern, so it is told apart without colours too; the legend has both. The
title and the description are for who does not see it; the page has the same numbers as a table. A
chart is drawn twice, wide and narrow, and the stylesheet shows one: text keeps its size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup, escape

from saga_coordinator.console.drawing.scale import clock_times, ticks
from saga_schemas.record_class import record

WIDE: Final = (940, 210)
NARROW: Final = (390, 200)
_TOP: Final = 26
_BOTTOM: Final = 24
_RIGHT: Final = 50
_SPARK: Final = (96, 18)
_DASHES: Final = ("", "7 3", "2 3", "9 3 2 3")


@record
class Series:
    """One line. None leaves a gap."""

    name: str
    tone: str
    """A colour with a meaning: fwd, done, back, wait, hot or soft."""
    values: Sequence[float | None]


@record
class Mark:
    """A moment on the time axis, with words."""

    place: int
    """Which of the periods."""
    words: str


@record
class Chart:
    """What is drawn."""

    name: str
    """Unique on the page: ids are made of it."""
    title: str
    at: Sequence[str]
    """The beginning of each period, RFC 3339."""
    series: Sequence[Series]
    words: Callable[[float | None], str]
    """Writes a value, as `42.1 /s`."""
    marks: Sequence[Mark] = ()

    @property
    def most(self) -> float:
        return max((value for one in self.series for value in one.values if value is not None), default=0.0)


def chart(drawn: Chart) -> Markup:
    """Both drawings. Empty without a period."""
    if not drawn.at:
        return Markup("")
    return _drawing(drawn, "wide", *WIDE) + _drawing(drawn, "narrow", *NARROW)


def legend(drawn: Chart) -> Markup:
    """What each line is, with a piece of it."""
    pieces = [
        Markup(
            '<span><svg class="piece" aria-hidden="true" width="22" height="8"><path class="line-{}" d="M0 4H22"{}/></svg>{}</span>'
        ).format(one.tone, _dashed(number), one.name)
        for number, one in enumerate(drawn.series)
    ]
    return Markup('<p class="legend">{}</p>').format(Markup("").join(pieces))


def table(drawn: Chart) -> Markup:
    """The same numbers, newest first."""
    head = "".join(f'<th class="n">{escape(one.name)}</th>' for one in drawn.series)
    times = dict(clock_times(drawn.at, len(drawn.at)))
    rows = "".join(
        f"<tr><td>{times[place]}</td>"
        + "".join(f'<td class="n">{escape(drawn.words(one.values[place]))}</td>' for one in drawn.series)
        + "</tr>"
        for place in reversed(range(len(drawn.at)))
    )
    return Markup(f"<table><thead><tr><th>from (UTC)</th>{head}</tr></thead><tbody>{rows}</tbody></table>")


def spark(values: Sequence[float], words: str) -> Markup:
    """A line as small as a word, from zero on; `words` says what it shows."""
    width, height = _SPARK
    most = max(values, default=0.0)
    if not most:
        return Markup("")
    across = width / max(len(values) - 1, 1)
    points = " ".join(
        f"{_n(place * across)},{_n(height - 1 - value / most * (height - 3))}" for place, value in enumerate(values)
    )
    return Markup(
        '<svg class="spark" role="img" aria-label="{}" viewBox="0 0 {} {}" width="{}" height="{}">'
        '<polyline class="line-soft" points="{}"/></svg>'
    ).format(words, width, height, width, height, points)


# --- one drawing ----------------------------------------------------------------------------------


def _drawing(drawn: Chart, size: str, width: int, height: int) -> Markup:
    axis = ticks(drawn.most)
    place = _Places(len(drawn.at), width, height, axis[-1])
    id = f"{drawn.name}-{size}"
    return Markup(
        '<svg class="drawing chart {}" role="img" aria-labelledby="{}-t {}-d" viewBox="0 0 {} {}">'
        '<title id="{}-t">{}</title><desc id="{}-d">{}</desc>{}</svg>'
    ).format(size, id, id, width, height, id, drawn.title, id, described(drawn), Markup("").join(_parts(drawn, axis, place)))


@dataclass(frozen=True, slots=True)
class _Places:
    """Where a period and a value are."""

    count: int
    width: int
    height: int
    top: float

    def x(self, place: float) -> float:
        return place / max(self.count - 1, 1) * self.right

    @property
    def right(self) -> float:
        """Where the lines end: what the height means stands behind them."""
        return self.width - _RIGHT

    def y(self, value: float) -> float:
        floor = self.height - _BOTTOM
        return floor - value / self.top * (floor - _TOP)


def _parts(drawn: Chart, axis: Sequence[float], at: _Places) -> Iterator[Markup]:
    yield from _grid(drawn, axis, at)
    yield from _times(drawn, at)
    for number, one in enumerate(drawn.series):
        path = _path(one.values, at)
        if path:
            yield Markup('<path class="line-{}" d="{}"{}/>').format(one.tone, path, _dashed(number))
    for mark in drawn.marks:
        yield from _mark(mark, at)
    if at.width == WIDE[0]:  # a narrow screen has no pointer that rests
        yield _hovers(drawn, at)


def _grid(drawn: Chart, axis: Sequence[float], at: _Places) -> Iterator[Markup]:
    for value in axis:
        y = _n(at.y(value))
        yield Markup('<path class="{}" d="M0 {}H{}"/>').format("grid-line" if value else "axis", y, _n(at.right))
        if value:
            yield Markup('<text class="small" x="{}" y="{}" text-anchor="end">{}</text>').format(
                at.width, _n(at.y(value) + 4), drawn.words(value)
            )


def _times(drawn: Chart, at: _Places) -> Iterator[Markup]:
    places = clock_times(drawn.at, 6 if at.width > 500 else 3)
    for place, words in places:
        if at.x(place) < at.right - 60:
            anchor = "start" if place == 0 else "middle"
            yield Markup('<text class="small" x="{}" y="{}" text-anchor="{}">{}</text>').format(
                _n(at.x(place)), at.height - 6, anchor, words
            )
    yield Markup('<text class="small" x="{}" y="{}" text-anchor="end">now, UTC</text>').format(_n(at.right), at.height - 6)


def _path(values: Sequence[float | None], at: _Places) -> str:
    """Straight lines: a curve would show what was not counted. A lone point is a short line."""
    path, gap = [], True
    for place, value in enumerate(values):
        if value is None:
            gap = True
            continue
        x, y = at.x(place), at.y(value)
        alone = gap and (place + 1 == len(values) or values[place + 1] is None)
        path.append(f"{'M' if gap else 'L'}{_n(x)} {_n(y)}" + ("h2" if alone else ""))
        gap = False
    return "".join(path)


def _mark(mark: Mark, at: _Places) -> Iterator[Markup]:
    x = at.x(mark.place)
    near_end = x > at.right * 0.6
    yield Markup('<path class="line-hot dashed" d="M{} 6V{}"/>').format(_n(x), at.height - _BOTTOM)
    yield Markup('<text class="small hot" x="{}" y="14" text-anchor="{}">{}</text>').format(
        _n(x - 6 if near_end else x + 6), "end" if near_end else "start", mark.words
    )


def _hovers(drawn: Chart, at: _Places) -> Markup:
    """A strip over each period, which says its numbers when the pointer rests on it."""
    times = dict(clock_times(drawn.at, at.count))
    names = [escape(one.name) for one in drawn.series]
    half = at.x(1) / 2 if at.count > 1 else at.right
    strips = []
    for place in range(at.count):
        values = [escape(drawn.words(one.values[place])) for one in drawn.series]
        numbers = ", ".join(f"{name} {value}" for name, value in zip(names, values, strict=True))
        left = max(at.x(place) - half, 0)
        strips.append(
            f'<rect class="hover" x="{_n(left)}" y="{_TOP}" width="{_n(min(2 * half, at.right - left))}"'
            f' height="{at.height - _BOTTOM - _TOP}"><title>{times[place]}: {numbers}</title></rect>'
        )
    return Markup("".join(strips))


def described(drawn: Chart) -> str:
    """The chart in a sentence: what each line is now, and the most it was."""
    parts = []
    for one in drawn.series:
        known = [value for value in one.values if value is not None]
        if known:
            parts.append(f"{one.name} {drawn.words(known[-1])} now, at most {drawn.words(max(known))}")
    marks = [f"mark: {mark.words}" for mark in drawn.marks]
    return "; ".join([*parts, *marks]) or "no figures"


def _dashed(number: int) -> Markup:
    dashes = _DASHES[number % len(_DASHES)]
    return Markup(' stroke-dasharray="{}"').format(dashes) if dashes else Markup("")


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
