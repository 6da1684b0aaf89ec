"""Rows of schedules and short forms for the store's contract suite."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from contract.store_rows import LATER, new_id, register, row_of, start
from saga_coordinator.store.port import SagaRow, Store
from saga_coordinator.store.schedule_records import (
    BackfillRow,
    DayCalendarRow,
    ScheduleRow,
    ScheduleStatus,
    TickOutcome,
    TickRangeRow,
    TickRow,
    TickSource,
)

MANY = 1_000
ALL = tuple(ScheduleStatus)
MINUTE_US = 60_000_000


def schedule_row(name: str = "settlement", **changed: Any) -> ScheduleRow:
    row = ScheduleRow(
        id=new_id(),
        tenant="default",
        name=name,
        version=1,
        document="{}",
        status=ScheduleStatus.ACTIVE,
        cursor_us=1,
        cursor_local=None,
        next_at_us=LATER,
        fire_at_us=LATER + 1,
        wake_at_us=LATER,
        uses_calendars=False,
        created_at_us=1,
        changed_at_us=1,
    )
    return replace(row, **changed)


def tick_row(schedule: ScheduleRow, at_us: int, **changed: Any) -> TickRow:
    row = TickRow(
        schedule_id=schedule.id,
        at_us=at_us,
        source=TickSource.CALENDAR,
        outcome=TickOutcome.SKIPPED,
        version=1,
        reason="overlap",
        decided_at_us=at_us,
    )
    return replace(row, **changed)


def fired(schedule: ScheduleRow, at_us: int, saga_id: UUID | None = None, **changed: Any) -> TickRow:
    saga = {"saga_id": saga_id or new_id(), "fired_at_us": at_us}
    return tick_row(schedule, at_us, outcome=TickOutcome.FIRED, reason=None, **{**saga, **changed})


def queued(schedule: ScheduleRow, at_us: int) -> TickRow:
    return tick_row(schedule, at_us, outcome=TickOutcome.QUEUED)


def range_row(schedule: ScheduleRow, first_us: int, last_us: int, count: int, **changed: Any) -> TickRangeRow:
    row = TickRangeRow(
        schedule_id=schedule.id,
        first_us=first_us,
        last_us=last_us,
        count=count,
        outcome=TickOutcome.MISSED,
        reason="missed",
        decided_at_us=last_us,
    )
    return replace(row, **changed)


def backfill_row(schedule: ScheduleRow, **changed: Any) -> BackfillRow:
    row = BackfillRow(
        id=new_id(),
        tenant=schedule.tenant,
        schedule_id=schedule.id,
        from_us=10,
        until_us=20,
        place_us=9,
        overlap="allow:3",
        per_minute=60,
        next_at_us=1,
        found=2,
        who="ada",
        why="the ledger was down",
        created_at_us=1,
    )
    return replace(row, **changed)


def days_row(name: str = "holidays", version: int = 1, tenant: str = "default") -> DayCalendarRow:
    return DayCalendarRow(tenant=tenant, name=name, version=version, document=f"v{version}", who="ada", why="", at_us=1)


async def add(store: Store, *rows: ScheduleRow, most: int = MANY) -> list[bool]:
    added = []
    for row in rows:
        async with store.transaction() as tx:
            added.append(await tx.add_schedule(row, most))
    return added


async def put(store: Store, *rows: ScheduleRow) -> None:
    async with store.transaction() as tx:
        await tx.lock_schedules([row.id for row in rows])
        await tx.put_schedules(rows)


async def put_ticks(store: Store, *rows: TickRow) -> None:
    async with store.transaction() as tx:
        await tx.put_ticks(rows)


async def put_range(store: Store, row: TickRangeRow, follows_us: int | None = None) -> None:
    async with store.transaction() as tx:
        await tx.add_tick_range(row, follows_us=follows_us)


async def ranges(store: Store, schedule: ScheduleRow) -> list[TickRangeRow]:
    return await store.tick_ranges(schedule.id, before_us=LATER, limit=9)


async def saga_of(store: Store) -> SagaRow:
    row = row_of(await register(store, f"order-{new_id()}"))
    await start(store, row)
    return row


async def names(store: Store, limit: int = 9) -> list[str]:
    return [one.name for one in (await store.schedules_to_turn("default", limit=limit, ended=True))[0]]
