"""What the coordinator has to reach beside the floor and beside its peers, cell by cell, in one run
on one machine."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cells import Cell

OURS, FLOOR, LEAN = "saga-coordinator", "floor", "lean floor"
BY_HTTP, SQLALCHEMY, GROUPS_OFF = "starts by HTTP", "SQLAlchemy handlers", "groups off"
DTM, RESTATE = "DTM", "Restate"
PEERS: Final = (DTM, RESTATE)

Closed = Mapping[tuple[str, int], Cell]
"""The cells of one round's closed loops, by system and number in flight."""
Figure = Callable[[Cell], float]


def sagas_per_s(cell: Cell) -> float:
    return cell.sagas_per_s


def cpu_ms(cell: Cell) -> float:
    return cell.cpu_ms_in_all


def p50_ms(cell: Cell) -> float:
    return cell.p50_ms


def wal_kb(cell: Cell) -> float:
    return cell.wal_bytes / 1000


def coordinator_mb(cell: Cell) -> float:
    return cell.rss_mb["coordinator"]


def participant_mb(cell: Cell) -> float:
    return cell.rss_mb["participants"]


@dataclass(frozen=True)
class Other:
    """Whom ours is compared with: the best of them."""

    name: str
    systems: tuple[str, ...]
    at_any_load: bool = False
    """Not only at the bar's own number in flight."""


BEST_PEER: Final = Other("the best peer there", PEERS)
BEST_PEER_ANYWHERE: Final = Other("the best peer at any load", PEERS, at_any_load=True)
THE_FLOOR: Final = Other("the floor", (FLOOR,))
THE_LEAN_FLOOR: Final = Other("the lean floor", (LEAN,))


@dataclass(frozen=True)
class Bar:
    """Ours, divided by another's; or a figure of ours alone."""

    in_flight: int
    what: str
    figure: Figure
    other: Other | None = None
    at_least: float | None = None
    at_most: float | None = None
    unit: str = ""

    def found(self, cells: Closed) -> float | None:
        """In one round. None: it was not measured."""
        ours = cells.get((OURS, self.in_flight))
        if ours is None:
            return None
        if self.other is None:
            return self.figure(ours)
        others = [self.figure(cell) for key, cell in cells.items() if self._beside(self.other, *key)]
        if not others:
            return None
        return self.figure(ours) / (min(others) if self.at_least is None else max(others))

    def _beside(self, other: Other, system: str, in_flight: int) -> bool:
        return system in other.systems and (other.at_any_load or in_flight == self.in_flight)

    def met(self, figure: float) -> bool:
        return (self.at_least is None or figure >= self.at_least) and (self.at_most is None or figure <= self.at_most)

    @property
    def of_peers(self) -> bool:
        return self.other is not None and set(self.other.systems) <= set(PEERS)

    @property
    def bound(self) -> str:
        return f">= {self.at_least:.3g}{self.unit}" if self.at_least is not None else f"<= {self.at_most:.3g}{self.unit}"


BARS: Final = (
    Bar(1, "p50", p50_ms, Other(DTM, (DTM,)), at_most=2),
    Bar(1, "p50", p50_ms, THE_LEAN_FLOOR, at_most=1.15),
    Bar(1, "CPU a saga", cpu_ms, THE_LEAN_FLOOR, at_most=1.4),
    Bar(16, "sagas/s", sagas_per_s, BEST_PEER, at_least=1.1),
    Bar(16, "CPU a saga", cpu_ms, THE_FLOOR, at_most=1.6),
    Bar(64, "sagas/s", sagas_per_s, BEST_PEER, at_least=2),
    Bar(64, "sagas/s", sagas_per_s, THE_FLOOR, at_least=0.65),
    Bar(64, "CPU a saga", cpu_ms, BEST_PEER, at_most=0.5),
    Bar(256, "sagas/s", sagas_per_s, BEST_PEER_ANYWHERE, at_least=3),
    Bar(256, "CPU a saga", cpu_ms, BEST_PEER_ANYWHERE, at_most=1 / 3),
    Bar(256, "CPU a saga", cpu_ms, THE_FLOOR, at_most=1.9),
    Bar(256, "WAL a saga", wal_kb, at_most=5, unit=" KB"),
    Bar(1024, "sagas/s", sagas_per_s, THE_FLOOR, at_least=0.55),
    Bar(1024, "CPU a saga", cpu_ms, THE_FLOOR, at_most=2.0),
    Bar(1024, "coordinator's memory", coordinator_mb, at_most=150, unit=" MB"),
    Bar(1024, "a participant's memory", participant_mb, at_most=80, unit=" MB"),
)

LIMITS: Final = (
    Bar(1, "CPU a saga", cpu_ms, THE_LEAN_FLOOR, at_most=6),
    Bar(64, "CPU a saga", cpu_ms, THE_FLOOR, at_most=6),
)
"""Far above what is usual: on a machine that others use as well, only a regression breaks them. CPU
hardly depends on who else is at work; latency and throughput do."""


@dataclass(frozen=True)
class Judged:
    bar: Bar
    figure: float | None
    """The median over the rounds. None: it was not measured."""

    @property
    def met(self) -> bool:
        return self.figure is not None and self.bar.met(self.figure)

    @property
    def verdict(self) -> str:
        if self.figure is None:
            return "make bench-peers" if self.bar.of_peers else "not measured"
        return "met" if self.met else "MISSED"

    @property
    def shown(self) -> str:
        """The figure, and of whom."""
        figure = "?" if self.figure is None else f"{self.figure:.3g}"
        return f"{figure} x {self.bar.other.name}" if self.bar.other else f"{figure}{self.bar.unit}"

    def line(self) -> str:
        what = f"{self.bar.in_flight} in flight: {self.bar.what}"
        return f"{self.verdict:17} {what:38} {self.shown:33} (bar {self.bar.bound})"


def judged(rounds: Sequence[Closed], bars: Sequence[Bar] = BARS) -> list[Judged]:
    """Each bar by the median of its figures, one a round: both cells of a ratio are of one
    round."""
    found = []
    for bar in bars:
        figures = [figure for cells in rounds if (figure := bar.found(cells)) is not None]
        found.append(Judged(bar, statistics.median(figures) if figures else None))
    return found
