"""A plot of lines on logarithmic axes, as SVG. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Final
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 760, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 190, 44, 48
COLOURS: Final = ("#4051b5", "#d81b60", "#00897b", "#f57c00", "#6d4c41", "#7e57c2", "#546e7a", "#9e9d24")
_HEAD: Final = (
    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12" fill="#333">'
)

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Axis:
    """A logarithmic one, with the pixels of its ends."""

    least: float
    most: float
    first: float
    last: float

    def at(self, value: float) -> float:
        part = math.log(value / self.least) / math.log(self.most / self.least)
        return self.first + part * (self.last - self.first)


def line_plot(title: str, x_name: str, y_name: str, lines: Mapping[str, Points]) -> str:
    """Each line with a mark at each point and its name at the right, the highest end first.

    At least two different x; all values are above 0.
    """
    points = [point for line in lines.values() for point in line]
    x_ticks = sorted({x for x, _ in points})
    x = Axis(x_ticks[0], x_ticks[-1], _LEFT, WIDTH - _RIGHT)
    y_ticks = _ticks(min(y for _, y in points), max(y for _, y in points))
    y = Axis(y_ticks[0], y_ticks[-1], HEIGHT - _BOTTOM, _TOP)
    parts = [
        _HEAD,
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{_LEFT}" y="20" font-size="14" font-weight="bold">{escape(title)}</text>',
        *(_grid_line(x.at(tick), x.at(tick), y.first, y.last) for tick in x_ticks),
        *(_grid_line(x.first, x.last, y.at(tick), y.at(tick)) for tick in y_ticks),
        *(_text(x.at(tick), HEIGHT - _BOTTOM + 18, f"{tick:,.0f}", "middle") for tick in x_ticks),
        *(_text(_LEFT - 8, y.at(tick) + 4, f"{tick:,g}", "end") for tick in y_ticks),
        _text((x.first + x.last) / 2, HEIGHT - 10, x_name, "middle"),
        _text(_LEFT, _TOP - 10, y_name, "start"),
    ]
    coloured = dict(zip(lines, cycle(COLOURS), strict=False))
    for name, line in lines.items():
        parts += _line(coloured[name], [(x.at(one), y.at(other)) for one, other in line])
    by_end = sorted(lines, key=lambda name: -lines[name][-1][1])
    for place, name in enumerate(by_end):
        parts += _legend(coloured[name], name, _TOP + 10 + 20 * place)
    return "\n".join([*parts, "</svg>", ""])


def _ticks(least: float, most: float) -> list[float]:
    """1, 2 and 5 times powers of ten: from the last that is not above `least` to the first that is
    not below `most`."""
    steps = [factor * 10.0**power for power in range(-3, 9) for factor in (1, 2, 5)]
    first = max(number for number, step in enumerate(steps) if step <= least)
    last = min(number for number, step in enumerate(steps) if step >= most and number > first)
    return steps[first : last + 1]


def _line(colour: str, points: Points) -> list[str]:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    marks = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
    return [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>', *marks]


def _legend(colour: str, name: str, y: float) -> list[str]:
    x = WIDTH - _RIGHT + 16
    return [f'<circle cx="{x}" cy="{y}" r="4" fill="{colour}"/>', _text(x + 10, y + 4, name, "start")]


def _grid_line(x1: float, x2: float, y1: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" x2="{x2:.1f}" y1="{y1:.1f}" y2="{y2:.1f}" stroke="#ddd"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
