"""Which ticks a calendar has, case by case."""

from __future__ import annotations

import hashlib

import pytest

from saga_coordinator.calendar.calendar import calendar_of
from saga_coordinator.calendar.problem import CalendarInvalid
from saga_coordinator.calendar.tick import Cursor
from saga_schemas.times import parse_us
from support.calendars import ALL_DAYS, calendar, calendar_document, day_calendar, short, ticks_from

BEGIN = "2027-01-01T00:00:00Z"  # a Friday

CRONS = {
    "@yearly": ["2028-01-01T00:00:00"],
    "@annually": ["2028-01-01T00:00:00"],
    "@monthly": ["2027-02-01T00:00:00", "2027-03-01T00:00:00"],
    "@weekly": ["2027-01-03T00:00:00", "2027-01-10T00:00:00"],
    "@daily": ["2027-01-02T00:00:00"],
    "@Midnight": ["2027-01-02T00:00:00"],
    "@hourly": ["2027-01-01T01:00:00", "2027-01-01T02:00:00"],
    "5 4 * * *": ["2027-01-01T04:05:00", "2027-01-02T04:05:00"],
    "*/20 5 4 * * *": ["2027-01-01T04:05:00", "2027-01-01T04:05:20", "2027-01-01T04:05:40", "2027-01-02T04:05:00"],
    "0 9 * * mon-fri": ["2027-01-01T09:00:00", "2027-01-04T09:00:00"],
    "0 9 * JAN,mar 1": [
        "2027-01-04T09:00:00",
        "2027-01-11T09:00:00",
        "2027-01-18T09:00:00",
        "2027-01-25T09:00:00",
        "2027-03-01T09:00:00",
    ],
    "0 9 * * 7": ["2027-01-03T09:00:00"],
    "0 9 * * 0": ["2027-01-03T09:00:00"],
    "0 0 L * *": ["2027-01-31T00:00:00", "2027-02-28T00:00:00", "2027-03-31T00:00:00"],
    "0 0 L 2 *": ["2027-02-28T00:00:00", "2028-02-29T00:00:00"],
    "0 0 LW * *": ["2027-01-29T00:00:00", "2027-02-26T00:00:00"],
    "0 0 L-2 * *": ["2027-01-29T00:00:00", "2027-02-26T00:00:00"],
    "0 0 15W * *": [
        "2027-01-15T00:00:00",
        "2027-02-15T00:00:00",
        "2027-03-15T00:00:00",
        "2027-04-15T00:00:00",
        "2027-05-14T00:00:00",
    ],
    "0 0 1W * *": ["2027-02-01T00:00:00", "2027-03-01T00:00:00", "2027-04-01T00:00:00", "2027-05-03T00:00:00"],
    "0 0 28W 2 *": ["2027-02-26T00:00:00", "2028-02-28T00:00:00"],
    "0 0 31W * *": ["2027-01-29T00:00:00", "2027-03-31T00:00:00"],
    "0 0 15W,20 * *": ["2027-01-15T00:00:00", "2027-01-20T00:00:00"],
    "0 0 * * FRI#2": ["2027-01-08T00:00:00", "2027-02-12T00:00:00"],
    "0 0 * * 5L": ["2027-01-29T00:00:00", "2027-02-26T00:00:00"],
    "0 0 * * MON#5": ["2027-03-29T00:00:00", "2027-05-31T00:00:00"],
    "0 0 13 * FRI": ["2027-01-08T00:00:00", "2027-01-13T00:00:00", "2027-01-15T00:00:00"],
    "0 0 */10 * SAT": ["2027-05-01T00:00:00", "2027-07-31T00:00:00", "2027-08-21T00:00:00"],
    "0 0 29 2 *": ["2028-02-29T00:00:00", "2032-02-29T00:00:00"],
    "0 0 29 2 MON#5": ["2028-02-29T00:00:00", "2032-02-29T00:00:00"],
    "0 0 31 * *": ["2027-01-31T00:00:00", "2027-03-31T00:00:00", "2027-05-31T00:00:00"],
    "59 59 23 31 12 *": ["2027-12-31T23:59:59"],
}


