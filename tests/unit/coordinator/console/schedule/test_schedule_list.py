"""The list of schedules: when each ticks next, how it does, which are wanted."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from saga_coordinator.console.schedule import listing
from saga_coordinator.console.schedule.listing import Wanted, found
from saga_coordinator.store.schedule_records import ScheduleRow, ScheduleStatus, TickOutcome
from support.schedule_console import HOUR_US, ScheduleBrowser, ScheduleHome, saga
from support.schedules import CLOCK_US, schedule_document, tick_at


def names(page: str) -> list[str]:
    return re.findall(r'class="first wide"><(?:a class="line"|b)[^>]*>([^<]+)<', page)


async def test_a_schedule_says_when_it_ticks_next_and_what_is_odd_about_it(browser: ScheduleBrowser, home: ScheduleHome) -> None:
    odd = tick_at(CLOCK_US + 3 * HOUR_US, reason="the hour is skipped: runs 03:00")
    home.odd_ticks["settlement"] = [odd]
    await home.created(fired=1_284, skipped=3, missed=2)

    page = await browser.page("/schedules")

    assert names(page) == ["settlement"]
    assert "the hour is skipped: runs 03:00" in page
    assert "at 02:30 every day, Europe/Berlin" in page and "settle-day" in page
    assert "1,284" in page and "nothing yet" in page


async def test_what_became_of_the_latest_is_said(browser: ScheduleBrowser, home: ScheduleHome) -> None:
    running = await home.created(schedule_document("running"))
    home.decided(running, CLOCK_US - HOUR_US, saga_id=saga(1))
    home.decided(running, CLOCK_US, TickOutcome.QUEUED, reason="overlap")
    await home.created(schedule_document("failing"), failures=2)
    await home.created(schedule_document("well"), succeeded_at_us=CLOCK_US - HOUR_US)

    page = await browser.page("/schedules")

    rows = {row.split('class="line"')[1].split("<")[0].split(">")[1]: row for row in page.split("<tr>")[2:]}
    assert "runs</span>" in rows["running"] and "1 wait</span>" in rows["running"]
    assert "failed, 2 in a row" in rows["failing"]
    assert "completed</span>" in rows["well"]


async def test_a_schedule_that_needs_a_person_says_why(browser: ScheduleBrowser, home: ScheduleHome) -> None:
    await home.created(attention="definition_inactive", attention_since_us=CLOCK_US)
    await home.created(schedule_document("well"))

    page = await browser.page("/schedules?state=attention")

    assert names(page) == ["settlement"]
    assert "the schedule settlement cannot start: no version of settle-day is active" in page


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("", ["dunning", "settlement"]),
        ("?state=active", ["settlement"]),
        ("?state=paused", ["dunning"]),
        ("?state=deleted", ["gone"]),
        ("?text=dun", ["dunning"]),
        ("?text=settle-d", ["dunning", "settlement"]),
        ("?text=Berlin", []),
        ("?state=paused&text=settlement", []),
    ],
)
async def test_the_list_is_of_what_is_wanted(
    browser: ScheduleBrowser, home: ScheduleHome, asked: str, expected: list[str]
) -> None:
    await home.created()
    await home.created(schedule_document("dunning"), status=ScheduleStatus.PAUSED, paused_at_us=CLOCK_US)
    await home.created(schedule_document("gone"), status=ScheduleStatus.DELETED)

    assert names(await browser.page(f"/schedules{asked}")) == expected


async def test_a_long_list_has_pages(browser: ScheduleBrowser, home: ScheduleHome) -> None:
    for number in range(51):
        await home.created(schedule_document(f"s-{number:03}"))

    first = await browser.page("/schedules")
    further = re.findall(r'href="/console(/schedules\?after=[^"]+)"', first)
    second = await browser.page(further[0])

    assert (len(names(first)), names(second)) == (50, ["s-050"])
    assert 'rel="next"' not in second


async def test_a_page_looks_through_so_many_and_the_next_goes_on(home: ScheduleHome, monkeypatch: pytest.MonkeyPatch) -> None:
    """With few that match among many, no page reads them all."""
    monkeypatch.setattr(listing, "_READ", 2)
    monkeypatch.setattr(listing, "LOOKED_AT_MOST", 4)
    rows = [await home.created(schedule_document(name)) for name in ("a", "b", "c", "d", "e-wanted")]

    async def read(after: str, limit: int) -> Sequence[ScheduleRow]:
        return [row for row in rows if row.name > after][:limit]

    first = await found(read, Wanted(text="wanted"), after="", limit=10, now_us=CLOCK_US)
    second = await found(read, Wanted(text="wanted"), after=first.further or "", limit=10, now_us=CLOCK_US)

    assert ([row.name for row in first.rows], first.further) == ([], "d")
    assert ([row.name for row in second.rows], second.further) == (["e-wanted"], None)


async def test_without_a_schedule_the_page_says_how_to_make_one(browser: ScheduleBrowser) -> None:
    assert "saga schedule create" in await browser.page("/schedules")
    assert "No schedule matches." in await browser.page("/schedules?state=paused")


async def test_a_state_that_there_is_not_is_refused(browser: ScheduleBrowser) -> None:
    await browser.page("/schedules?state=broken", status=422)
