"""What holds for each calendar and each instant."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from cronsim import CronSim
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from saga_coordinator.calendar.calendar import Calendar, calendar_of
from saga_coordinator.calendar.cron import CronNever, cron_of
from saga_coordinator.calendar.document import CalendarDocument
from saga_coordinator.calendar.excluded import Excluded
from saga_coordinator.calendar.tick import Cursor, Tick
from saga_coordinator.calendar.timeline import DAY_S
from saga_coordinator.calendar.walls import Walls, parse_wall, wall_text
from support.calendars import calendar, calendar_document, changing

BEGIN = int(datetime(2010, 1, 1, tzinfo=UTC).timestamp())
ZONES = (
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Asia/Gaza",
    "Pacific/Apia",
    "America/St_Johns",
    "America/Sao_Paulo",
    "UTC",
)
CRONS = (
    "30 2 * * *",
    "0 * * * *",
    "*/20 0-3 * * *",
    "*/13 * * * *",
    "0 0 L * *",
    "15 0,1 * * MON-FRI",
    "30 0 15W * *",
    "45 1 * * SUN#4,SUN#5",
    "*/30 30 2 * * *",
    "@hourly",
)
INTERVALS = (
    "R/2010-01-31T01:30:00Z/P1M",
    "R20/2011-03-27T00:30:00Z/P1D",
    "R/P1MT1H/2016-10-30T01:30:00Z",
    "R/2010-01-01T00:00:00Z/PT7H",
)


@st.composite
def calendars(draw: st.DrawFn) -> Calendar:
    document = calendar_document(
        *draw(st.lists(st.sampled_from(CRONS), max_size=3, unique=True)),
        zone=draw(st.sampled_from(ZONES)),
        every_s=draw(st.sampled_from((None, None, 5400, 90 * 60, 100_000))),
        intervals=draw(st.lists(st.sampled_from(INTERVALS), max_size=1)),
        excluded=draw(st.sampled_from(((), (), ("0 0 * * SUN",), ("0 0 28-31 * *",)))),
        dates=draw(st.sampled_from(((), ("2011-12-30",), ("2012-03-25",)))),
    )
    assume(document.cron or document.every or document.intervals)
    return calendar(document)


INSTANTS = st.integers(0, 8 * 366 * DAY_S).map(lambda second: (BEGIN + second) * 1_000_000)
FEW = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])


def one_by_one(made: Calendar, cursor: Cursor, until_us: int) -> list[Tick]:
    found = []
    while (tick := made.next(cursor)) is not None and tick.at_us <= until_us:
        found.append(tick)
        cursor = cursor.moved_to(tick)
    return found


@FEW
@given(calendars(), INSTANTS, st.integers(1, 10 * DAY_S))
def test_many_ticks_at_once_are_those_of_one_by_one(made: Calendar, after_us: int, length_s: int) -> None:
    until_us = after_us + length_s * 1_000_000
    cursor = Cursor(after_us=after_us)

    ticks = made.ticks(cursor, until_us=until_us, limit=10_000)

    assert ticks == one_by_one(made, cursor, until_us)
    assert ticks[:3] == made.ticks(cursor, until_us=until_us, limit=3)
    assert all(first.at_us < second.at_us for first, second in pairwise(ticks))
    assert all(first.local < second.local for first, second in pairwise([tick for tick in ticks if tick.fixed]))


@FEW
@given(calendars(), INSTANTS, st.lists(st.integers(1, 2 * DAY_S), min_size=1, max_size=8))
def test_no_tick_is_lost_or_comes_twice_whatever_the_steps(made: Calendar, after_us: int, steps_s: list[int]) -> None:
    place, walked = after_us, list[Tick]()
    for step in steps_s:
        until_us = place + step * 1_000_000 - step % 3
        walked += made.ticks(Cursor(after_us=place), until_us=until_us, limit=10_000)
        place = until_us

    assert walked == made.ticks(Cursor(after_us=after_us), until_us=place, limit=100_000)


@FEW
@given(calendars(), INSTANTS, st.integers(0, 40 * DAY_S))
def test_next_is_monotone(made: Calendar, after_us: int, later_s: int) -> None:
    later_us = after_us + later_s * 1_000_000
    first, second = made.next(Cursor(after_us=after_us)), made.next(Cursor(after_us=later_us))

    if second is not None:
        assert first is not None and after_us < first.at_us <= second.at_us
        assert second.at_us > later_us
        assert first.at_us == second.at_us or first.at_us <= later_us


# --- another release of tzdata --------------------------------------------------------------------

DAILY = calendar_document("30 2 * * *", zone="Europe/Berlin")
CHANGE = datetime(2027, 3, 28, 1, tzinfo=UTC)


def with_zone(document: CalendarDocument, before_h: float, change: datetime, after_h: float) -> Calendar:
    timeline = changing(before_h, change, after_h)
    return calendar_of(document, "settlement", {}, lambda name: timeline)


@pytest.mark.parametrize(
    ("document", "local"),
    [
        (DAILY, "2027-03-29T02:30:00"),
        (calendar_document("15-45/15 2 * * *"), "2027-03-29T02:15:00"),  # three of the gap ran as one, and none comes again
        (calendar_document(intervals=["R/2027-01-28T01:30:00Z/P1M"]), "2027-04-28T02:30:00"),
    ],
    ids=["one", "three in the gap", "months"],
)
def test_a_tick_that_ran_at_the_end_of_a_gap_does_not_run_again_where_new_zones_have_no_gap(
    document: CalendarDocument, local: str
) -> None:
    old, new = with_zone(document, 1, CHANGE, 2), with_zone(document, 1, CHANGE + timedelta(days=7), 2)
    ran = old.next(Cursor(after_us=int(CHANGE.timestamp() - 3600) * 1_000_000))
    assert ran is not None and ran.at_us == int(CHANGE.timestamp()) * 1_000_000

    following = new.next(Cursor(after_us=0).moved_to(ran))

    assert following is not None and following.local == local
    again = new.next(Cursor(after_us=ran.at_us))
    assert again is not None and again.local.startswith("2027-03-28")  # what the cursor's wall clock prevents


@FEW
@given(
    st.sampled_from(["30 2 * * *", "*/20 1-3 * * *", "0 0 * * *"]),
    st.lists(st.sampled_from([-3, -1, 0, 0.5, 1, 2, 5.75]), min_size=4, max_size=4),
    st.lists(st.integers(-40, 40), min_size=3, max_size=3),
)
def test_whatever_new_zones_say_no_wall_clock_runs_twice_and_none_of_the_past(
    text: str, offsets: list[float], hours: list[int]
) -> None:
    document = calendar_document(text)
    old = with_zone(document, offsets[0], CHANGE + timedelta(hours=hours[0]), offsets[1])
    new = with_zone(document, offsets[2], CHANGE + timedelta(hours=hours[1]), offsets[3])
    cursor = Cursor(after_us=int(CHANGE.timestamp() - 2 * DAY_S) * 1_000_000)
    ran = one_by_one(old, cursor, int(CHANGE.timestamp() + hours[2] * 3600) * 1_000_000)
    for tick in ran:
        cursor = cursor.moved_to(tick)

    ran += one_by_one(new, cursor, int(CHANGE.timestamp() + 4 * DAY_S) * 1_000_000)

    assert all(first.at_us < second.at_us and first.local < second.local for first, second in pairwise(ran))


# --- cronsim --------------------------------------------------------------------------------------


def field(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    span = st.tuples(number, number).map(lambda ends: f"{min(ends)}-{max(ends)}")
    step = st.tuples(st.one_of(st.just("*"), span, number.map(str)), st.integers(1, 9)).map(
        lambda parts: f"{parts[0]}/{parts[1]}"
    )
    return st.one_of(st.just("*"), st.lists(st.one_of(number.map(str), span, step), min_size=1, max_size=3).map(",".join))


@settings(max_examples=150)
@given(
    st.tuples(
        field(0, 59),
        field(0, 59),
        field(0, 23),
        st.one_of(field(1, 31), st.sampled_from(["L", "LW", "L,5"])),
        field(1, 12),
        st.one_of(field(0, 7), st.sampled_from(["5L", "SUNL".replace("SUN", "0"), "MON#2", "7#5", "TUE-THU"])),
    ),
    st.integers(0, 3000 * DAY_S),
)
def test_wall_clocks_without_changes_are_those_of_cronsim(fields: tuple[str, ...], begin: int) -> None:
    text = " ".join(fields)
    try:
        walls = Walls(cron_of(text), Excluded())
    except CronNever:
        assume(False)
    place = begin
    for _, expected in zip(range(10), CronSim(text, datetime.fromisoformat(wall_text(begin))), strict=False):
        found = walls.next(place + 1)
        assert found is not None and wall_text(found) == expected.isoformat()
        place = parse_wall(expected.isoformat())


def test_random_days_are_as_the_mask_says() -> None:
    """`days` of a month and the next wall clock tell the same."""
    pick = random.Random(3)
    for text in ("0 0 13 * 5", "0 0 */2 * MON", "0 0 1W,L-2 * *", "0 0 31W 1-12/2 *"):
        cron = cron_of(text)
        walls = Walls(cron, Excluded())
        for _ in range(50):
            day = pick.randrange(0, 30_000)
            found = walls.next(day * DAY_S)
            assert found is not None
            between = [datetime(1970, 1, 1) + timedelta(days=one) for one in range(day, found // DAY_S + 1)]
            counts = [bool(cron.days(one.year, one.month) >> one.day - 1 & 1) for one in between]
            assert counts == [False] * (len(between) - 1) + [True]
