"""A user's module: a schedule made in Python.

Checked as tests/unit/project/test_user_types.py says.
"""

from datetime import UTC, date, datetime, timedelta
from typing import assert_type

from saga_coordinator.definitions import Finding
from saga_coordinator.schedules import (
    Allow,
    Every,
    Exclude,
    Missed,
    QueueAll,
    Schedule,
    ScheduleDocument,
    ScheduleLint,
)

settlement = Schedule(
    "settlement",
    definition="settle-day@3",
    zone="Europe/Berlin",
    cron=["30 2 * * *", "@hourly"],
    every=Every(every=timedelta(seconds=90), phase=datetime(2027, 1, 1, tzinfo=UTC)),
    exclude=Exclude(
        dates=[date(2027, 12, 25), "2027-12-26"], ranges=[("2027-12-27", date(2027, 12, 31))], calendars=["holidays"]
    ),
    input={"day": "${schedule.tick}"},
    overlap=QueueAll(10),
    missed=Missed(policy="run_all", grace="1m", window=timedelta(hours=12)),
    pause_after_failures=3,
    expect_success_within="26h",
)
others = [
    Schedule("often", definition="d", every="90s", overlap="skip"),
    Schedule("beside", definition="d", every=[Every(every="2m")], overlap=Allow(3)),
]


def checked() -> ScheduleDocument:
    found = settlement.lint(None, {}, 0)
    assert_type(found, ScheduleLint)
    assert_type(found.findings, tuple[Finding, ...])
    assert_type(found.document, ScheduleDocument | None)
    return settlement.document(None, {}, 0)


def made_wrongly() -> None:
    Schedule("s", cron="@daily")  # type: ignore[call-arg]
    Schedule("s", definition="d", overlap="queue_all")  # type: ignore[arg-type]
    Schedule("s", definition="d", overlap=10)  # type: ignore[arg-type]
    Schedule("s", definition="d", jitter=5)  # type: ignore[arg-type]
    Schedule("s", definition="d", exclude=["2027-12-25"])  # type: ignore[arg-type]
    Missed(policy="sometimes")  # type: ignore[arg-type]
    Exclude(ranges=["2027-12-25"])  # type: ignore[list-item]
    QueueAll("10")  # type: ignore[arg-type]
