"""What a saga costs while a million old ones are removed, and what is left of them.

Two systems stand side by side on the same services. One holds nothing old. In the other the sagas
of a long time have been kept for long enough: the coordinator removes them, and announces a horizon
that has passed them, so that the participants remove their rows, too. Then as many come once more,
and take the place of the first.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
from cells import measure
from filling import kept_bytes_of, vacuum
from growing import COST, IN_FLIGHT, Subject, compared, copied, subject_of
from growing import Plan as Growth
from holding import Held, ratio
from measuring import cpu_s
from pace import ClosedLoop
from system import Bench

AGE_DAYS: Final = 60
"""Longer than finished sagas are kept, and than a backup may be old."""
SETTINGS: Final = {"SAGA_RETENTION_RATE": "2000", "SAGA_HORIZON_INTERVAL": "5s"}
MOST_CPU_SHARE: Final = 0.05
"""Of a participant, while it removes rows and nobody asks it for anything."""
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
        found = await compared(what, self._full, self._empty, self._plan.growth)
        left = await _old_rows(self._full)
        print(f"{what}: {sum(left)} old rows are left", flush=True)
        self.cells += found.cells
        self.bars += found.bars("that of an empty store")
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

    async def _until_removed(self) -> None:
        """And the share of its time that a participant takes for it."""
        began_s, spent = time.perf_counter(), [cpu_s(pid) for pid in self._full.system.participants]
        busy_until_s = began_s
        before = await _old_rows(self._full)
        while any(left := await _old_rows(self._full)):
            if time.perf_counter() - began_s > PATIENCE_S:
                raise SystemExit(f"{left} old rows are still there after {PATIENCE_S:.0f} s")
            if any(left[1:]):
                busy_until_s = time.perf_counter()
                busy = [cpu_s(pid) for pid in self._full.system.participants]
            await asyncio.sleep(LOOK_S)
        took_s = time.perf_counter() - began_s
        print(f"{sum(before)} old rows removed in {took_s:.0f} s without load", flush=True)
        if busy_until_s - began_s > LOOK_S:
            share = max(now - then for now, then in zip(busy, spent, strict=True)) / (busy_until_s - began_s)
            self.bars.append(Held("a participant that removes rows: share of a core", share, MOST_CPU_SHARE, ""))


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
