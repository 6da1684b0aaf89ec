"""The rounds of a run, in order, whatever measures their cells."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from cells import Cell
from pace import ClosedLoop, OpenLoop, Pace
from plan import OPEN_SHARE, Plan
from results import Round

Measure = Callable[[str, Pace], Awaitable[Cell]]
"""Measures a cell of the system with this name."""


class Rounds:
    """A spoilt cell is measured again while that is allowed; the last one counts."""

    def __init__(self, plan: Plan, measured: Measure) -> None:
        self._plan = plan
        self._measured = measured
        self._again_left = plan.again_in_all

    async def all(self) -> list[Round]:
        return [await self._round(turn) for turn in range(self._plan.rounds)]

    async def _round(self, turn: int) -> Round:
        found = Round()
        for name, in_flight in self._plan.cells(turn):
            found.add(await self._unspoilt(name, partial(ClosedLoop, in_flight)))
        for name in self._plan.open_loops:
            found.add(await self._unspoilt(name, partial(OpenLoop, OPEN_SHARE * found.most_per_s(name))))
        return found

    async def _unspoilt(self, name: str, pace: Callable[[], Pace]) -> Cell:
        cell = await self._measured(name, pace())
        for _ in range(self._plan.again):
            if cell.spoilt and self._again_left:
                self._again_left -= 1
                cell = await self._measured(name, pace())
        return cell
