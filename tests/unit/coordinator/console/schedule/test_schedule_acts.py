"""What a person does to schedules from their pages."""

from __future__ import annotations

import re

import pytest

from saga_coordinator.store.schedule_records import BackfillStatus, ScheduleStatus
from support.schedule_console import HOUR_US, ScheduleBrowser, ScheduleHome, saga
from support.schedules import CLOCK_US, day_calendar, schedule_document

PATH = "/schedules/settlement"


async def test_a_schedule_is_paused_resumed_and_deleted(browser: ScheduleBrowser, home: ScheduleHome) -> None:
    await home.created()

    told = [await browser.act(f"{PATH}/{act}") for act in ("pause", "resume", "delete")]

    assert told[0] == "settlement is paused: no tick runs. Sagas that it started go on."
    assert told[1].startswith("settlement goes on.") and told[2].startswith("settlement is deleted")
    assert home.schedule_rows["settlement"].status == ScheduleStatus.DELETED
    assert home.schedule_acts[1:] == [
        (f"schedule {act}", "settlement", "the bank is closed", "ada") for act in ("pause", "resume", "delete")
    ]


async def test_what_is_refused_is_told(browser: ScheduleBrowser, home: ScheduleHome) -> None:
    await home.created()

    assert await browser.act(f"{PATH}/resume") == "Not done: the schedule settlement is not paused"


@pytest.mark.parametrize(
    ("busy", "overlap", "kept", "told"),
    [
        (False, {}, None, "It runs: saga "),
        (True, {}, None, "It does not run: a saga of the schedule was still open."),
        (True, {"overlap": "queue_one"}, "queue_one", "It waits: a saga of the schedule was still open."),
        (True, {"overlap": "allow", "limit": "3"}, "allow:3", "It runs: saga "),
        (True, {"overlap": "queue_one", "limit": "3"}, "queue_one", "It waits"),
    ],
    ids=["free", "as the schedule says", "queued", "beside others", "a limit that the policy has not"],
)
async def test_a_trigger_tells_what_became_of_it(
    browser: ScheduleBrowser, home: ScheduleHome, busy: bool, overlap: dict[str, str], kept: str | None, told: str
) -> None:
    row = await home.created()
    if busy:
        home.decided(row, CLOCK_US - HOUR_US, saga_id=saga(1))

    assert (await browser.act(f"{PATH}/trigger", **overlap)).startswith(told)
    assert home.tick_rows[-1].overlap == kept


# --- backfills ------------------------------------------------------------------------------------

RANGE = "from=2027-03-26T10%3A00&until=2027-03-26T20%3A00"


async def test_a_backfill_is_counted_before_it_is_begun(browser: ScheduleBrowser, home: ScheduleHome) -> None:
    await home.created(schedule_document(overlap={"policy": "allow", "limit": 4}))

    empty = await browser.page(f"{PATH}/backfill")
    counted = await browser.page(f"{PATH}/backfill?{RANGE}&overlap=queue_all&limit=5&per_minute=2")

    assert "It would come to" not in empty and "<option selected>allow</option>" in empty and 'value="4"' in empty
    assert "It would come to 11 ticks" in counted and "At 2 a minute it takes 5 min 30 s at least" in counted
    assert "2027-03-26T10:00:00Z" in counted and "Fri 26 Mar 2027 11:00" in counted
    assert "and 1 more" in counted
    assert home.backfill_rows == []

    fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', counted.split('class="card confirm"')[1]))
    fields.pop("token")
    told = await browser.act(f"{PATH}/backfill", **fields)

    assert told.startswith("The backfill of 11 ticks has begun.")
    (made,) = home.backfill_rows
    assert (made.found, made.overlap, made.per_minute) == (11, "queue_all:5", 2)
    assert (made.from_us, made.until_us) == (CLOCK_US - 24 * HOUR_US, CLOCK_US - 14 * HOUR_US)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("from=2027-03-26T10%3A00&until=2099-01-01T00%3A00", "both in the past"),
        ("from=1970-01-02T00%3A00&until=2027-03-26T00%3A00", "take a shorter range"),
        ("from=yesterday&until=today", "Say from when until when"),
        (f"{RANGE}&per_minute=0", "how many ticks a minute"),
    ],
    ids=["in the future", "too many", "no times", "no rate"],
)
async def test_a_backfill_that_would_be_refused_says_so(
    browser: ScheduleBrowser, home: ScheduleHome, asked: str, said: str
) -> None:
    await home.created()

    assert said in await browser.page(f"{PATH}/backfill?{asked}", status=422)


