"""Each damage of a schedule's rows is found, and nothing is said of rows that fit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from saga_coordinator.doctor.damage import Damage
from saga_coordinator.doctor.pace import Pace
from saga_coordinator.doctor.schedules import ScheduleExamination
from saga_coordinator.store.schedule_records import ScheduleStatus, TickOutcome
from support.hand_clock import HandClock
from support.saga_rows import SAGA, saga_row
from support.stored_schedules import DAY_US, NOW_US, StoredSchedules, document_of, schedule_row, tick_row, version_row


def healthy(**changes: Any) -> StoredSchedules:
    """One tick has fired and its saga runs; another failed."""
    store = StoredSchedules(schedule_row(**{"fired": 1, "failed": 1, "runs": 1, **changes}))
    store.tick_rows = [tick_row(saga_id=SAGA), tick_row(NOW_US - DAY_US, TickOutcome.FAILED)]
    store.stored_sagas = {SAGA: saga_row()}
    return store


class AtOnce(Pace):
    """No time passes between two looks."""

    def __init__(self) -> None:
        super().__init__(HandClock(), rests=0)

    async def look_again(self) -> None: ...


async def damages(store: Any) -> list[Damage]:
    examination = ScheduleExamination(store, AtOnce(), "default")
    found = [damage async for damage in examination.damages()]
    assert examination.schedules == len(store.rows)
    return found


def without_versions(store: StoredSchedules) -> None:
    store.versions = []


def another_document(store: StoredSchedules) -> None:
    store.versions = [version_row(document=document_of(definition="another"))]


def without_sagas(store: StoredSchedules) -> None:
    store.stored_sagas = {}


def queued(store: StoredSchedules) -> None:
    store.tick_rows = [tick_row(outcome=TickOutcome.QUEUED)]


def nothing(store: StoredSchedules) -> None: ...


QUEUE: dict[str, Any] = {"fired": 0, "failed": 0, "queued": 1, "runs": 1}
DELETED: dict[str, Any] = {"status": ScheduleStatus.DELETED, "next_at_us": None, "fire_at_us": None, "wake_at_us": None}
PLANTED: dict[str, tuple[dict[str, Any], Callable[[StoredSchedules], None], str]] = {
    "the next tick is decided already": ({"next_at_us": NOW_US - DAY_US}, nothing, "schedule_cursor_ahead"),
    "the next tick is the cursor": ({"cursor_us": NOW_US, "next_at_us": NOW_US}, nothing, "schedule_cursor_ahead"),
    "nothing wakes it": ({"wake_at_us": None}, nothing, "schedule_wake_up_missing"),
    "a tick waits for nothing": (
        QUEUE | {"status": ScheduleStatus.ENDED, "next_at_us": None, "fire_at_us": None, "wake_at_us": None},
        queued,
        "schedule_wake_up_missing",
    ),
    "no version": ({}, without_versions, "schedule_version_missing"),
    "its version is missing": ({"version": 3}, nothing, "schedule_version_missing"),
    "another document": ({}, another_document, "schedule_version_missing"),
    "fewer fired than on record": ({"fired": 0, "runs": 0}, nothing, "schedule_counts_differ"),
    "fewer failed than on record": ({"failed": 0}, nothing, "schedule_counts_differ"),
    "more runs than ticks": ({"runs": 9}, nothing, "schedule_counts_differ"),
    "the saga of a running tick is gone": ({}, without_sagas, "tick_of_no_saga"),
    "a tick of a deleted one waits": (QUEUE | DELETED, queued, "tick_left_queued"),
}


@pytest.mark.parametrize("planted", PLANTED)
async def test_a_planted_damage_is_found_and_no_other(planted: str) -> None:
    changes, spoil, kind = PLANTED[planted]
    store = healthy(**changes)
    spoil(store)
    (found,) = await damages(store)
    assert found.kind == kind
    assert found.key == "schedule settlement"
    assert found.evidence
    assert found.way_out


@pytest.mark.parametrize(
    "changes",
    [
        {},
        DELETED,
        {"wake_at_us": None, "status": ScheduleStatus.PAUSED, "paused_at_us": 1, "paused_by": "ana"},
        {"wake_at_us": None, "status": ScheduleStatus.ENDED, "next_at_us": None, "fire_at_us": None},
    ],
    ids=["active", "deleted", "paused", "ended"],
)
async def test_of_rows_that_fit_nothing_is_said(changes: dict[str, Any]) -> None:
    assert await damages(healthy(**changes)) == []


async def test_a_tick_that_waits_for_a_saga_needs_no_wake_up() -> None:
    store = healthy(queued=1, next_at_us=None, fire_at_us=None, wake_at_us=None, status=ScheduleStatus.ENDED)
    store.tick_rows.append(tick_row(NOW_US - 1, TickOutcome.QUEUED))
    assert await damages(store) == []


async def test_a_schedule_that_was_created_again_may_lack_what_was_before() -> None:
    store = healthy(version=5)
    store.versions = [version_row(4), version_row(5)]
    assert await damages(store) == []
    store.versions = [version_row(3), version_row(5)]
    assert [one.kind for one in await damages(store)] == ["schedule_version_missing"]


async def test_what_fits_at_the_second_look_is_not_told() -> None:
    """A coordinator was at work between two reads."""
    store = healthy(wake_at_us=None)

    class Mending(AtOnce):
        async def look_again(self) -> None:
            store.rows = [schedule_row(fired=1, failed=1, runs=1)]

    examination = ScheduleExamination(store, Mending(), "default")  # type: ignore[arg-type]
    assert [damage async for damage in examination.damages()] == []


async def test_all_pages_are_gone_through() -> None:
    store = StoredSchedules(*(schedule_row(f"s{number:03}", document=document_of()) for number in range(250)))
    assert await damages(store) == []
