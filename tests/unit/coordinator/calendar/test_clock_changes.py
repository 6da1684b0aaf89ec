"""All clock changes of some years in many zones, against a slow walk over every second."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from saga_coordinator.calendar.tick import Cursor
from support import slow_reckoning
from support.calendars import calendar, calendar_document

ZONES = {
    "Europe/Berlin": (2024, 2030),
    "America/New_York": (2024, 2030),
    "Australia/Lord_Howe": (2024, 2030),
    "Africa/Casablanca": (2024, 2030),
    "Asia/Gaza": (2024, 2030),
    "Pacific/Chatham": (2024, 2030),
    "Africa/Cairo": (2024, 2030),
    "America/Scoresbysund": (2024, 2030),
    "Antarctica/Troll": (2024, 2030),
    # These have no changes in those years: their last ones, which skip midnight or a whole day.
    "Pacific/Apia": (2011, 2021),
    "America/Sao_Paulo": (2016, 2019),
    "Asia/Tehran": (2019, 2022),
    # Sets its clock back from one minute past midnight.
    "America/St_Johns": (2009, 2011),
}
CHANGES = [(zone, at) for zone, years in ZONES.items() for at in slow_reckoning.changes(zone, *years)]
EXPRESSIONS = (
    "30 2 * * *",  # in many gaps
    "0 0 * * *",
    "*/20 0-3 * * *",  # some in the gap and some not: still fixed
    "15,45 1,2,23 * * *",
    "0 * * * *",  # hourly
    "*/7 * * * *",
    "5 0 1-31/2 * *",
    "40 2 * * 0,6",
)
WITH_SECONDS = ("*/25 30 2 * * *", "10 59 * * * *")
BEFORE_S, AFTER_S = 9_000, 10_800
STEP_S = 709


def named(case: tuple[str, int]) -> str:
    return f"{case[0]}-{datetime.fromtimestamp(case[1], UTC):%Y-%m-%d}"


def check(zone: str, at: int, expressions: tuple[str, ...]) -> None:
    begin, end = at - BEFORE_S, at + AFTER_S
    for text in expressions:
        made = calendar(calendar_document(text, zone=zone))
        cursor = Cursor(after_us=(begin - 1) * 1_000_000)

        ticks = [tick.at_us // 1_000_000 for tick in made.ticks(cursor, until_us=(end - 1) * 1_000_000, limit=10_000)]

        expected = slow_reckoning.reckoned(text, zone, begin, end)
        assert ticks == expected, text
        if expected:
            for after in range(begin, expected[-1], STEP_S):
                tick = made.next(Cursor(after_us=after * 1_000_000 + 999_999))
                assert tick is not None and tick.at_us // 1_000_000 == min(at for at in expected if at > after), text


@pytest.mark.parametrize("case", CHANGES, ids=named)
def test_a_clock_change_is_as_a_walk_over_every_second_says(case: tuple[str, int]) -> None:
    check(*case, EXPRESSIONS)
    slow_reckoning.walk.cache_clear()


@pytest.mark.parametrize("case", CHANGES[::19], ids=named)
def test_expressions_with_seconds_are_as_the_walk_says(case: tuple[str, int]) -> None:
    check(*case, WITH_SECONDS)
    slow_reckoning.walk.cache_clear()


def test_there_are_enough_cases() -> None:
    assert len(CHANGES) * len(EXPRESSIONS) > 200
    assert {zone for zone, _ in CHANGES} == set(ZONES)
