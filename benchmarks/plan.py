"""Which cells a run measures, and in which order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from bars import BY_HTTP, DTM, FLOOR, GROUPS_OFF, LEAN, OURS, RESTATE, SQLALCHEMY

OPEN_SHARE: Final = 0.6
"""Of the most sagas a second that a system's closed loops reached: its open loop."""


START_S: Final = 7.0
"""Of a system, with its share of broker and database."""
CONNECT_S: Final = 1.5
"""Of a cell's load generator."""


@dataclass(frozen=True)
class Row:
    system: str
    levels: Sequence[int]
    """Sagas in flight, of its closed loops."""
    open_loop: bool = False


@dataclass(frozen=True)
class Plan:
    rows: Sequence[Row]
    rounds: int
    seconds: float
    """Of a cell."""
    warm_up_s: float
    """Of the first system: the broker's JVM compiles what is hot during its first minutes."""
    further_warm_up_s: float
    """Of each other system, once."""
    warm_in_flight: int = 256
    again_warm_up_s: float = 2.0
    """Of each cell."""
    again: int = 2
    """How often a spoilt cell is measured again."""
    again_in_all: int = 12
    """How often that happens in a run, whose time is bounded."""

    def cells(self, turn: int) -> Iterator[tuple[str, int]]:
        """In the order of this round: who comes first changes."""
        for in_flight in sorted({level for row in self.rows for level in row.levels}):
            systems = [row.system for row in self.rows if in_flight in row.levels]
            first = turn % len(systems)
            for system in systems[first:] + systems[:first]:
                yield system, in_flight

    @property
    def minutes(self) -> float:
        """The longest that it takes where the machine is not overloaded."""
        cells = self.rounds * (len(list(self.cells(0))) + len(self.open_loops)) + (self.again_in_all if self.again else 0)
        systems = [row.system for row in self.rows]
        warm_up_s = self.warm_up_s + (len(systems) - 1) * self.further_warm_up_s
        took_s = cells * (self.again_warm_up_s + self.seconds + CONNECT_S)
        return (len(systems) * START_S + warm_up_s + took_s) / 60

    @property
    def open_loops(self) -> list[str]:
        return [row.system for row in self.rows if row.open_loop]

    def narrowed(
        self,
        *,
        systems: Sequence[str] | None = None,
        levels: Sequence[int] | None = None,
        seconds: float | None = None,
        rounds: int | None = None,
        again: int | None = None,
    ) -> Plan:
        """Less of it, for a trial. None: as it is. Warm-ups shrink with the cells."""
        rows = [replace(row, levels=[level for level in row.levels if level in (levels or row.levels)]) for row in self.rows]
        part = (seconds or self.seconds) / self.seconds
        return replace(
            self,
            rows=[row for row in rows if row.levels and row.system in (systems or [row.system])],
            rounds=rounds or self.rounds,
            seconds=part * self.seconds,
            warm_up_s=part * self.warm_up_s,
            further_warm_up_s=part * self.further_warm_up_s,
            again=self.again if again is None else again,
        )

    def with_rows(self, *rows: Row) -> Plan:
        return replace(self, rows=[*self.rows, *rows])


FULL: Final = Plan(
    rows=(
        Row(OURS, (1, 16, 64, 256, 1024), open_loop=True),
        Row(LEAN, (1,)),
        Row(FLOOR, (16, 64, 256, 1024)),
        Row(BY_HTTP, (16, 256)),
        Row(SQLALCHEMY, (64, 256)),
        Row(GROUPS_OFF, (64, 256)),
    ),
    rounds=3,
    seconds=12,
    warm_up_s=60,
    further_warm_up_s=15,
)
PEERS_TOO: Final = FULL.with_rows(Row(DTM, (1, 16, 64, 256), open_loop=True), Row(RESTATE, (1, 16, 64, 256), open_loop=True))
SHORT: Final = Plan(
    rows=(Row(OURS, (1, 64)), Row(LEAN, (1,)), Row(FLOOR, (64,))),
    rounds=1,
    seconds=8,
    warm_up_s=12,
    further_warm_up_s=8,
    warm_in_flight=64,  # a machine that is overloaded ends some hundred sagas in a minute, too
    again=0,
)
