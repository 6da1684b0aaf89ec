"""One form of a schedule, whichever way it came: the file, the builder, the document itself."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from saga_coordinator.schedules import (
    Allow,
    Every,
    Exclude,
    Missed,
    QueueAll,
    Schedule,
    ScheduleInvalid,
    lint_days,
    lint_schedule,
    lint_schedule_document,
)
from saga_coordinator.schedules.lint import lint_days_document, lint_stored
from saga_coordinator.schedules.source import days_source_of, source_of
from unit.coordinator.schedules.settling import DAYS_TEXT, NOW_US, SOUND, days, look, spoilt

SMALL = 'schedule: s\ndefinition: settle-day\ncalendar: {cron: "@daily"}\n'
BUILT = Schedule(
    "settlement",
    definition="settle-day",
    zone="Europe/Berlin",
    cron="30 2 * * *",
    exclude=Exclude(
        dates=[date(2027, 12, 25)], ranges=[(date(2027, 12, 27), "2027-12-28")], cron=["* * * * SUN"], calendars=["holidays"]
    ),
    start="2027-01-01T00:00:00+01:00",
    end=datetime(2029, 1, 1, tzinfo=UTC),
    jitter=timedelta(minutes=5),
    runs=1000,
    input={"day": "${schedule.tick}", "due": "${schedule.scheduled_for}", "since": "${schedule.previous}", "currency": "EUR"},
    key="${schedule.name + '@' + schedule.tick}",
    overlap=QueueAll(10),
    missed=Missed(policy="run_one", grace="10m", window=timedelta(hours=12)),
    pause_after_failures=3,
    expect_success_within="9d",
    note="Settles the day.",
)


def test_defaults_are_written_out() -> None:
    document = lint_schedule(SMALL, "s", None, {}, NOW_US).required()

    assert document.model_dump(mode="json") == {
        "format": 1,
        "schedule": "s",
        "definition": "settle-day",
        "definition_version": None,
        "calendar": {
            "zone": "UTC",
            "cron": ["@daily"],
            "every": [],
            "intervals": [],
            "exclude": {"dates": [], "ranges": [], "cron": [], "calendars": []},
            "start": None,
            "end": None,
            "jitter_ms": 0,
        },
        "runs": None,
        "input": {},
        "key": None,
        "overlap": {"policy": "skip", "limit": 1},
        "missed": {"policy": "run_one", "grace_ms": 60_000, "window_ms": 86_400_000},
        "pause_after_failures": None,
        "expect_success_ms": None,
        "note": "",
    }


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("every: 90s", [{"every_ms": 90_000, "phase": "1970-01-01T00:00:00Z"}]),
        ("every: {every: 2m, phase: 2027-01-01T01:00:00+01:00}", [{"every_ms": 120_000, "phase": "2027-01-01T00:00:00Z"}]),
        (
            "every: [90s, {every: 1h}]",
            [{"every_ms": 90_000, "phase": "1970-01-01T00:00:00Z"}, {"every_ms": 3_600_000, "phase": "1970-01-01T00:00:00Z"}],
        ),
    ],
    ids=["plain", "with-a-phase", "several"],
)
def test_elapsed_intervals_are_read_in_each_form(said: str, meant: list[dict[str, Any]]) -> None:
    document = lint_schedule(SMALL.replace('cron: "@daily"', said), "s", None, {}, NOW_US).required()

    assert [one.model_dump() for one in document.calendar.every] == meant


@pytest.mark.parametrize(
    ("said", "policy", "limit"),
    [
        ("skip", "skip", 1),
        ("queue_one", "queue_one", 1),
        ("{queue_all: 7}", "queue_all", 7),
        ("{allow: 2}", "allow", 2),
        ("cancel_other", "cancel_other", 1),
        ("terminate_other", "terminate_other", 1),
    ],
)
def test_overlap_is_read_in_each_form(said: str, policy: str, limit: int) -> None:
    document = lint_schedule(f"{SMALL}overlap: {said}\n", "s", None, {}, NOW_US).required()

    assert (document.overlap.policy, document.overlap.limit) == (policy, limit)


@pytest.mark.parametrize(
    ("said", "missed"),
    [
        ("skip", ("skip", 60_000, 86_400_000)),
        ("run_all", ("run_all", 60_000, 86_400_000)),
        ("{grace: 5s}", ("run_one", 5_000, 86_400_000)),
        ("{policy: run_all, window: 2d}", ("run_all", 60_000, 172_800_000)),
    ],
)
def test_missed_is_read_in_each_form(said: str, missed: tuple[str, int, int]) -> None:
    found = lint_schedule(f"{SMALL}overlap: queue_one\nmissed: {said}\n", "s", None, {}, NOW_US).required().missed

    assert (found.policy, found.grace_ms, found.window_ms) == missed


def test_a_pinned_version_is_read() -> None:
    document = spoilt(("definition: settle-day", "definition: settle-day@3")).required()

    assert (document.definition, document.definition_version) == ("settle-day", 3)


def test_the_builder_gives_the_file() -> None:
    from_file = lint_schedule(SOUND, "x", look, days(), NOW_US).required()

    assert BUILT.document(look, days(), NOW_US).canonical == from_file.canonical


def test_the_builder_says_what_is_wrong() -> None:
    wrong = Schedule("s", definition="settle-day", cron="0 0 30 2 *", start=datetime(2027, 1, 1))

    assert [(one.code, one.file, one.line) for one in wrong.lint(None, {}, NOW_US).findings] == [
        ("S311", "s", 0),
        ("S327", "s", 0),
    ]
    with pytest.raises(ScheduleInvalid, match="S327"):
        wrong.document(None, {}, NOW_US)


@pytest.mark.parametrize(
    ("schedule", "key", "said"),
    [
        (Schedule("s", definition="d", every=timedelta(seconds=90)), "every", "90000ms"),
        (
            Schedule("s", definition="d", every=[Every(every="90s", phase="2027-01-01T00:00:00Z"), Every(every="2m")]),
            "every",
            None,
        ),
        (Schedule("s", definition="d", interval="R/2027-01-01T00:00:00Z/PT1H"), "interval", ["R/2027-01-01T00:00:00Z/PT1H"]),
        (Schedule("s", definition="d", cron=["@daily", "@weekly"]), "cron", ["@daily", "@weekly"]),
    ],
    ids=["elapsed", "phases", "interval", "several"],
)
def test_the_builder_says_each_kind_of_time(schedule: Schedule, key: str, said: Any) -> None:
    given = schedule.data()["calendar"][key]

    assert given == (said or [{"every": "90s", "phase": "2027-01-01T00:00:00Z"}, {"every": "2m"}])
    assert schedule.lint(None, {}, NOW_US).ok


def test_the_builder_allows_several_at_a_time() -> None:
    schedule = Schedule("s", definition="d", cron="@daily", overlap=Allow(3))

    assert schedule.document(None, {}, NOW_US).overlap.limit == 3


@pytest.mark.parametrize(
    "text", [SOUND, SMALL, SMALL.replace('cron: "@daily"', "every: [90s, 2m], interval: R/2027-01-01T00:00:00Z/P1D")]
)
def test_a_document_as_data_reads_as_the_same_document(text: str) -> None:
    document = lint_schedule(text, "x", None, days(), NOW_US).required()

    found = lint_schedule_document(document, None, days(), NOW_US)
    assert found.required().canonical == document.canonical
    assert lint_stored(document.canonical, None, days(), NOW_US).required() == document
    assert source_of(document)["schedule"] == document.schedule


@pytest.mark.parametrize("missed", ["skip", "run_one", "run_all", "{policy: skip, grace: 5m}"])
def test_a_stored_document_is_warned_of_nothing_that_its_file_was_not(missed: str) -> None:
    text = f"{SMALL}overlap: queue_one\nmissed: {missed}\n"
    document = lint_schedule(text, "x", None, {}, NOW_US).required()

    assert [one.code for one in lint_schedule_document(document, None, {}, NOW_US).findings] == ["S311"]


def test_a_document_that_does_not_follow_from_itself_is_refused() -> None:
    document = lint_schedule(SMALL, "x", None, {}, NOW_US).required()
    odd = document.model_copy(update={"overlap": document.overlap.model_copy(update={"limit": 5})})

    assert [one.code for one in lint_schedule_document(odd, None, {}, NOW_US).errors] == ["S013"]


def test_text_that_is_no_document_is_refused() -> None:
    assert [one.code for one in lint_stored('{"format": 2}', None, {}, NOW_US).errors] == ["S013"]


def test_a_schedule_has_a_largest_size() -> None:
    text = SMALL + "input:\n" + "".join(f"  f{number}: {'x' * 1000}\n" for number in range(70))

    assert [one.code for one in lint_schedule(text, "x", None, {}, NOW_US).errors] == ["S003"]


def test_a_calendar_of_days_is_read() -> None:
    text = DAYS_TEXT + "ranges: {first: 2027-12-24, last: 2027-12-31}\nnote: Bank holidays.\n"
    document = lint_days(text, "x").required()

    assert (document.calendar, document.dates, document.note) == ("holidays", ("2027-05-01",), "Bank holidays.")
    assert [(one.first, one.last) for one in document.ranges] == [("2027-12-24", "2027-12-31")]
    assert lint_days_document(document).required() == document
    assert days_source_of(document)["ranges"] == [{"first": "2027-12-24", "last": "2027-12-31"}]


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("calendar: Holidays\ndates: [2027-05-01]\n", "S010", 1),
        ("dates: [2027-05-01]\n", "S007", 1),
        ("calendar: h\ndates: [2027-05-01]\ndays: [x]\n", "S006", 3),
        ("calendar: h\ndates: [1.5.2027]\n", "S327", 2),
        ("calendar: h\ndates: [2027-02-30]\n", "S327", 2),
        ("calendar: h\ndates: [2027-05-01]\nranges: [{first: 2027-12-24, last: 2027-12-20}]\n", "S329", 3),
        ("calendar: h\n", "S325", 1),
        ("calendar: [\n", "S001", 2),
    ],
    ids=["name", "no-name", "key", "no-date", "no-such-day", "backwards", "empty", "no-yaml"],
)
def test_a_calendar_of_days_with_a_mistake_is_found(text: str, code: str, line: int) -> None:
    result = lint_days(text, "h.days.yaml")

    assert [(one.code, one.line) for one in result.errors] == [(code, line)]
    with pytest.raises(ScheduleInvalid):
        result.required()
