"""Schedules on both databases: their rows, and who of them has something to do."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Executable, event
from sqlalchemy.ext.asyncio import create_async_engine

from contract.schedule_rows import (
    ALL,
    MANY,
    MINUTE_US,
    add,
    backfill_row,
    fired,
    names,
    put,
    put_ticks,
    queued,
    saga_of,
    schedule_row,
    tick_row,
)
from contract.store_rows import LATER, end, new_id, save
from saga_coordinator.store import schedule_turns, schedules
from saga_coordinator.store.port import CountMismatch, Store, StoreError
from saga_coordinator.store.postgres import SESSION
from saga_coordinator.store.schedule_records import AtTurn, BackfillStatus, EndedTick, ScheduleStatus, ScheduleVersionRow

# --- schedules ------------------------------------------------------------------------------------


async def test_a_schedule_is_read_as_it_was_written(store: Store) -> None:
    full = schedule_row(
        version=3,
        status=ScheduleStatus.PAUSED,
        cursor_local="2027-03-28T02:30:00",
        uses_calendars=True,
        runs=4,
        previous_us=5,
        fired=6,
        queued=7,
        skipped=8,
        missed=9,
        failed=10,
        failures=11,
        succeeded_at_us=12,
        success_due_at_us=13,
        attention="no_success",
        attention_note="none since Sunday",
        attention_since_us=14,
        paused_at_us=15,
        paused_by="ada",
        paused_why="holidays",
        ticks_from_us=16,
    )
    assert await add(store, full) == [True]
    assert await store.schedule("default", "settlement") == full
    assert await store.schedule("another", "settlement") is None
    assert await store.schedule("default", "nobody") is None


async def test_a_name_is_taken_once_a_tenant_even_by_a_deleted_one(store: Store) -> None:
    first = schedule_row(status=ScheduleStatus.DELETED)
    assert await add(store, first, schedule_row(), schedule_row(tenant="another")) == [True, False, True]
    assert await store.schedule("default", "settlement") == first


async def test_a_tenant_has_so_many_that_are_not_deleted(store: Store) -> None:
    gone = schedule_row("a", status=ScheduleStatus.DELETED)
    assert await add(store, gone, schedule_row("b"), schedule_row("c"), most=1) == [True, True, False]
    assert await add(store, schedule_row("d", tenant="another"), most=1) == [True]


async def test_schedules_are_listed_by_name_and_state(store: Store) -> None:
    rows = [schedule_row(name) for name in ("a-1", "a1", "b")]
    rows.append(schedule_row("c", status=ScheduleStatus.DELETED))
    await add(store, *rows, schedule_row("d", tenant="another"))

    async def listed(after: str = "", limit: int = 9, statuses: tuple[str, ...] = ALL) -> list[str]:
        return [one.name for one in await store.schedules("default", after=after, limit=limit, statuses=statuses)]

    assert await listed() == ["a-1", "a1", "b", "c"]
    assert await listed(after="a-1", limit=2) == ["a1", "b"]
    assert await listed(statuses=("deleted", "paused")) == ["c"]
    assert await listed(statuses=()) == []


async def test_schedules_are_written_over_many_at_once(store: Store) -> None:
    rows = [schedule_row(f"s-{n:03}") for n in range(200)]
    await add(store, *rows)
    after = [replace(row, fired=n, wake_at_us=None, uses_calendars=True) for n, row in enumerate(rows)]
    await put(store, *after)
    assert await store.schedules("default", after="", limit=MANY, statuses=ALL) == after


async def test_a_schedule_that_is_not_there_is_not_written(store: Store) -> None:
    await add(store, row := schedule_row())
    with pytest.raises(CountMismatch):
        await put(store, replace(row, fired=1), schedule_row("nobody"))
    assert await store.schedule("default", row.name) == row


@pytest.mark.parametrize(
    "changed",
    [
        {"status": "asleep"},
        {"fired": -1},
        {"fire_at_us": None},
        {"attention": "no_success"},
        {"status": ScheduleStatus.PAUSED},
    ],
    ids=lambda changed: "-".join(changed),
)
async def test_a_schedule_that_cannot_be_is_refused(store: Store, changed: dict[str, Any]) -> None:
    with pytest.raises(StoreError):
        await add(store, schedule_row(**changed))


async def test_versions_are_listed_newest_first(store: Store) -> None:
    schedule = schedule_row()
    rows = [
        ScheduleVersionRow(schedule_id=schedule.id, version=n, document=f"v{n}", who="ada", why="", at_us=n) for n in (1, 2, 3)
    ]
    for row in rows:
        async with store.transaction() as tx:
            await tx.add_schedule_version(row)
    assert await store.schedule_versions(schedule.id, below=MANY, limit=2) == rows[:0:-1]
    assert await store.schedule_versions(schedule.id, below=2, limit=9) == rows[:1]
    assert await store.schedule_versions(new_id(), below=MANY, limit=9) == []


async def test_counts_are_of_one_tenant_and_of_those_that_are_not_deleted(store: Store) -> None:
    now_us = await store.now_us()
    paused = {"status": ScheduleStatus.PAUSED, "paused_at_us": 1, "paused_by": "ada"}
    attention = {"attention": "no_success", "attention_since_us": 1}
    assert (await store.schedule_counts("default")).active == 0
    rows = [
        schedule_row("a", fire_at_us=now_us - 5, **attention),
        schedule_row("b", fire_at_us=now_us - 7, success_due_at_us=1),
        schedule_row("c", fire_at_us=1, **paused),
        schedule_row("d", fire_at_us=1, status=ScheduleStatus.DELETED, success_due_at_us=1, **attention),
        schedule_row("e", fire_at_us=1, tenant="another"),
        schedule_row("f", status=ScheduleStatus.ENDED, next_at_us=None, fire_at_us=None, success_due_at_us=LATER),
    ]
    await add(store, *rows)
    async with store.transaction() as tx:
        await tx.add_backfill(backfill_row(rows[0]))
        await tx.add_backfill(backfill_row(rows[1], status=BackfillStatus.DONE, ended_at_us=1))
        await tx.add_backfill(backfill_row(rows[4]))
    counts = await store.schedule_counts("default")
    assert (counts.active, counts.paused, counts.attention, counts.overdue) == (2, 1, 1, 1)
    assert (counts.due_since_us, counts.backfills) == (now_us - 7, 1)
    assert counts.now_us >= now_us


async def test_those_in_need_are_listed_longest_first(store: Store) -> None:
    now_us = await store.now_us()
    paused = {"status": ScheduleStatus.PAUSED, "paused_by": "ada"}
    attention = {"attention": "no_success", "attention_since_us": now_us - 20 * MINUTE_US}
    await add(
        store,
        schedule_row("well", success_due_at_us=LATER),
        schedule_row("attention", **attention),
        schedule_row("overdue", success_due_at_us=now_us - 30 * MINUTE_US),
        schedule_row("paused", paused_at_us=now_us - 40 * MINUTE_US, **paused),
        schedule_row("paused-just-now", paused_at_us=now_us, **paused),
        schedule_row("deleted", status=ScheduleStatus.DELETED, **attention),
        schedule_row("others", tenant="another", **attention),
    )
    found = await store.schedules_in_need("default", paused_for_us=MINUTE_US, limit=9)
    assert [one.name for one in found] == ["paused", "overdue", "attention"]
    assert [one.name for one in await store.schedules_in_need("default", paused_for_us=MINUTE_US, limit=1)] == ["paused"]


# --- who has something to do ----------------------------------------------------------------------


async def test_nothing_is_to_do_until_the_earliest_wake_up(store: Store) -> None:
    before_us = await store.now_us()
    assert (await store.schedules_to_turn("default", limit=9, ended=True))[:2] == ([], None)
    await add(
        store,
        schedule_row("a", wake_at_us=LATER + 5),
        schedule_row("b", wake_at_us=LATER + 3),
        schedule_row("asleep", wake_at_us=None),
        schedule_row("deleted", wake_at_us=1, status=ScheduleStatus.DELETED),
        schedule_row("others", wake_at_us=1, tenant="another"),
    )
    found, next_us, now_us = await store.schedules_to_turn("default", limit=9, ended=True)
    assert (found, next_us) == ([], LATER + 3)
    assert now_us >= before_us


async def test_those_that_are_due_come_longest_first(store: Store) -> None:
    rows = [schedule_row(name, wake_at_us=at) for name, at in (("a", 30), ("b", 10), ("c", 20), ("d", LATER))]
    await add(store, *rows)
    assert await names(store) == ["b", "c", "a"]
    assert await names(store, limit=2) == ["b", "c"]


@pytest.mark.parametrize("status", [ScheduleStatus.ACTIVE, ScheduleStatus.ENDED, ScheduleStatus.DELETED])
async def test_a_schedule_has_something_to_do_when_a_saga_of_it_ends(store: Store, status: ScheduleStatus) -> None:
    saga = await saga_of(store)
    schedule = schedule_row(status=status, wake_at_us=None)
    await add(store, schedule, schedule_row("others", tenant="another"))
    await put_ticks(store, tick := fired(schedule, 5, saga.id))
    assert await names(store) == []
    async with store.transaction() as tx:
        assert (await tx.at_turn([schedule.id]))[schedule.id] == AtTurn(running=(saga.id,))

    await save(store, end(saga))

    assert (await store.schedules_to_turn("default", limit=9, ended=False))[:2] == ([], None), "nobody asked for that"
    assert (await store.schedules_to_turn("default", limit=9, ended=True))[:2] == ([schedule], None)
    assert (await store.schedules_to_turn("another", limit=9, ended=True))[0] == []
    async with store.transaction() as tx:
        ended = EndedTick(tick=tick, phase="COMPLETED", closed_at_us=saga.started_at_us + 1)
        assert (await tx.at_turn([schedule.id]))[schedule.id] == AtTurn(ended=(ended,))
        await tx.put_ticks([replace(tick, phase=ended.phase, ended_at_us=ended.closed_at_us)])
    assert await names(store) == [], "the tick knows now"


async def test_of_open_sagas_a_turn_is_told_the_ids_in_the_order_of_their_ticks(store: Store) -> None:
    one, other, idle = schedule_row(), schedule_row("other"), schedule_row("idle")
    await add(store, one, other, idle)
    sagas = sorted([await saga_of(store) for _ in range(6)], key=lambda saga: saga.id, reverse=True)
    instants_us = [5, 900, 1_800_000_000_000_000, 1_800_000_001_000_000]
    ticks = [fired(one, at_us, saga.id) for at_us, saga in zip(instants_us, sagas, strict=False)]
    of_other = fired(other, 7, sagas[4].id)
    waiting = [queued(one, 1_000), queued(one, 2)]
    await put_ticks(store, *reversed(ticks), of_other, *waiting, fired(idle, 1, sagas[5].id, phase="COMPLETED", ended_at_us=2))
    await save(store, end(sagas[1]))
    async with store.transaction() as tx:
        assert await tx.at_turn([one.id, other.id, idle.id]) == {
            one.id: AtTurn(
                running=(sagas[0].id, sagas[2].id, sagas[3].id),
                queued=(waiting[1], waiting[0]),
                ended=(EndedTick(tick=ticks[1], phase="COMPLETED", closed_at_us=sagas[1].started_at_us + 1),),
            ),
            other.id: AtTurn(running=(sagas[4].id,)),
        }


async def test_a_saga_that_is_gone_has_ended(store: Store) -> None:
    schedule = schedule_row()
    await add(store, schedule, other := schedule_row("other"))
    await put_ticks(store, fired(schedule, 5), fired(schedule, 3), fired(other, 4))
    assert await names(store) == ["settlement", "other"]
    async with store.transaction() as tx:
        found = await tx.at_turn([schedule.id, other.id])
        told = {one.tick.at_us: (one.phase, one.closed_at_us) for id in (schedule.id, other.id) for one in found[id].ended}
        assert list(told.items()) == [(3, (None, None)), (5, (None, None)), (4, (None, None))], "oldest first"


async def test_a_schedule_that_wakes_soon_takes_no_turn_of_its_own_for_a_saga_that_has_ended(store: Store) -> None:
    await add(store, later := schedule_row(), soon := schedule_row("soon"))
    await put_ticks(store, fired(soon, 5), fired(later, 6))
    assert await names(store) == ["soon", "settlement"]
    soon_us = now_us = 0
    while soon_us <= now_us:  # once more where the machine is so slow that it has woken by now
        soon_us = await store.now_us() + schedules.SOON_US
        await put(store, replace(soon, wake_at_us=soon_us))
        found, _, now_us = await store.schedules_to_turn("default", limit=9, ended=True)
    assert found == [later]


async def test_one_that_is_due_and_has_ended_sagas_comes_once(store: Store) -> None:
    await add(store, both := schedule_row("both", wake_at_us=20), first := schedule_row("first", wake_at_us=15))
    last = schedule_row("last")
    await add(store, last)
    await put_ticks(store, fired(both, 5), fired(both, 6), fired(last, 30))
    assert (await store.schedules_to_turn("default", limit=9, ended=True))[0] == [first, both, last]
    assert await names(store, limit=2) == ["first", "both"]


fresh_stores = pytest.mark.parametrize("store_url", ["sqlite_url", "database_url"], indirect=True)
"""In one that is kept between tests, PostgreSQL may have counted a table while it was empty."""


@fresh_stores
async def test_who_has_something_to_do_is_found_by_indexes(store: Store, store_url: str) -> None:
    """With the session's own settings, on a table that nobody has counted yet."""
    await add(store, *[schedule_row(f"s-{n}") for n in range(50)])
    queries: tuple[Executable, ...] = (schedules._LOOK_ENDED, schedules._LOOK, schedules._DUE)
    look, *others = [await plan(store_url, query) for query in queries]
    for shown in (look, *others):
        assert "Seq Scan" not in shown
        assert "schedule_wake" in shown
    assert "schedule_tick_running" in look


