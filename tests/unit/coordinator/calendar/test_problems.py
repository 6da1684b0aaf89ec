"""What is wrong with a calendar: code, place and words."""

from __future__ import annotations

from time import process_time

import pytest

from saga_coordinator.calendar.document import CalendarDocument
from saga_coordinator.calendar.problems import problems_of, problems_of_days
from saga_coordinator.definitions import CODES
from saga_schemas.times import parse_us
from support.calendars import ALL_DAYS, calendar_document, day_calendar

NOW = parse_us("2027-01-01T00:00:00Z")
DAYS = {"holidays": day_calendar("2027-12-25"), "broken": day_calendar("2027-02-30", name="broken")}
EVERY = "* * * * * *"

WRONG = {
    "zone": (calendar_document("@daily", zone="Europe/Berlim"), "S320", ("zone",), "did you mean Europe/Berlin"),
    "zone of another case": (calendar_document("@daily", zone="europe/berlin"), "S320", ("zone",), "did you mean Europe/Berlin"),
    "city": (calendar_document("@daily", zone="Berlin"), "S320", ("zone",), "did you mean Europe/Berlin"),
    "path": (calendar_document("@daily", zone="../UTC"), "S320", ("zone",), "is no time zone"),
    "folder": (calendar_document("@daily", zone="Europe"), "S320", ("zone",), "is no time zone"),
    "minute": (calendar_document("@daily", "61 * * * *"), "S321", ("cron", 1), "field 1, minute, `61`: write 0 to 59"),
    "second": (calendar_document("60 0 * * * *"), "S321", ("cron", 0), "field 1, second, `60`"),
    "weekday": (calendar_document("0 0 * * FOO"), "S321", ("cron", 0), "field 5, day of week, `FOO`"),
    "weekday of six": (calendar_document("0 0 0 * * 8"), "S321", ("cron", 0), "field 6, day of week, `8`"),
    "downward": (
        calendar_document("0 22-2 * * *"),
        "S321",
        ("cron", 0),
        "field 2, hour, `22-2`: write 0 to 23, lists, ranges or steps of it; a range goes upward",
    ),
    "32W": (calendar_document("0 0 32W * *"), "S321", ("cron", 0), "field 3, day of month, `32W`"),
    "few fields": (calendar_document("0 0 *"), "S321", ("cron", 0), "has 3 fields: write five, or six with seconds first"),
    "blank": (calendar_document(" "), "S321", ("cron", 0), "has 0 fields"),
    "nickname": (calendar_document("@reboot"), "S321", ("cron", 0), "there are @yearly"),
    "@every": (calendar_document("@every 90s"), "S321", ("cron", 0), "write `every:` instead"),
    "excluded cron": (calendar_document("@daily", excluded=["* * * * X"]), "S321", ("exclude", "cron", 0), "day of week"),
    "no such day": (calendar_document("@daily", "0 0 30 2 *"), "S322", ("cron", 1), "none of its months has such a day"),
    "no such day of several": (calendar_document("0 0 31 2,4,6 *"), "S322", ("cron", 0), "never ticks"),
    "31W": (calendar_document("0 0 31W 2 *"), "S322", ("cron", 0), "not within 50 years"),
    "end before start": (
        calendar_document("@daily", start="2028-01-01T00:00:00Z", end="2028-01-01T00:00:00Z"),
        "S322",
        ("end",),
        "is not after its start",
    ),
    "past": (calendar_document("@daily", end="2026-01-01T00:00:00Z"), "S322", ("end",), "is past"),
    "between": (
        calendar_document("0 0 1 3 *", end="2027-02-01T00:00:00Z"),
        "S322",
        ("cron", 0),
        "between the calendar's start and its end",
    ),
    "all excluded": (
        calendar_document("0 9 * * MON", excluded=["* * * * 1"]),
        "S322",
        ("cron", 0),
        "each of its days is excluded",
    ),
    "elapsed excluded": (
        calendar_document(every_s=60, excluded=[ALL_DAYS]),
        "S322",
        ("every", 0),
        "each of its days is excluded",
    ),
    "interval over": (calendar_document(intervals=["R3/2026-01-01T00:00:00Z/PT1H"]), "S322", ("intervals", 0), "not within"),
    "each second": (calendar_document(EVERY), "S323", ("cron", 0), "it ticks every second from 2027-01-01T00:00:01Z on"),
    "each second of an hour": (
        calendar_document("* * 9 * * *"),
        "S323",
        ("cron", 0),
        "every second from 2027-01-01T09:00:00Z on",
    ),
    "elapsed second": (calendar_document(every_s=5), "S323", ("every", 0), "every 5 seconds"),
    "interval of seconds": (
        calendar_document(intervals=["R/2027-01-01T00:00:00Z/PT30S"]),
        "S323",
        ("intervals", 0),
        "every 30 seconds",
    ),
    "together": (calendar_document(EVERY.replace("* *", "0 *", 1), "30 * * * * *"), "S323", (), "every 30 seconds"),
    "no interval": (
        calendar_document(intervals=["2027-01-01T00:00:00Z/PT1H"]),
        "S324",
        ("intervals", 0),
        "is no repeating interval",
    ),
    "R0": (calendar_document(intervals=["R0/2027-01-01T00:00:00Z/PT1H"]), "S324", ("intervals", 0), "repeats not once"),
    "no duration": (calendar_document(intervals=["R/2027-01-01T00:00:00Z/PT"]), "S324", ("intervals", 0), "`PT` is no duration"),
    "fraction": (calendar_document(intervals=["R/2027-01-01T00:00:00Z/PT0.5S"]), "S324", ("intervals", 0), "whole numbers"),
    "zero": (calendar_document(intervals=["R/2027-01-01T00:00:00Z/PT0S"]), "S324", ("intervals", 0), "lasts no second"),
    "backward": (
        calendar_document(intervals=["R/2027-01-01T00:00:00Z/2026-01-01T00:00:00Z"]),
        "S324",
        ("intervals", 0),
        "lasts no second",
    ),
    "long": (calendar_document(intervals=["R/2027-01-01T00:00:00Z/P51Y"]), "S324", ("intervals", 0), "at most 50 years"),
    "two durations": (calendar_document(intervals=["R/PT1H/PT1H"]), "S324", ("intervals", 0), "neither a start nor an end"),
    "no offset": (calendar_document(intervals=["R/2027-01-01T00:00:00/PT1H"]), "S324", ("intervals", 0), "with its offset"),
    "empty": (calendar_document(), "S325", (), "names no tick"),
    "unknown day calendar": (
        calendar_document("@daily", calendars=["holidays", "feasts"]),
        "S326",
        ("exclude", "calendars", 1),
        "`feasts`",
    ),
    "date": (calendar_document("@daily", dates=["2027-12-25", "2027-02-30"]), "S327", ("exclude", "dates", 1), "`2027-02-30`"),
    "date of a range": (
        calendar_document("@daily", ranges=[("2027-02-30", "2027-03-01")]),
        "S327",
        ("exclude", "ranges", 0, "first"),
        "02-30",
    ),
    "date of a day calendar": (
        calendar_document("@daily", calendars=["broken"]),
        "S327",
        ("exclude", "calendars", 0, "dates", 0),
        "02-30",
    ),
    "start": (calendar_document("@daily", start="2027-13-01T00:00:00Z"), "S327", ("start",), "is no instant"),
    "end": (calendar_document("@daily", end="9999-01-01T00:00:00Z"), "S327", ("end",), "out of range"),
    "phase": (calendar_document(every_s=60, phase="1970-01-01T00:00:00.5Z"), "S327", ("every", 0, "phase"), "part of a second"),
    "half a second": (calendar_document(every_s=0.5), "S328", ("every", 0, "every"), "whole seconds"),
    "range": (
        calendar_document("@daily", ranges=[("2027-12-31", "2027-12-24")]),
        "S329",
        ("exclude", "ranges", 0),
        "before it begins",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_once_with_its_place(case: str) -> None:
    document, code, path, words = WRONG[case]
    begin = process_time()
    (problem,) = problems_of(document, DAYS, NOW)

    assert (problem.code, problem.path) == (code, path)
    assert words in problem.message
    assert problem.warning is CODES[code].warning
    assert process_time() - begin < 1.0


def test_every_code_of_calendars_has_its_case() -> None:
    assert {code for _, code, _, _ in WRONG.values()} == {code for code in CODES if "S320" <= code <= "S339"}


SOUND = {
    "daily": calendar_document("30 2 * * *", zone="Europe/Berlin"),
    "alias": calendar_document("@hourly", zone="US/Eastern"),
    "each minute": calendar_document("* * * * *"),
    "minutes": calendar_document(every_s=60),
    "twice a minute once a day": calendar_document("0,30 0 9 * * *"),
    "all kinds": calendar_document(
        "@daily", every_s=90, intervals=["R3/2028-01-01T00:00:00Z/P1M"], dates=["2027-12-25"], calendars=["holidays"]
    ),
    "leap day": calendar_document("0 0 29 2 *"),
    "begins late": calendar_document("@daily", start="2099-01-01T00:00:00Z"),
    "interval of later": calendar_document(intervals=["R/2099-01-01T00:00:00Z/P1D"]),
}


@pytest.mark.parametrize("case", SOUND)
def test_a_sound_calendar_has_no_problem(case: str) -> None:
    assert problems_of(SOUND[case], DAYS, NOW) == []


def test_a_calendar_with_one_expression_that_ticks_names_only_the_others() -> None:
    document: CalendarDocument = calendar_document(
        "0 0 1 1 *", "0 0 2 1 *", ranges=[("2020-01-02", "2099-01-02")], end="2100-01-01T00:00:00Z"
    )
    excluded = calendar_document("0 0 1 1 *", "0 0 2 1 *", excluded=["0 0 2 1 *"])

    assert [problem.path for problem in problems_of(document, {}, NOW)] == [("cron", 0), ("cron", 1)]
    assert [problem.path for problem in problems_of(excluded, {}, NOW)] == [("cron", 1)]


def test_a_day_calendar_is_checked_by_itself() -> None:
    assert problems_of_days(day_calendar("2027-12-25", ranges=[("2027-12-31", "2027-12-31")])) == []
    assert [
        (one.code, one.path) for one in problems_of_days(day_calendar("2027-02-29", ranges=[("2027-01-02", "2027-01-01")]))
    ] == [
        ("S327", ("dates", 0)),
        ("S329", ("ranges", 0)),
    ]
    assert [one.code for one in problems_of_days(day_calendar())] == ["S325"]
