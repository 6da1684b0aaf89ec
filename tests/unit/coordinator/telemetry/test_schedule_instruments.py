"""What a loop of schedules says of itself."""

from __future__ import annotations

import pytest

from saga_coordinator.store.schedule_records import ScheduleCounts, TickOutcome, TickSource
from saga_coordinator.telemetry.instruments import Instruments
from support.moves import value

SECOND = 1_000_000


def counts(*, due_since_us: int | None = None, backfills: int = 0) -> ScheduleCounts:
    return ScheduleCounts(
        active=7, paused=2, attention=3, overdue=1, due_since_us=due_since_us, backfills=backfills, now_us=100 * SECOND
    )


def test_ticks_count_by_what_became_of_them_and_who_asked() -> None:
    instruments = Instruments()
    instruments.schedule_ticks(TickOutcome.MISSED, TickSource.CALENDAR, 40)
    instruments.schedule_ticks(TickOutcome.FIRED, TickSource.TRIGGER, 1)
    registry = instruments.registry

    assert value(registry, "saga_schedule_ticks_total", outcome="missed", source="calendar") == 40
    assert value(registry, "saga_schedule_ticks_total", outcome="fired", source="trigger") == 1


@pytest.mark.parametrize("outcome", TickOutcome, ids=str)
@pytest.mark.parametrize("source", TickSource, ids=str)
def test_a_rate_sees_the_first_tick_too(outcome: TickOutcome, source: TickSource) -> None:
    assert value(Instruments().registry, "saga_schedule_ticks_total", outcome=outcome.value, source=source.value) == 0


def test_lateness_and_turns_are_measured() -> None:
    instruments = Instruments()
    instruments.schedule_late(1.5)
    instruments.schedule_late(-3.0)
    instruments.schedule_turn(0.25, 12)
    registry = instruments.registry

    assert value(registry, "saga_schedule_lateness_seconds_count") == 2
    assert value(registry, "saga_schedule_lateness_seconds_sum") == 1.5, "before its time is in time"
    assert value(registry, "saga_schedule_turn_seconds_sum") == 0.25
    assert value(registry, "saga_schedule_turn_schedules_sum") == 12


@pytest.mark.parametrize(
    ("due_since_us", "age_s"), [(None, 0), (40 * SECOND, 60), (101 * SECOND, 0)], ids=["none is due", "late", "clock went back"]
)
def test_gauges_show_how_schedules_stand(due_since_us: int | None, age_s: float) -> None:
    instruments = Instruments()
    instruments.schedule_counts(counts(due_since_us=due_since_us, backfills=4))
    registry = instruments.registry

    assert value(registry, "saga_schedules", status="active") == 7
    assert value(registry, "saga_schedules", status="paused") == 2
    assert value(registry, "saga_schedules_attention") == 3
    assert value(registry, "saga_schedules_overdue") == 1
    assert value(registry, "saga_schedule_due_oldest_seconds") == age_s
    assert value(registry, "saga_schedule_backfills_running") == 4


def test_a_loop_that_waits_says_why_until_it_goes_on() -> None:
    instruments = Instruments()
    instruments.schedules_wait("database: connection refused")
    assert instruments.schedule_trouble == "database: connection refused"
    assert value(instruments.registry, "saga_schedules_waiting") == 1

    instruments.schedules_wait(None)
    assert instruments.schedule_trouble is None
    assert value(instruments.registry, "saga_schedules_waiting") == 0
