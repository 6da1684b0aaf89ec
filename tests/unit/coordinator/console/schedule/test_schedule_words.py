"""What a schedule's document and its clock say, in words."""

from __future__ import annotations

from typing import Any

import pytest

from saga_coordinator.console.schedule.clock import ScheduleClock, input_text, instant_us
from saga_coordinator.console.schedule.policies import (
    calendar_words,
    cron_words,
    missed_words,
    overlap_text,
    overlap_words,
)
from saga_schemas.times import parse_us
from support.schedules import schedule_document

NIGHTLY = "at 02:30 every day, Europe/Berlin"
PHASE = "2027-01-01T00:00:00Z"
END = "2028-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, NIGHTLY),
        ({"cron": [], "every": [{"every_ms": 90_000, "phase": PHASE}]}, f"every 90s, counted from {PHASE}"),
        (
            {"cron": ["@hourly"], "intervals": [f"R/{PHASE}/PT1H"]},
            f"at the start of every hour, Europe/Berlin; R/{PHASE}/PT1H",
        ),
        (
            {"cron": [f"0 {hour} * * *" for hour in range(5)]},
            "at 00:00 every day and at 01:00 every day and at 02:00 every day and 2 more, Europe/Berlin",
        ),
        ({"start": PHASE, "end": END, "jitter_ms": 300_000}, f"{NIGHTLY}; from {PHASE}; before {END}; up to 5m later"),
    ],
    ids=["a time", "elapsed", "several kinds", "many", "bounds"],
)
def test_a_calendar_is_a_line(changes: dict[str, Any], words: str) -> None:
    assert calendar_words(schedule_document(**changes).calendar) == words


@pytest.mark.parametrize(
    ("exclude", "words"),
    [
        ({"calendars": ["german-holidays"], "dates": ["2027-12-24"]}, "not on german-holidays, 2027-12-24"),
        ({"ranges": [{"first": "2027-12-24", "last": "2027-12-31"}]}, "not on 2027-12-24 to 2027-12-31"),
        ({"dates": [f"2027-12-{day}" for day in range(10, 20)]}, "not on 10 days and ranges"),
        ({"cron": ["* * * * SUN"]}, "not on days of * * * * SUN"),
    ],
    ids=["named", "range", "many", "cron"],
)
def test_what_is_excluded_is_said(exclude: dict[str, object], words: str) -> None:
    whole = {"dates": [], "ranges": [], "cron": [], "calendars": [], **exclude}

    assert calendar_words(schedule_document(exclude=whole).calendar).endswith(f"; {words}")


@pytest.mark.parametrize("expression", ["0 12 15W * *", "0 0 L-3 * *", "<b>"])
def test_an_expression_without_words_stands_for_itself(expression: str) -> None:
    assert cron_words(expression) == expression


def test_policies_are_said() -> None:
    document = schedule_document(overlap={"policy": "queue_all", "limit": 10})

    assert overlap_words(document.overlap) == "ticks wait for the open saga to end, 10 at most"
    assert missed_words(document.missed) == (
        "of ticks that are decided more than 1m late the latest of them runs, if they are no older than 1d"
    )


@pytest.mark.parametrize(
    ("policy", "limit", "text"),
    [("skip", "", "skip"), ("skip", "3", "skip"), ("allow", "3", "allow:3"), ("allow", "", "allow"), ("", "3", "")],
)
def test_a_limit_goes_with_the_policies_that_have_one(policy: str, limit: str, text: str) -> None:
    assert overlap_text(policy, limit) == text


@pytest.mark.parametrize(
    ("instant", "whole"),
    [
        ("2027-03-28T00:59:59Z", "Sun 28 Mar 2027 01:59:59"),
        ("2027-03-28T01:00:00Z", "Sun 28 Mar 2027 03:00"),
        ("1969-12-31T23:00:00Z", "Thu 1 Jan 1970 00:00"),
    ],
)
def test_an_instant_stands_on_the_wall_clock_of_the_zone(instant: str, whole: str) -> None:
    assert ScheduleClock("Europe/Berlin").at(parse_us(instant)).whole == whole


def test_an_unknown_zone_is_utc_and_says_so() -> None:
    clock = ScheduleClock("Europe/Atlantis")

    assert (clock.is_known, clock.name, clock.at(0).clock) == (False, "UTC", "00:00")


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2027-03-28T03:00:00+02:00", "2027-03-28T01:00:00Z"),
        ("2027-03-28T01:00", "2027-03-28T01:00:00Z"),
        ("2027-03-28T01:00:05", "2027-03-28T01:00:05Z"),
    ],
)
def test_a_field_for_a_time_is_taken_for_utc(text: str, instant: str) -> None:
    assert instant_us(text) == parse_us(instant)
    assert input_text(parse_us(instant)) == instant.removesuffix("Z")


@pytest.mark.parametrize("text", ["", "yesterday", "2027-02-30T00:00", "2027-03-28"])
def test_what_is_no_time_is_none(text: str) -> None:
    assert instant_us(text) is None
