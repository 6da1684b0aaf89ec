"""What the coordinator has to reach beside the floor, cell by cell, in one run on one machine."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cells import Cell

OURS, FLOOR, LEAN = "saga-coordinator", "floor", "lean floor"
Figure = Callable[[Cell], float]


def sagas_per_s(cell: Cell) -> float:
    return cell.sagas_per_s


def cpu_ms(cell: Cell) -> float:
    return cell.cpu_ms_in_all


def p50_ms(cell: Cell) -> float:
    return cell.p50_ms


@dataclass(frozen=True)
class Bar:
    """Ours, divided by another's."""

    in_flight: int
    what: str
    figure: Figure
    other: str
    at_least: float | None = None
    at_most: float | None = None

    def met(self, ratio: float) -> bool:
        return (self.at_least is None or ratio >= self.at_least) and (self.at_most is None or ratio <= self.at_most)

    @property
    def bound(self) -> str:
        return f">= {self.at_least:g}" if self.at_least is not None else f"<= {self.at_most:g}"


BARS: Final = (
    Bar(1, "p50", p50_ms, LEAN, at_most=1.15),
    Bar(1, "CPU a saga", cpu_ms, LEAN, at_most=1.4),
    Bar(16, "CPU a saga", cpu_ms, FLOOR, at_most=1.6),
    Bar(64, "sagas/s", sagas_per_s, FLOOR, at_least=0.65),
    Bar(256, "CPU a saga", cpu_ms, FLOOR, at_most=1.9),
    Bar(1024, "sagas/s", sagas_per_s, FLOOR, at_least=0.55),
    Bar(1024, "CPU a saga", cpu_ms, FLOOR, at_most=2.0),
)


@dataclass(frozen=True)
class Judged:
    bar: Bar
    ratio: float | None
    """The median over the rounds. None: it was not measured."""

    @property
    def met(self) -> bool:
        return self.ratio is not None and self.bar.met(self.ratio)

    def line(self) -> str:
        found = "not measured" if self.ratio is None else f"{self.ratio:.2f}"
        what = f"{self.bar.in_flight} in flight: {self.bar.what}"
        return f"{'met   ' if self.met else 'MISSED'}  {what:28} {found:>12} of the {self.bar.other:10} (bar {self.bar.bound})"


def judged(rounds: Sequence[Mapping[tuple[str, int], Cell]], bars: Sequence[Bar] = BARS) -> list[Judged]:
    """Each bar by the median of its ratios, one a round: both cells of a ratio are of one round."""
    found = []
    for bar in bars:
        ratios = [
            bar.figure(cells[OURS, bar.in_flight]) / bar.figure(cells[bar.other, bar.in_flight])
            for cells in rounds
            if (OURS, bar.in_flight) in cells and (bar.other, bar.in_flight) in cells
        ]
        found.append(Judged(bar, statistics.median(ratios) if ratios else None))
    return found
