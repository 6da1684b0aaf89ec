"""Everything that needs a person: sagas by cause, and schedules."""

from __future__ import annotations

from typing import Any

import pytest

from saga_coordinator.registry.definition_cache import DefinitionCache
from saga_coordinator.store.port import AlikeAttention
from saga_coordinator.views import attention_list
from saga_coordinator.views.attention_list import LINES
from support.saga_rows import SAGA
from support.stored_schedules import NOW_US, StoredSchedules, schedule_row


class Store(StoredSchedules):
    async def alike_attention(self, tenant: str, *, of_each: int, limit: int) -> list[Any]:
        one = AlikeAttention(
            saga_id=SAGA,
            step="charge",
            reason="no_answer",
            since_us=NOW_US,
            note="",
            definition="order",
            definition_version=1,
            business_key="o-17",
            phase="RUNNING",
            alike=12,
        )
        return [one]

    async def definitions(self, tenant: str) -> list[Any]:
        return []


async def listed(store: Any) -> attention_list.AttentionList:
    return await attention_list.attention_list(store, DefinitionCache(store, "default"), "default")


async def test_sagas_stand_by_cause_and_schedules_with_their_runbook() -> None:
    row = schedule_row(attention="input_invalid", attention_since_us=NOW_US, attention_note="no field day", success_due_at_us=1)
    found = await listed(Store(row))

    (cause,) = found.causes
    assert (found.sagas, cause.count, cause.reason, cause.sagas[0].key) == (12, 12, "no_answer", "o-17")
    assert (found.schedules, found.more_schedules) == (1, False)
    assert [one.reason for one in found.schedules_in_need] == ["no_success", "input_invalid"], "what waits longest first"
    second = found.schedules_in_need[1]
    assert (second.schedule, second.note) == ("settlement", "no field day")
    assert second.runbook == "docs/operations.md#the-input-of-a-schedule-does-not-fit"


@pytest.mark.parametrize("more", [False, True], ids=["all", "and more"])
async def test_a_long_list_says_that_there_are_more(more: bool) -> None:
    rows = [
        schedule_row(f"s{number:04}", attention="input_invalid", attention_since_us=number + 1) for number in range(LINES + more)
    ]
    found = await listed(Store(*rows))
    assert (len(found.schedules_in_need), found.more_schedules) == (LINES, more)


async def test_where_nothing_needs_a_person_it_is_empty() -> None:
    found = await listed(StoredSchedules())
    assert (found.sagas, found.schedules, found.causes, found.schedules_in_need) == (0, 0, (), ())
