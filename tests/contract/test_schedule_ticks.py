"""Ticks, ranges of ticks, backfills and calendars of days on both databases."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from contract.schedule_rows import (
    MANY,
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
    tick_row,
)
from contract.store_rows import LATER, new_id
from saga_coordinator.store.port import CountMismatch, Store, StoreError
from saga_coordinator.store.schedule_records import AtTurn, BackfillStatus, OpenTicks, ScheduleStatus, TickOutcome

# --- ticks ----------------------------------------------------------------------------------------


async def test_ticks_are_inserted_and_written_over_many_at_once(store: Store) -> None:
    schedule = schedule_row()
    rows = [tick_row(schedule, n, note="x", overlap="allow:2", saga_id=new_id() if n % 2 else None) for n in range(1, 201)]
    await put_ticks(store, *rows)
    assert await store.ticks(schedule.id, before_us=LATER, limit=MANY) == rows[::-1]
    later = [fired(schedule, row.at_us, phase="COMPLETED", ended_at_us=9) for row in rows[:100]]
    await put_ticks(store, *later, later[0])
    assert await store.ticks(schedule.id, before_us=LATER, limit=MANY) == [*rows[:99:-1], *later[::-1]]
    assert await store.ticks(schedule.id, before_us=4, limit=2) == [later[2], later[1]]
    async with store.transaction() as tx:
        await tx.put_ticks([])


@pytest.mark.parametrize(
    "changed",
    [{"outcome": "fired"}, {"outcome": "lost"}, {"source": "nobody"}, {"phase": "COMPLETED"}, {"ended_at_us": 1}],
    ids=lambda changed: "-".join(changed.values()) if "ended_at_us" not in changed else "ended",
)
async def test_a_tick_that_cannot_be_is_refused(store: Store, changed: dict[str, Any]) -> None:
    with pytest.raises(StoreError):
        await put_ticks(store, tick_row(schedule_row(), 1, **changed))


async def test_ticks_are_found_by_their_instants(store: Store) -> None:
    schedule = schedule_row()
    await put_ticks(store, *(rows := [tick_row(schedule, n) for n in (1, 2, 3)]), tick_row(schedule_row(), 2))
    async with store.transaction() as tx:
        assert await tx.ticks_at(schedule.id, [2, 3, 4]) == {2: rows[1], 3: rows[2]}
        assert await tx.ticks_at(schedule.id, []) == {}


async def test_the_tick_of_a_saga_is_the_one_that_started_it(store: Store) -> None:
    await add(store, schedule := schedule_row())
    saga_id = new_id()
    await put_ticks(store, tick_row(schedule, 9, saga_id=saga_id), started := fired(schedule, 5, saga_id))
    assert await store.tick_of_saga(saga_id) == (schedule, started)
    assert await store.tick_of_saga(new_id()) is None


async def test_open_ticks_are_those_that_run_or_wait(store: Store) -> None:
    one, two, three = (schedule_row(name) for name in ("one", "two", "three"))
    running = [fired(one, 7), fired(one, 2)]
    waiting = [queued(one, 5), queued(two, 4)]
    done = [fired(one, 1, phase="COMPLETED", ended_at_us=2), tick_row(three, 1)]
    await put_ticks(store, *running, *waiting, *done)
    found = {
        one.id: OpenTicks(running=(running[1], running[0]), queued=(waiting[0],)),
        two.id: OpenTicks(running=(), queued=(waiting[1],)),
    }
    ids = [one.id, two.id, three.id]
    assert await store.open_ticks(ids) == found
    assert await store.open_ticks([]) == {}
    async with store.transaction() as tx:
        at_turn = await tx.at_turn(ids)
        assert at_turn.keys() == found.keys()
        assert {id: one.queued for id, one in at_turn.items()} == {id: ticks.queued for id, ticks in found.items()}
        assert await tx.at_turn([]) == {}
        await tx.put_ticks([replace(waiting[1], outcome=TickOutcome.SKIPPED)])
        assert await tx.at_turn([two.id]) == {}, "what the transaction itself has put"


# --- ranges of ticks ------------------------------------------------------------------------------


async def test_a_range_grows_where_the_next_follows_for_the_same_reason(store: Store) -> None:
    schedule, saga_id = schedule_row(), new_id()
    first = range_row(schedule, 10, 19, 10, saga_id=saga_id, note="down")
    await put_range(store, first)
    await put_range(store, range_row(schedule_row("other"), 1, 19, 5, saga_id=saga_id))
    await put_range(store, range_row(schedule, 20, 24, 5, saga_id=saga_id), follows_us=19)
    longer = replace(first, last_us=24, count=15)
    assert await ranges(store, schedule) == [longer]
    await put_range(store, apart := range_row(schedule, 30, 39, 1, saga_id=saga_id), follows_us=29)
    assert await ranges(store, schedule) == [apart, longer]
    assert await store.tick_ranges(schedule.id, before_us=30, limit=9) == [longer]
    assert await store.tick_ranges(schedule.id, before_us=LATER, limit=1) == [apart]


@pytest.mark.parametrize(
    "changed",
    [{"outcome": TickOutcome.SKIPPED}, {"reason": "paused"}, {"saga_id": new_id()}, {}],
    ids=["outcome", "reason", "saga", "nobody asked"],
)
async def test_a_range_of_another_kind_stands_by_itself(store: Store, changed: dict[str, Any]) -> None:
    schedule = schedule_row()
    await put_range(store, first := range_row(schedule, 10, 19, 10))
    await put_range(store, second := range_row(schedule, 20, 24, 5, **changed), follows_us=19 if changed else None)
    assert await ranges(store, schedule) == [second, first]


async def test_a_range_of_no_saga_grows_too(store: Store) -> None:
    schedule = schedule_row()
    await put_range(store, first := range_row(schedule, 10, 19, 10))
    await put_range(store, range_row(schedule, 20, 20, 1), follows_us=19)
    assert await ranges(store, schedule) == [replace(first, last_us=20, count=11)]


# --- backfills ------------------------------------------------------------------------------------


async def test_one_backfill_of_a_schedule_runs(store: Store) -> None:
    schedule, other = schedule_row(), schedule_row("other")
    row, second, of_other = backfill_row(schedule), backfill_row(schedule), backfill_row(other)
    async with store.transaction() as tx:
        assert [await tx.add_backfill(one) for one in (row, second, of_other)] == [True, False, True]
    async with store.transaction() as tx:
        found = await tx.at_turn([schedule.id, other.id, new_id()])
        assert found == {schedule.id: AtTurn(backfill=row), other.id: AtTurn(backfill=of_other)}
        ended = replace(
            row,
            place_us=15,
            status=BackfillStatus.STOPPED,
            fired=1,
            known=2,
            skipped=3,
            failed=4,
            ended_at_us=9,
            stopped_by="bob",
            stopped_why="enough",
        )
        await tx.put_backfill(ended)
        assert await tx.at_turn([schedule.id]) == {}
        assert await tx.add_backfill(second)
    assert await store.backfill("default", row.id) == ended
    assert await store.backfill("another", row.id) is None
    assert await store.backfills(schedule.id, before=None, limit=9) == [second, ended]
    assert await store.backfills(schedule.id, before=second.id, limit=9) == [ended]
    assert await store.backfills(schedule.id, before=None, limit=1) == [second]


async def test_a_backfill_that_is_not_there_is_not_written(store: Store) -> None:
    with pytest.raises(CountMismatch):
        async with store.transaction() as tx:
            await tx.put_backfill(backfill_row(schedule_row()))


# --- calendars of days ----------------------------------------------------------------------------


async def test_the_newest_version_of_each_calendar_is_read(store: Store) -> None:
    async with store.transaction() as tx:
        rows = [days_row("b"), days_row("a"), days_row("a", 2), days_row("a", 2), days_row("a", 1, "another")]
        assert [await tx.put_day_calendar(row) for row in rows] == [True, True, True, False, True]
    assert await store.day_calendars("default") == [rows[2], rows[0]]
    async with store.transaction() as tx:
        assert [await tx.delete_day_calendar("default", "a") for _ in range(2)] == [True, False]
    assert await store.day_calendars("default") == [rows[0]]
    assert await store.day_calendars("another") == [rows[4]]


@pytest.mark.parametrize(
    ("uses_calendars", "woken"), [(True, ["excludes"]), (False, ["plain"]), (None, ["excludes", "plain"])], ids=str
)
async def test_schedules_are_woken(store: Store, uses_calendars: bool | None, woken: list[str]) -> None:
    await add(
        store,
        schedule_row("excludes", uses_calendars=True),
        schedule_row("plain", wake_at_us=None),
        schedule_row("deleted", uses_calendars=True, status=ScheduleStatus.DELETED),
        schedule_row("others", uses_calendars=True, tenant="another"),
    )
    async with store.transaction() as tx:
        assert await tx.wake_schedules("default", uses_calendars=uses_calendars) == len(woken)
    assert sorted(await names(store)) == woken