async def test_a_backfill_shows_its_progress_and_is_stopped(browser: ScheduleBrowser, home: ScheduleHome) -> None:
    await home.created()
    await browser.act(f"{PATH}/backfill", **{"from": "2027-03-26T10:00:00Z"}, until="2027-03-26T19:00:00Z", per_minute="60")
    (made,) = home.backfill_rows
    page = await browser.page(PATH)
    assert "0 %, 60 a minute" in page

    told = await browser.act(f"{PATH}/backfills/{made.id}/stop")

    assert told == "The backfill is stopped after 0 of 10 ticks. What it has started goes on."
    assert home.backfill_rows[0].status == BackfillStatus.STOPPED
    assert "by ada: the bank is closed" in await browser.page(PATH)
    assert await browser.act(f"{PATH}/backfills/{made.id}/stop") == "Not done: the backfill has ended, or was stopped"
    assert await browser.act(f"{PATH}/backfills/x/stop") == "There is no such backfill."


# --- calendars of days ----------------------------------------------------------------------------


async def test_a_calendar_of_days_is_written_listed_and_deleted(browser: ScheduleBrowser, home: ScheduleHome) -> None:
    days = "2027-12-25\n\n 2027-12-27 to 2027-12-31 \n2027-01-01..2027-01-02"

    told = await browser.act("/calendars", name="german-holidays", days=days, note="By the state.")

    assert told == "german-holidays is written, as version 1."
    expected = day_calendar(
        dates=["2027-12-25"],
        ranges=[{"first": "2027-12-27", "last": "2027-12-31"}, {"first": "2027-01-01", "last": "2027-01-02"}],
        note="By the state.",
    )
    assert home.day_rows["german-holidays"].document == expected.canonical
    page = await browser.page("/calendars")
    assert "2027-12-27 to 2027-12-31</span>" in page and "By the state." in page
    assert await browser.act("/calendars/german-holidays/delete") == "german-holidays is deleted."


async def test_what_schedules_exclude_is_said_and_not_deleted(browser: ScheduleBrowser, home: ScheduleHome) -> None:
    await home.put_day_calendar(day_calendar(), "new", "ada")
    exclude = {"dates": [], "ranges": [], "cron": [], "calendars": ["german-holidays"]}
    await home.created(schedule_document(exclude=exclude))

    assert f'<a href="/console{PATH}">settlement</a>' in await browser.page("/calendars")
    assert "schedules exclude its days: settlement" in await browser.act("/calendars/german-holidays/delete")
    assert "not on german-holidays" in await browser.page(PATH)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": "<b>", "days": "2027-12-25"}, "say a name"),
        ({"name": "x", "days": "25.12.2027"}, "a day is written 2027-12-25"),
        ({"name": "x", "days": "2027-02-30"}, "a day is written 2027-12-25"),
        ({"name": "x", "days": "2027-12-25 to 2027-12-24"}, "the last day is before the first"),
        ({"name": "x", "days": "2027-12-25 to then"}, "a day is written 2027-12-25"),
    ],
    ids=["name", "spelling", "no such day", "backwards", "half a range"],
)
async def test_days_that_cannot_be_read_are_refused(
    browser: ScheduleBrowser, home: ScheduleHome, fields: dict[str, str], said: str
) -> None:
    assert said in await browser.act("/calendars", **fields)
    assert home.day_rows == {}
