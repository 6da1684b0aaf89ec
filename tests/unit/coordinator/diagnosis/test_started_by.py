"""A diagnosis names the schedule that started its saga."""

from __future__ import annotations

from saga_coordinator.diagnosis.view import diagnosis
from support.stored_schedules import schedule_row, tick_row
from unit.coordinator.diagnosis.situations import situation


def test_the_schedule_its_tick_and_what_waits_are_named() -> None:
    started = (schedule_row(), tick_row(1_806_195_600_000_000))
    found = diagnosis(situation(started_by=started, ticks_waiting=2), "settle-day")

    assert found.started_by is not None
    assert (found.started_by.schedule, found.started_by.tick) == ("settlement", "2027-03-28T01:00:00Z")
    assert found.started_by.ticks_waiting == 2
    assert found.started_by.runbook == "docs/operations.md#a-schedule-started-the-saga"
    assert found.found == 0, "that is no trouble by itself"


def test_a_saga_of_no_schedule_names_none() -> None:
    assert diagnosis(situation(), "order").started_by is None