@pytest.mark.parametrize("text", CRONS)
def test_an_expression_ticks_as_it_says(text: str) -> None:
    ticks = ticks_from(calendar(calendar_document(text)), BEGIN, len(CRONS[text]))

    assert [tick.local for tick in ticks] == CRONS[text]
    assert [short(tick.at_us) for tick in ticks] == [f"{local}Z" for local in CRONS[text]]
    assert {tick.reason for tick in ticks} == {None}


def test_a_leap_day_that_is_a_monday_is_found_after_forty_years() -> None:
    made = calendar(calendar_document("0 0 */28 2 MON", excluded=["0 0 1-28 * *"]))

    assert [tick.local[:10] for tick in ticks_from(made, "2072-03-01T00:00:00Z", 2)] == ["2112-02-29", "2140-02-29"]


ODD = [
    (
        "30 2 * * *",
        "Europe/Berlin",
        "2027-03-28T01:00:00Z",
        "2027-03-28T02:30:00",
        "02:30 does not exist on this day: it runs at 03:00",
    ),
    (
        "15-45/15 2 * * *",
        "Europe/Berlin",
        "2027-03-28T01:00:00Z",
        "2027-03-28T02:45:00",
        "02:15, 02:30 and 02:45 do not exist on this day: they run once, at 03:00",
    ),
    (
        "*/5 2 * * *",
        "Europe/Berlin",
        "2027-03-28T01:00:00Z",
        "2027-03-28T02:55:00",
        "02:00, 02:05 and 10 more do not exist on this day: they run once, at 03:00",
    ),
    (
        "30 2,3 * * *",
        "Europe/Berlin",
        "2027-03-28T01:00:00Z",
        "2027-03-28T02:30:00",
        "02:30 does not exist on this day: it runs at 03:00",
    ),
    (
        "0,30 2-3 * * *",
        "Europe/Berlin",
        "2027-03-28T01:00:00Z",
        "2027-03-28T03:00:00",
        "02:00 and 02:30 do not exist on this day: they run once, at 03:00, with the tick of 03:00",
    ),
    (
        "0 9 * * *",
        "Pacific/Apia",
        "2011-12-30T10:00:00Z",
        "2011-12-30T09:00:00",
        "09:00 does not exist on this day: it runs at 2011-12-31 00:00",
    ),
    (
        "0 0 * * *",
        "America/Sao_Paulo",
        "2018-11-04T03:00:00Z",
        "2018-11-04T00:00:00",
        "00:00 does not exist on this day: it runs at 01:00",
    ),
    (
        "15 2 * * *",
        "Australia/Lord_Howe",
        "2027-10-02T15:30:00Z",
        "2027-10-03T02:15:00",
        "02:15 does not exist on this day: it runs at 02:30",
    ),
    (
        "30 2 * * *",
        "Europe/Berlin",
        "2027-10-31T00:30:00Z",
        "2027-10-31T02:30:00",
        "02:30 comes twice on this day: it runs once, at the first",
    ),
    (
        "0 2 * * *",
        "Europe/Berlin",
        "2027-10-31T00:00:00Z",
        "2027-10-31T02:00:00",
        "02:00 comes twice on this day: it runs once, at the first",
    ),
    (
        "30 * * * *",
        "Europe/Berlin",
        "2027-10-31T00:30:00Z",
        "2027-10-31T02:30:00",
        "02:30 comes twice on this day: this is the first",
    ),
    (
        "30 * * * *",
        "Europe/Berlin",
        "2027-10-31T01:30:00Z",
        "2027-10-31T02:30:00",
        "02:30 comes twice on this day: this is the second",
    ),
    ("0 * * * *", "Europe/Berlin", "2027-03-28T01:00:00Z", "2027-03-28T03:00:00", "the clock goes from 02:00 to 03:00"),
    (
        "0 0 * * *",
        "America/St_Johns",
        "2010-11-07T02:30:00Z",
        "2010-11-07T00:00:00",
        "00:00 comes twice on this day: it runs once, at the first",
    ),
]


