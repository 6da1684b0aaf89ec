"""Two transactions at one schedule, and schedules copied to another database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from contract.schedule_rows import (
    add,
    backfill_row,
    days_row,
    fired,
    names,
    put_range,
    put_ticks,
    queued,
    range_row,
    ranges,
    schedule_row,
)
from contract.store_rows import LATER, new_id
from saga_coordinator.loops.hold_limit import LONGEST_S
from saga_coordinator.store.open import open_store
from saga_coordinator.store.port import Store, StoreError
from saga_coordinator.store.postgres_transaction import PostgresTransaction
from saga_coordinator.store.schedule_records import ScheduleRow, ScheduleVersionRow, TurnFirst
from saga_coordinator.store.store_copy import copy_store
from support.orders import until

# --- two transactions -----------------------------------------------------------------------------


def turn_of(*rows: ScheduleRow, limit: int = 9, silent_s: float = LONGEST_S) -> TurnFirst:
    return TurnFirst(seen=rows, seen_at_us=1_000, limit=limit, silent_s=silent_s)


async def test_locked_schedules_are_as_they_are_now_and_the_clock_is_read_anew(store: Store) -> None:
    await add(store, row := schedule_row(), other := schedule_row("other"))
    async with store.transaction() as tx:
        began_us = tx.now_us
        while await store.now_us() <= began_us:
            pass
        assert await tx.lock_schedules([row.id, new_id(), other.id]) == {row.id: row, other.id: other}
        assert tx.now_us > began_us
        assert await tx.lock_schedules([]) == {}


@pytest.mark.parametrize("store_url", ["kept_database"], indirect=True)  # SQLite has one writer at a time
async def test_a_schedule_that_another_transaction_holds_is_left_out(store: Store) -> None:
    await add(store, row := schedule_row(), other := schedule_row("other"))
    async with store.transaction() as holder:
        await holder.lock_schedules([row.id])
        async with store.transaction(turn_of(row, other)) as tx:
            assert tx.turning == {other.id: other}
    async with store.transaction(turn_of(row, other)) as tx:
        assert set(tx.turning) == {row.id, other.id}


async def test_a_turn_gets_the_schedules_that_are_due_longest_in_this_order(store: Store) -> None:
    rows = [schedule_row(f"s-{n}", wake_at_us=wake_us) for n, wake_us in enumerate([30, 10, 20, None, LATER])]
    await add(store, *rows)
    before_us = await store.now_us()
    async with store.transaction(turn_of(*rows, limit=2)) as tx:
        assert list(tx.turning) == [rows[1].id, rows[2].id]
        assert tx.now_us >= before_us
    async with store.transaction(turn_of(*rows)) as tx:
        assert list(tx.turning) == [rows[n].id for n in (1, 2, 0, 4, 3)], "sagas of the last have ended"


async def test_a_schedule_whose_turn_another_instance_has_taken_is_left_out(store: Store) -> None:
    await add(store, row := schedule_row(wake_at_us=10), other := schedule_row("other", wake_at_us=20))
    async with store.transaction() as tx:
        await tx.lock_schedules([row.id])
        await tx.put_schedules([replace(row, wake_at_us=LATER)])
    async with store.transaction(turn_of(row, other, limit=1)) as tx:
        assert list(tx.turning) == [other.id]
    before_us = await store.now_us()
    async with store.transaction(turn_of(row)) as tx:
        assert tx.turning == {}
        assert tx.now_us >= before_us


@pytest.mark.parametrize("store_url", ["kept_database"], indirect=True)
async def test_a_schedule_whose_turn_ends_while_another_begins_is_taken_once(store: Store) -> None:
    """The other's statement began before, and sees the row as it was."""
    await add(store, row := schedule_row(wake_at_us=10), *(others := [schedule_row(f"s-{n}", wake_at_us=20) for n in range(3)]))
    taken: list[UUID] = []

    async def turn() -> None:
        for _ in range(50):
            async with store.transaction(turn_of(row, *others, limit=1)) as tx:
                await tx.put_schedules([replace(one, wake_at_us=LATER) for one in tx.turning.values()])
            taken.extend(tx.turning)

    await asyncio.gather(*(turn() for _ in range(4)))
    assert sorted(taken) == sorted(one.id for one in (row, *others))


