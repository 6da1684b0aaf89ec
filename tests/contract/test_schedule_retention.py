"""What is no longer kept of schedules, on both databases: no tick goes that waits or whose saga
runs, and a schedule knows from when on its ticks are on record."""

from __future__ import annotations

import pytest

from contract.schedule_rows import (
    add,
    backfill_row,
    fired,
    put_range,
    put_ticks,
    queued,
    range_row,
    ranges,
    schedule_row,
    tick_row,
)
from contract.store_rows import LATER
from saga_coordinator.store.identifiers import first_id
from saga_coordinator.store.port import Store
from saga_coordinator.store.removal_port import OldRows
from saga_coordinator.store.schedule_records import BackfillStatus, ScheduleRow, ScheduleStatus, ScheduleVersionRow


async def removed(store: Store, table: OldRows, before_us: int, limit: int = 10) -> int:
    async with store.transaction() as tx:
        return await tx.remove_old(table, "default", before_us, limit)


async def instants(store: Store, schedule: ScheduleRow) -> list[int]:
    return [tick.at_us for tick in await store.ticks(schedule.id, before_us=LATER, limit=99)]


async def ticks_from(store: Store, schedule: ScheduleRow) -> int:
    row = await store.schedule(schedule.tenant, schedule.name)
    assert row is not None
    return row.ticks_from_us


async def test_old_ticks_go_but_none_that_waits_or_whose_saga_runs(store: Store) -> None:
    schedule, other, another = schedule_row(), schedule_row("other"), schedule_row(tenant="another")
    await add(store, schedule, other, another)
    assert await store.oldest("schedule_tick", "default") is None
    done = [fired(schedule, n, phase="COMPLETED", ended_at_us=9) for n in (3, 4, 10)]
    await put_ticks(store, fired(schedule, 1), queued(schedule, 2), *done, tick_row(schedule, 5), tick_row(another, 1))
    await put_ticks(store, tick_row(other, 20))
    assert await store.oldest("schedule_tick", "default") == 3

    assert await removed(store, "schedule_tick", 10) == 3

    assert await instants(store, schedule) == [10, 2, 1]
    assert [await ticks_from(store, one) for one in (schedule, other, another)] == [6, 0, 0]
    assert (await instants(store, other), await instants(store, another)) == ([20], [1])
    assert await removed(store, "schedule_tick", 10) == 0
    assert await store.oldest("schedule_tick", "default") == 10


async def test_old_ticks_go_a_batch_at_a_time_and_never_more_than_is_known(store: Store) -> None:
    await add(store, schedule := schedule_row(ticks_from_us=5))
    await put_ticks(store, *(tick_row(schedule, n) for n in range(1, 10)))
    assert await removed(store, "schedule_tick", 8, limit=3) == 3
    assert await ticks_from(store, schedule) == 5, "it is not moved back"
    assert [await removed(store, "schedule_tick", 8, limit=3) for _ in range(3)] == [3, 1, 0]
    assert (await instants(store, schedule), await ticks_from(store, schedule)) == ([9, 8], 8)


@pytest.mark.parametrize("store_url", ["kept_database"], indirect=True)  # SQLite has one writer at a time
async def test_ticks_of_a_schedule_that_somebody_holds_stay(store: Store) -> None:
    await add(store, schedule := schedule_row(), other := schedule_row("other"))
    await put_ticks(store, tick_row(schedule, 1), tick_row(other, 1))
    async with store.transaction() as holder:
        await holder.lock_schedules([schedule.id])
        assert await removed(store, "schedule_tick", 9) == 1
        assert (await instants(store, schedule), await instants(store, other)) == ([1], [])
    assert await removed(store, "schedule_tick", 9) == 1


async def test_old_ranges_of_ticks_go_by_their_last(store: Store) -> None:
    await add(store, schedule := schedule_row(), another := schedule_row(tenant="another"))
    kept = range_row(schedule, 6, 12, 7)
    for row in (range_row(schedule, 1, 5, 5), kept, range_row(another, 1, 5, 5)):
        await put_range(store, row)
    assert await store.oldest("schedule_tick_range", "default") == 5
    assert [await removed(store, "schedule_tick_range", 10) for _ in range(2)] == [1, 0]
    assert (await ranges(store, schedule), await ticks_from(store, schedule)) == ([kept], 6)
    assert len(await ranges(store, another)) == 1


async def test_old_backfills_go_that_have_ended(store: Store) -> None:
    schedule, other, another = schedule_row(), schedule_row("other"), schedule_row(tenant="another")
    old, done = first_id(1_000_000), {"status": BackfillStatus.DONE, "ended_at_us": 1}
    running, young = backfill_row(other, id=first_id(1_001_000)), backfill_row(schedule, **done)
    rows = [backfill_row(schedule, id=old, **done), running, young, backfill_row(another, id=first_id(1_002_000), **done)]
    async with store.transaction() as tx:
        for row in rows:
            assert await tx.add_backfill(row)
    assert await store.oldest("schedule_backfill", "default") == 1_000_000
    assert [await removed(store, "schedule_backfill", 2_000_000) for _ in range(2)] == [1, 0]
    assert await store.backfills(schedule.id, before=None, limit=9) == [young]
    assert await store.backfill("default", running.id) == running
    assert await store.backfill("another", rows[3].id) == rows[3]


async def test_old_versions_of_deleted_schedules_go(store: Store) -> None:
    rows = [schedule_row("deleted", status=ScheduleStatus.DELETED), schedule_row("active")]
    await add(store, *rows)
    async with store.transaction() as tx:
        for row in rows:
            for n in (1, 2):
                version = ScheduleVersionRow(schedule_id=row.id, version=n, document="{}", who="ada", why="", at_us=n * 10)
                await tx.add_schedule_version(version)
    assert await store.oldest("schedule_version", "default") == 10
    assert [await removed(store, "schedule_version", 15) for _ in range(2)] == [1, 0]
    left = [[one.version for one in await store.schedule_versions(row.id, below=9, limit=9)] for row in rows]
    assert left == [[2], [2, 1]]