@pytest.mark.parametrize(("text", "zone", "at", "local", "reason"), ODD, ids=[f"{row[0]} {row[2]}" for row in ODD])
def test_an_odd_tick_says_why(text: str, zone: str, at: str, local: str, reason: str) -> None:
    tick = calendar(calendar_document(text, zone=zone)).next(Cursor(after_us=parse_us(at) - 1))

    assert tick is not None
    assert (short(tick.at_us), tick.local, tick.reason) == (at, local, reason)


@pytest.mark.parametrize(("day", "count"), [("2027-03-28", 23), ("2027-10-31", 25), ("2027-06-02", 24)])
def test_a_day_has_its_hourly_ticks(day: str, count: int) -> None:
    ticks = ticks_from(
        calendar(calendar_document("0 * * * *", zone="Europe/Berlin")), f"{day[:8]}{int(day[8:]) - 1:02}T12:00:00Z", 60
    )

    assert len([tick for tick in ticks if tick.local.startswith(day)]) == count


def test_elapsed_time_knows_no_zones() -> None:
    made = calendar(calendar_document(zone="Europe/Berlin", every_s=86_400, phase="2027-03-27T01:30:00Z"))
    ticks = ticks_from(made, "2027-03-27T00:00:00Z", 3)

    assert [short(tick.at_us)[11:] for tick in ticks] == ["01:30:00Z"] * 3
    assert [tick.local for tick in ticks] == ["2027-03-27T02:30:00", "2027-03-28T03:30:00", "2027-03-29T03:30:00"]
    assert [tick.fixed for tick in ticks] == [False] * 3


def test_a_phase_reaches_back() -> None:
    made = calendar(calendar_document(every_s=90, phase="2030-01-01T00:00:30Z"))

    assert [short(tick.at_us) for tick in ticks_from(made, BEGIN, 2)] == ["2027-01-01T00:00:30Z", "2027-01-01T00:02:00Z"]


INTERVALS = {
    "R/2027-01-01T00:00:00Z/PT1H": ["2027-01-01T01:00:00Z", "2027-01-01T02:00:00Z"],
    "R/2027-01-01T02:00:00+01:00/PT1H30M": ["2027-01-01T01:00:00Z", "2027-01-01T02:30:00Z"],
    "R3/2027-01-01T00:00:00Z/PT1H": ["2027-01-01T01:00:00Z", "2027-01-01T02:00:00Z"],
    "R2/2027-02-01T00:00:00Z/2027-02-01T00:00:10Z": ["2027-02-01T00:00:00Z", "2027-02-01T00:00:10Z"],
    "R2/P1D/2027-02-01T00:00:00Z": ["2027-01-30T00:00:00Z", "2027-01-31T00:00:00Z"],
    "R/P1W/2027-01-20T00:00:00Z": ["2027-01-06T00:00:00Z", "2027-01-13T00:00:00Z"],
    "R4/2027-01-31T00:00:00Z/P1M": [
        "2027-01-31T00:00:00Z",
        "2027-02-28T00:00:00Z",
        "2027-03-31T00:00:00Z",
        "2027-04-30T00:00:00Z",
    ],
    "R2/2028-02-29T12:00:00Z/P1Y": ["2028-02-29T12:00:00Z", "2029-02-28T12:00:00Z"],
    "R2/P1M/2027-03-31T00:00:00Z": ["2027-01-31T00:00:00Z", "2027-02-28T00:00:00Z"],
    "R3/2027-01-01T00:00:01Z/P1MT1H": ["2027-01-01T00:00:01Z", "2027-02-01T01:00:01Z", "2027-03-01T02:00:01Z"],
    "R2/2090-01-01T00:00:00Z/P1M": ["2090-01-01T00:00:00Z", "2090-02-01T00:00:00Z"],
    "R2/2090-01-01T00:00:00Z/PT1M": ["2090-01-01T00:00:00Z", "2090-01-01T00:01:00Z"],
}