@pytest.mark.parametrize("within_a_statement", [False, True], ids=["between_statements", "within_a_statement"])
@pytest.mark.parametrize("store_url", ["kept_database"], indirect=True)
async def test_an_instance_that_is_stopped_in_its_turn_holds_schedules_for_as_long_as_it_said(
    store: Store, within_a_statement: bool
) -> None:
    await add(store, row := schedule_row())

    async def stopped() -> None:
        async with store.transaction(turn_of(row, silent_s=0.2)) as tx:
            assert tx.turning
            if within_a_statement:
                assert isinstance(tx, PostgresTransaction)
                await tx._driver.prepare("SELECT count(*) FROM schedule")
            await until(free, 10, "the schedule is free")

    async def free() -> bool:
        async with store.transaction(turn_of(row)) as tx:
            return bool(tx.turning)

    with pytest.raises(StoreError):
        await stopped()


async def test_whoever_waits_for_a_schedule_sees_what_the_other_did(store: Store) -> None:
    await add(store, row := schedule_row())
    held, seen = asyncio.Event(), []

    async def turn() -> None:
        await held.wait()
        async with store.transaction() as tx:
            seen.append((await tx.lock_schedules([row.id]))[row.id].fired)

    async with asyncio.TaskGroup() as both:
        both.create_task(turn())
        async with store.transaction() as tx:
            locked = await tx.lock_schedules([row.id])
            held.set()
            await tx.put_schedules([replace(locked[row.id], fired=1)])
    assert seen == [1]


async def test_of_two_that_add_the_last_one_at_once_one_may(store: Store) -> None:
    async with asyncio.TaskGroup() as both:
        tasks = [both.create_task(add(store, schedule_row(f"s-{n}"), most=1)) for n in range(4)]
    assert sorted(task.result()[0] for task in tasks) == [False, False, False, True]


async def test_a_wake_up_is_not_lost_to_a_turn_that_is_under_way(store: Store) -> None:
    await add(store, row := schedule_row(uses_calendars=True))
    held = asyncio.Event()

    async def wake() -> None:
        await held.wait()
        async with store.transaction() as tx:
            assert await tx.wake_schedules("default", uses_calendars=True) == 1

    async with asyncio.TaskGroup() as both:
        both.create_task(wake())
        async with store.transaction() as tx:
            locked = await tx.lock_schedules([row.id])
            held.set()
            await tx.put_schedules([replace(locked[row.id], wake_at_us=LATER + 9)])
    assert await names(store) == ["settlement"]


# --- another store --------------------------------------------------------------------------------


async def test_schedules_are_copied_to_another_database(
    store: Store, store_url: str, postgres_url: Callable[[], str], tmp_path: Path
) -> None:
    schedule = schedule_row(uses_calendars=True)
    await add(store, schedule)
    rows = [fired(schedule, 5), queued(schedule, 6)]
    await put_ticks(store, *rows)
    await put_range(store, missed := range_row(schedule, 1, 4, 4))
    async with store.transaction() as tx:
        await tx.add_backfill(backfill := backfill_row(schedule))
        await tx.put_day_calendar(days := days_row())
        await tx.add_schedule_version(
            version := ScheduleVersionRow(schedule_id=schedule.id, version=1, document="{}", who="ada", why="", at_us=1)
        )
    await store.stop()
    target = postgres_url() if store.dialect == "sqlite" else f"sqlite+aiosqlite:///{tmp_path}/other.sqlite"
    await copy_store(store_url, target)
    other = open_store(target)
    await other.start()
    try:
        assert await other.schedule("default", schedule.name) == schedule
        assert await other.ticks(schedule.id, before_us=LATER, limit=9) == rows[::-1]
        assert await ranges(other, schedule) == [missed]
        assert await other.backfills(schedule.id, before=None, limit=9) == [backfill]
        assert await other.day_calendars("default") == [days]
        assert await other.schedule_versions(schedule.id, below=9, limit=9) == [version]
    finally:
        await other.stop()
