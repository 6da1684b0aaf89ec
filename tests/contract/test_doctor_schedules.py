"""The doctor of schedules on both databases: a planted damage is found, its statement mends it."""

from __future__ import annotations

import pytest

from contract.store_rows import by_hand, new_id
from saga_coordinator.doctor.damage import Damage
from saga_coordinator.doctor.judging import literal
from saga_coordinator.doctor.pace import Pace
from saga_coordinator.doctor.system import SystemExamination
from saga_coordinator.store.port import Store
from saga_coordinator.store.schedule_records import ScheduleStatus, TickOutcome
from saga_messaging.clock import SystemClock
from support.stored_schedules import DAY_US, NOW_US, SETTLEMENT, schedule_row, tick_row, version_row

WAITS = f"UPDATE schedule_tick SET outcome = 'queued', reason = 'overlap' WHERE at = {NOW_US - DAY_US}"
DELETED = "UPDATE schedule SET status = 'deleted', next_at = NULL, fire_at = NULL, wake_at = NULL"
DAMAGES = {
    "the next tick is decided": (["UPDATE schedule SET next_at = cursor"], "schedule_cursor_ahead"),
    "no wake-up": (["UPDATE schedule SET wake_at = NULL"], "schedule_wake_up_missing"),
    "no version": (["DELETE FROM schedule_version"], "schedule_version_missing"),
    "another document": (["UPDATE schedule_version SET document = '{}'"], "schedule_version_missing"),
    "counts of before": (["UPDATE schedule SET failed = 0"], "schedule_counts_differ"),
    "a tick of a deleted schedule waits": (["UPDATE schedule SET failed = 0", WAITS, DELETED], "tick_left_queued"),
    "a running tick of no saga": (
        [
            "UPDATE schedule SET fired = 1, failed = 0",
            "UPDATE schedule_tick SET outcome = 'fired', fired_at = 1, saga_id = {saga}",
        ],
        "tick_of_no_saga",
    ),
}


async def examined(store: Store) -> list[Damage]:
    examination = SystemExamination(store, Pace(SystemClock(), rests=0, look_again_s=0.01))
    return [damage async for damage in examination.damages()]


async def fill(store: Store) -> None:
    """A schedule of which one tick has failed."""
    async with store.transaction() as tx:
        row = schedule_row(status=ScheduleStatus.ACTIVE, failed=1)
        assert await tx.add_schedule(row, 1_000)
        await tx.add_schedule_version(version_row())
        await tx.put_ticks([tick_row(NOW_US - DAY_US, TickOutcome.FAILED, reason="input_invalid")])


async def test_of_rows_that_fit_nothing_is_said(store: Store) -> None:
    await fill(store)
    assert await examined(store) == []


@pytest.mark.parametrize("planted", DAMAGES)
async def test_a_planted_damage_is_found_and_its_statement_mends_it(store: Store, store_url: str, planted: str) -> None:
    statements, kind = DAMAGES[planted]
    await fill(store)
    saga = literal(store.dialect, new_id())
    await by_hand(store_url, *(statement.replace("{saga}", saga) for statement in statements))

    (found,) = await examined(store)
    assert (found.kind, found.key) == (kind, "schedule settlement")
    if found.sql is not None:
        await by_hand(store_url, found.sql)
        assert await examined(store) == []


async def test_a_schedule_of_another_tenant_is_not_looked_at(store: Store) -> None:
    async with store.transaction() as tx:
        assert await tx.add_schedule(schedule_row(id=SETTLEMENT, tenant="another", wake_at_us=None), 1_000)
    assert await examined(store) == []