@pytest.mark.parametrize("text", INTERVALS)
def test_an_interval_ticks_as_it_says(text: str) -> None:
    asked = 5 if text[1] != "/" else 2
    ticks = ticks_from(calendar(calendar_document(intervals=[text])), BEGIN, asked)

    assert [short(tick.at_us) for tick in ticks] == INTERVALS[text]


def test_months_go_by_the_calendar_of_the_zone() -> None:
    made = calendar(calendar_document(zone="Europe/Berlin", intervals=["R/2027-01-28T02:30:00+01:00/P1M"]))
    ticks = ticks_from(made, "2027-02-01T00:00:00Z", 4)

    assert [short(tick.at_us) for tick in ticks] == [
        "2027-02-28T01:30:00Z",
        "2027-03-28T01:00:00Z",
        "2027-04-28T00:30:00Z",
        "2027-05-28T00:30:00Z",
    ]
    assert [tick.reason for tick in ticks] == [None, "02:30 does not exist on this day: it runs at 03:00", None, None]


def test_a_month_that_is_longer_than_the_mean_is_not_passed_over() -> None:
    made = calendar(calendar_document(intervals=["R/2027-07-01T00:00:00Z/P1M"]))

    for after in ("2027-07-31T18:00:00Z", "2027-07-31T23:59:59Z"):
        assert [short(tick.at_us)[5:10] for tick in ticks_from(made, after, 2)] == ["08-01", "09-01"]


def test_an_excluded_day_of_months_is_the_one_that_is_named() -> None:
    document = calendar_document(zone="Pacific/Apia", intervals=["R/2011-10-30T22:00:00Z/P1M"], dates=["2011-12-30"])
    after_it = calendar_document(zone="Pacific/Apia", intervals=["R/2011-10-30T22:00:00Z/P1M"], dates=["2011-12-31"])

    assert [tick.local[:10] for tick in ticks_from(calendar(document), "2011-12-01T00:00:00Z", 1)] == ["2012-01-30"]
    assert [tick.local[:10] for tick in ticks_from(calendar(after_it), "2011-12-01T00:00:00Z", 1)] == ["2011-12-30"]


def test_expressions_that_name_one_instant_give_one_tick() -> None:
    document = calendar_document("0 3 * * *", "30 2 * * *", "0 * * * *", zone="Europe/Berlin", every_s=3600)
    ticks = ticks_from(calendar(document), "2027-03-28T00:30:00Z", 2)

    assert [short(tick.at_us) for tick in ticks] == ["2027-03-28T01:00:00Z", "2027-03-28T02:00:00Z"]
    assert (ticks[0].local, ticks[0].fixed) == ("2027-03-28T03:00:00", True)
    assert ticks[0].reason == "02:30 does not exist on this day: it runs at 03:00; the clock goes from 02:00 to 03:00"


# --- exclusions -----------------------------------------------------------------------------------


def days(document_ticks: list[str]) -> list[str]:
    return [text[5:10] for text in document_ticks]


