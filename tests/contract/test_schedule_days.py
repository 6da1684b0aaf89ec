"""Each policy of overlap and of missed ticks, day by day, with the rows in each database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from contract.store_rows import move, register, row_of, save, start
from saga_coordinator.schedules.turn import Turn
from saga_coordinator.store.port import Store
from saga_coordinator.store.schedule_records import AtTurn, ScheduleRow, TickRangeRow, TickRow
from support.schedule_days import DAYS, check

FOR_EVER_US = 2**62


@dataclass
class StoreKeeper:
    """Rows in a database; the schedule's sagas are rows, too."""

    store: Store
    definition: int
    tenant: str
    """Each day has its own."""

    async def add(self, row: ScheduleRow) -> None:
        async with self.store.transaction() as tx:
            assert await tx.add_schedule(row, 10)

    async def _row(self) -> ScheduleRow:
        row = await self.store.schedule(self.tenant, "daily")
        assert row is not None
        return row

    async def load(self) -> tuple[ScheduleRow, AtTurn]:
        row = await self._row()
        async with self.store.transaction() as tx:
            locked = await tx.lock_schedules([row.id])
            return locked[row.id], (await tx.at_turn([row.id])).get(row.id, AtTurn())

    async def save(self, turn: Turn) -> None:
        await start(self.store, *(row_of(self.definition, tenant=self.tenant, id=one.start.claim.saga_id) for one in turn.begun))
        async with self.store.transaction() as tx:
            await tx.lock_schedules([turn.row.id])
            await tx.put_schedules([turn.row])
            await tx.put_ticks(list(turn.ticks.values()))
            for made, follows_us in turn.ranges:
                await tx.add_tick_range(made, follows_us=follows_us)

    async def ended(self, saga_id: UUID, phase: str, at_us: int) -> None:
        saga = await self.store.saga(saga_id)
        assert saga is not None
        await save(self.store, move(saga, phase=phase, wake_at_us=None, closed_at_us=at_us))

    async def history(self) -> tuple[Sequence[TickRow], Sequence[TickRangeRow]]:
        row = await self._row()
        ticks = await self.store.ticks(row.id, before_us=FOR_EVER_US, limit=100)
        return ticks, await self.store.tick_ranges(row.id, before_us=FOR_EVER_US, limit=100)


async def test_every_day(store: Store) -> None:
    for number, day in enumerate(DAYS):
        tenant = f"day-{number}"
        await check(day, StoreKeeper(store, await register(store, tenant=tenant), tenant))