@fresh_stores
async def test_what_a_turn_needs_is_found_by_indexes_whatever_has_ticked_before(store: Store, store_url: str) -> None:
    await add(store, schedule := schedule_row())
    await put_ticks(store, *(tick_row(schedule, at_us) for at_us in range(1_000)))
    shown = await plan(store_url, schedule_turns.select_at_turn(store.dialect), ids=[schedule.id])
    assert "Seq Scan" not in shown
    assert {"schedule_tick_running", "schedule_tick_queued", "schedule_backfill_running"} <= set(re.findall(r"\w+", shown)), shown


async def plan(url: str, query: Executable, **values: Any) -> str:
    engine = create_async_engine(url, connect_args={"server_settings": SESSION} if url.startswith("postgres") else {})
    explain = "EXPLAIN" if url.startswith("postgres") else "EXPLAIN QUERY PLAN"
    sent: list[tuple[str, Any]] = []
    event.listen(engine.sync_engine, "before_cursor_execute", lambda _c, _k, text, given, *_: sent.append((text, given)))
    async with engine.connect() as connection:
        await connection.execute(query, {"tenant": "default", "most": 9, "now": 5, **values})
        rows = list(await connection.exec_driver_sql(f"{explain} {sent[-1][0]}", sent[-1][1]))
    await engine.dispose()
    return "\n".join(str(row[-1]) for row in rows)