@pytest.mark.parametrize(
    ("exclusions", "expected"),
    [
        ({"dates": ["2027-01-02", "2027-01-04"]}, ["01-03", "01-05", "01-06", "01-07"]),
        ({"ranges": [("2027-01-02", "2027-01-05"), ("2026-01-01", "2026-12-31")]}, ["01-06", "01-07", "01-08", "01-09"]),
        ({"ranges": [("2027-01-04", "2027-03-05")]}, ["01-02", "01-03", "03-06", "03-07"]),
        ({"excluded": ["* * * * SAT,SUN"]}, ["01-04", "01-05", "01-06", "01-07"]),
        ({"calendars": ["holidays"]}, ["01-02", "01-03", "01-04", "01-05"]),
        ({"calendars": ["holidays"], "excluded": ["0 0 * * 2"], "dates": ["2027-01-02"]}, ["01-03", "01-04", "01-08", "01-09"]),
    ],
    ids=["dates", "ranges", "over months", "cron days", "a day calendar", "together"],
)
@pytest.mark.parametrize("kind", ["cron", "every", "interval"])
def test_nothing_ticks_on_excluded_days(kind: str, exclusions: dict[str, list[str]], expected: list[str]) -> None:
    sources: dict[str, object] = {
        "cron": {},
        "every": {"every_s": 86_400, "phase": "2027-01-01T09:00:00Z"},
        "interval": {"intervals": ["R/2027-01-01T09:00:00Z/P1D"]},
    }[kind]  # type: ignore[assignment]
    document = calendar_document(*(["0 9 * * *"] if kind == "cron" else []), **sources, **exclusions)  # type: ignore[arg-type]
    holidays = day_calendar("2027-01-01", ranges=[("2027-01-06", "2027-01-07")])

    ticks = ticks_from(calendar(document, "settlement", holidays), "2027-01-01T12:00:00Z", 4)

    assert [tick.local[5:10] for tick in ticks] == expected


def test_ranges_may_lie_over_each_other() -> None:
    ranges = [
        ("2027-01-02", "2027-01-10"),
        ("2027-01-03", "2027-01-04"),
        ("2027-01-10", "2027-01-12"),
        ("2027-01-14", "2027-01-14"),
    ]
    made = calendar(calendar_document("0 9 * * *", ranges=ranges))
    within = calendar(calendar_document("0 9 * * *", ranges=[("2027-01-02", "2027-03-05"), ("2027-01-03", "2027-01-04")]))

    assert [tick.local[8:10] for tick in ticks_from(made, BEGIN, 4)] == ["01", "13", "15", "16"]
    assert [tick.local[5:10] for tick in ticks_from(within, BEGIN, 2)] == ["01-01", "03-06"]


def test_an_excluded_day_is_one_of_the_zone_and_of_the_time_that_is_named() -> None:
    late = calendar(calendar_document("30 23 * * *", zone="America/New_York", dates=["2027-01-02"]))
    assert [tick.local[:10] for tick in ticks_from(late, "2027-01-01T05:00:00Z", 2)] == ["2027-01-01", "2027-01-03"]

    skipped = calendar(calendar_document("0 9 * * *", zone="Pacific/Apia", dates=["2011-12-30"]))
    assert [tick.local[:10] for tick in ticks_from(skipped, "2011-12-30T00:00:00Z", 1)] == ["2011-12-31"]


def test_an_elapsed_tick_counts_where_the_clock_is_set_back_into_a_day_that_counts() -> None:
    """In Saint John's the clock of one minute past midnight went back to the day before."""
    made = calendar(calendar_document(zone="America/St_Johns", every_s=300, phase="2010-11-07T02:00:30Z", dates=["2010-11-07"]))
    ticks = ticks_from(made, "2010-11-07T02:22:00Z", 3)

    assert [short(tick.at_us)[11:16] for tick in ticks] == ["02:25", "02:35", "02:40"]
    assert [tick.local for tick in ticks] == ["2010-11-06T23:55:30", "2010-11-06T23:05:30", "2010-11-06T23:10:30"]


