"""What a run found, and the file that keeps it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from cells import Cell

_DIGITS: Final = 4
"""Significant, in the file."""


@dataclass(frozen=True)
class Round:
    """The cells of closed loops, by system and number in flight, and those of open loops, by
    system."""

    closed: dict[tuple[str, int], Cell] = field(default_factory=dict)
    open: dict[str, Cell] = field(default_factory=dict)

    def add(self, cell: Cell) -> None:
        if cell.offered_per_s is None:
            self.closed[cell.system, cell.in_flight] = cell
        else:
            self.open[cell.system] = cell

    def most_per_s(self, system: str) -> float:
        return max(cell.sagas_per_s for (name, _), cell in self.closed.items() if name == system)


@dataclass(frozen=True)
class Results:
    at: str
    """The day."""
    machine: Mapping[str, str]
    seconds: float
    """Of a cell."""
    rounds: Sequence[Round]

    def as_text(self) -> str:
        """JSON, with a line for each cell."""
        head = json.dumps({"at": self.at, "machine": dict(self.machine), "seconds": self.seconds}, indent=1)
        rounds = ",\n  ".join(
            "[\n   " + ",\n   ".join(_line(cell) for cell in (*one.closed.values(), *one.open.values())) + "\n  ]"
            for one in self.rounds
        )
        return f'{head[:-2]},\n "rounds": [\n  {rounds}\n ]\n}}\n'


def read(file: Path) -> Results:
    given = json.loads(file.read_text())
    rounds = []
    for cells in given["rounds"]:
        rounds.append(Round())
        for cell in cells:
            rounds[-1].add(Cell(**cell))
    return Results(at=given["at"], machine=given["machine"], seconds=given["seconds"], rounds=rounds)


def _line(cell: Cell) -> str:
    return json.dumps(_rounded(asdict(cell)))


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value
