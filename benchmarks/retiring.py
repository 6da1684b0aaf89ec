"""What a saga costs while a million old ones are removed, and what is left of them.

Two systems stand side by side on the same services. One holds nothing old. In the other the sagas
of a long time have been kept for long enough: the coordinator removes them, and announces a horizon
that has passed them, so that the participants remove their rows, too. Then as many come once more,
and take the place of the first.
"""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
from cells import Cell, measure
from filling import kept_bytes_of, vacuum
from growing import COST, IN_FLIGHT, Comparison, Subject, compared, copied, subject_of
from growing import Plan as Growth
from holding import Held, ratio
from pace import ClosedLoop
from system import PARTICIPANTS, Bench

AGE_DAYS: Final = 60
"""Longer than finished sagas are kept, and than a backup may be old."""
SETTINGS: Final = {"SAGA_HORIZON_INTERVAL": "5s"}
"""While it is measured, sagas are removed at the default rate: some twice as many as end."""
HURRIED: Final = {"SAGA_RETENTION_RATE": "5000"}
"""For those that are left, without load."""
MOST_CPU_SHARE: Final = 0.05
"""Of a participant, for the rows that it removes."""
LOOK_S: Final = 15.0
BEGUN_LOOK_S: Final = 2.0
PATIENCE_S: Final = 3600.0
_OLD: Final = "SELECT count(*) FROM {} WHERE {} < uuidv7(make_interval(days => -1))"


@dataclass(frozen=True)
class Plan:
    old: int
    growth: Growth


class Retiring:
    """The pair, and what was found."""

    def __init__(self, bench: Bench, watcher: Any, plan: Plan) -> None:
        self._bench = bench
        self._plan = plan
        self._empty = subject_of(bench, watcher, "empty")
        self._full = subject_of(bench, watcher, "retires", SETTINGS)
        self.bars: list[Held] = []
        self.cells: list[dict[str, Any]] = []

    async def run(self) -> None:
        for subject in (self._empty, self._full):
            await measure(subject.measured, ClosedLoop(IN_FLIGHT), 1.0, self._plan.growth.warm_up_s)
        first = await self._filled()
        await self._until_begun()
        what = f"while {self._plan.old} finished sagas are removed"
        before = await _old_rows(self._full)
        found = await compared(what, self._full, self._empty, self._plan.growth)
        left = await _old_rows(self._full)
        gone = [were - are for were, are in zip(before, left, strict=True)]
        print(f"{what}: {gone[0]} sagas and {sum(gone[1:])} barrier rows were removed", flush=True)
        self.cells += found.cells
        self.bars += [*found.bars("that of an empty store"), _share(found)]
        await self._hurry()
        await self._until_removed()
        await vacuum(list(self._full.databases))
        again = await self._filled()
        self.bars.append(ratio("as many once more: bytes of our tables, of the first time", again, first, COST))

    async def _filled(self) -> float:
        """Returns bytes on disk."""
        undone = self._plan.old // 10
        for phase, number in (("COMPLETED", self._plan.old - undone), ("COMPENSATED", undone)):
            await copied(self._full, "order", phase, number, AGE_DAYS)
        size = await kept_bytes_of(list(self._full.databases))
        print(f"{self._plan.old} old sagas: {size / 1e6:.0f} MB in the tables of coordinator and kit", flush=True)
        return size

    async def _until_begun(self) -> None:
        """A coordinator that had nothing to remove looks again after five minutes."""
        began_s = time.perf_counter()
        while (await _old_rows(self._full))[0] >= self._plan.old:
            if time.perf_counter() - began_s > PATIENCE_S:
                raise SystemExit(f"nothing was removed within {PATIENCE_S:.0f} s")
            await asyncio.sleep(BEGUN_LOOK_S)

    async def _hurry(self) -> None:
        """Another instance takes over, with a higher rate."""
        system = self._full.system
        os.kill(system.coordinator, signal.SIGKILL)
        await asyncio.to_thread(self._bench.coordinator, {**system.environ, **HURRIED})

    async def _until_removed(self) -> None:
        began_s = time.perf_counter()
        before = await _old_rows(self._full)
        while any(left := await _old_rows(self._full)):
            if time.perf_counter() - began_s > PATIENCE_S:
                raise SystemExit(f"{left} old rows are still there after {PATIENCE_S:.0f} s")
            await asyncio.sleep(LOOK_S)
        print(f"{sum(before)} old rows removed in {time.perf_counter() - began_s:.0f} s without load", flush=True)


def _share(found: Comparison) -> Held:
    """What the participants spend beside what they spend with nothing old, of a core for each."""
    more = statistics.median(_cores(full) - _cores(empty) * full.sagas_per_s / empty.sagas_per_s for full, empty in found.pairs)
    return Held("a participant that removes rows: share of a core for it", more / len(PARTICIPANTS), MOST_CPU_SHARE, "")


def _cores(cell: Cell) -> float:
    return cell.cpu_ms["participants"] * cell.sagas_per_s / 1000


async def _old_rows(subject: Subject) -> Sequence[int]:
    """Of the coordinator's sagas, and of each participant's barrier."""
    found: list[int] = []
    for number, url in enumerate(subject.databases):
        connection = await asyncpg.connect(url)
        try:
            table, column = ("saga_barrier", "saga_id") if number else ("saga", "id")
            found.append(await connection.fetchval(_OLD.format(table, column)))
        finally:
            await connection.close()
    return found