@pytest.mark.parametrize(
    "document",
    [
        calendar_document("* * * * * *", excluded=[ALL_DAYS], zone="Europe/Berlin"),
        calendar_document("0 0 29 2 *", dates=[f"{year}-02-29" for year in range(2024, 2100, 4)]),
        calendar_document(every_s=1, excluded=[ALL_DAYS], zone="Europe/Berlin"),
        calendar_document(every_s=7 * 86_400, excluded=["* * * * THU"]),
        calendar_document(intervals=["R/2027-01-31T00:00:00Z/P1M"], ranges=[("0001-01-01", "9999-12-31")]),
        calendar_document("0 0 31W 2 *"),
        calendar_document("0 0 * * *", end="2027-01-01T00:00:00Z"),
        calendar_document("0 0 * * *", start="2028-01-01T00:00:00Z", end="2027-12-31T00:00:00Z"),
        calendar_document(intervals=["R3/2026-01-01T00:00:00Z/PT1H"]),
    ],
    ids=lambda document: (document.cron + tuple(f"every {one.every_ms}" for one in document.every) + document.intervals)[0],
)
def test_what_never_ticks_is_none(document: object) -> None:
    made = calendar(document)  # type: ignore[arg-type]

    assert made.next(Cursor(after_us=parse_us(BEGIN))) is None
    assert made.ticks(Cursor(after_us=parse_us(BEGIN)), until_us=parse_us("9999-01-01T00:00:00Z"), limit=10) == []


# --- start, end, jitter ---------------------------------------------------------------------------


def test_it_ticks_from_the_start_on_and_before_the_end() -> None:
    document = calendar_document("0 * * * *", start="2027-01-01T02:00:00Z", end="2027-01-01T04:00:00Z")
    ticks = ticks_from(calendar(document), "2020-01-01T00:00:00Z", 10)

    assert [short(tick.at_us) for tick in ticks] == ["2027-01-01T02:00:00Z", "2027-01-01T03:00:00Z"]


def test_the_last_instant_is_included_and_the_cursor_is_not() -> None:
    made = calendar(calendar_document("* * * * *"))
    begin, until = parse_us(BEGIN), parse_us("2027-01-01T00:02:00Z")

    assert [short(tick.at_us)[14:] for tick in made.ticks(Cursor(after_us=begin), until_us=until, limit=9)] == [
        "01:00Z",
        "02:00Z",
    ]
    assert len(made.ticks(Cursor(after_us=begin - 1), until_us=until - 1, limit=9)) == 2


def test_jitter_is_a_hash_of_schedule_and_tick() -> None:
    document = calendar_document("0 * * * *", jitter_ms=300_000)
    ticks = ticks_from(calendar(document), BEGIN, 200)
    others = ticks_from(calendar(document, "dunning"), BEGIN, 200)
    late_us = [tick.fire_at_us - tick.at_us for tick in ticks]

    first = ticks[0].at_us
    digest = int.from_bytes(hashlib.sha256(f"settlement@{first}".encode()).digest()[:8], "big")
    assert late_us[0] == digest % 300_001 * 1000
    assert ticks_from(calendar(document), BEGIN, 200) == ticks
    assert [tick.at_us for tick in others] == [tick.at_us for tick in ticks]
    assert [tick.fire_at_us for tick in others] != [tick.fire_at_us for tick in ticks]
    assert 0 <= min(late_us) < 30_000_000 and 270_000_000 < max(late_us) <= 300_000_000


def test_without_jitter_a_tick_is_due_at_its_instant() -> None:
    (tick,) = ticks_from(calendar(calendar_document("@daily")), BEGIN, 1)

    assert tick.fire_at_us == tick.at_us


def test_a_calendar_that_cannot_be_read_says_all_that_is_wrong() -> None:
    with pytest.raises(CalendarInvalid) as raised:
        calendar_of(calendar_document("61 * * * *", zone="Europe/Berlim", every_s=0.5), "settlement", {})

    assert [problem.code for problem in raised.value.problems] == ["S320", "S321", "S328"]
    assert "Europe/Berlin" in str(raised.value) and "`61`" in str(raised.value)
