"""The page of one schedule: how it does, each tick with its reason, versions, backfills."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from saga_coordinator.console.live import Live
from saga_coordinator.store.schedule_records import ScheduleStatus, TickOutcome, TickRangeRow, TickSource
from support.drawn import SVG, parsed
from support.schedule_console import HOUR_US, ScheduleBrowser, ScheduleHome, saga
from support.schedules import CLOCK_US, schedule_document, tick_at

EVIL = "<b>\"evil'"
PATH = "/schedules/settlement"


def cells(page: str, section: str) -> list[str]:
    """The rows of a section's table, as text."""
    part = page.split(f'id="{section}"', 1)[1].split("</section>")[0]
    return [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in part.split("<tr>")[2:]]


def titles(page: str) -> list[str]:
    """Of the wide drawing."""
    markup = re.findall(r'<svg class="drawing chart wide ticks".*?</svg>', page, re.DOTALL)[0]
    return [each.text or "" for each in parsed(markup).iter(f"{SVG}title")]


async def test_each_tick_says_what_became_of_it_and_why(browser: ScheduleBrowser, home: ScheduleHome) -> None:
    row = await home.created()
    home.decided(row, CLOCK_US - 6 * HOUR_US, saga_id=saga(1), phase="COMPLETED", ended_at_us=CLOCK_US)
    home.decided(row, CLOCK_US - 5 * HOUR_US, saga_id=saga(2), phase="COMPENSATED", ended_at_us=CLOCK_US)
    home.decided(row, CLOCK_US - 4 * HOUR_US, saga_id=saga(3), fired_at_us=CLOCK_US - 4 * HOUR_US + 90_000_000)
    home.decided(row, CLOCK_US - 3 * HOUR_US, TickOutcome.SKIPPED, reason="overlap", saga_id=saga(3))
    home.decided(row, CLOCK_US - 2 * HOUR_US, TickOutcome.FAILED, reason="input_invalid", note=f"day: {EVIL}")
    home.decided(row, CLOCK_US - HOUR_US, TickOutcome.QUEUED, reason="overlap", source=TickSource.TRIGGER)

    page = await browser.page(PATH)

    queued, failed, skipped, running, compensated, completed = cells(page, "ticks")
    assert "by hand" in queued and "queued" in queued
    assert "day: &lt;b&gt;" in failed
    assert f"in its way: {saga(3)}" in skipped and "a saga of the schedule was still open" in skipped
    assert "running 1 min 30 s late" in running
    assert "compensated" in compensated and "2027-03-27T05:00:00Z Sat 27 Mar 2027 06:00" in compensated
    assert f"completed {saga(1)}" in completed
    assert f'href="/console/sagas/{saga(1)}"' in page


async def test_runs_of_ticks_stand_between_the_others(browser: ScheduleBrowser, home: ScheduleHome) -> None:
    row = await home.created()
    home.decided(row, CLOCK_US - 100 * HOUR_US, saga_id=saga(1))
    home.decided(row, CLOCK_US - HOUR_US, saga_id=saga(2))
    home.range_rows.append(
        TickRangeRow(
            schedule_id=row.id,
            first_us=CLOCK_US - 90 * HOUR_US,
            last_us=CLOCK_US - 43 * HOUR_US,
            count=48,
            outcome=TickOutcome.MISSED,
            reason="missed",
            decided_at_us=CLOCK_US,
        )
    )

    page = await browser.page(PATH)

    latest, missed, first = cells(page, "ticks")
    assert str(saga(2)) in latest and str(saga(1)) in first
    assert "2027-03-23T16:00:00Z to 2027-03-25T15:00:00Z" in missed
    assert "48 missed nobody decided it in time" in missed
    assert [title.split(",")[0] for title in titles(page)[:3]] == ["Tue 23 Mar 2027 07:00", "48 ticks", "Sat 27 Mar 2027 10:00"]


async def test_the_drawing_has_the_last_and_the_next_thirty(browser: ScheduleBrowser, home: ScheduleHome) -> None:
    row = await home.created()
    for ago in range(40):
        home.decided(row, CLOCK_US - ago * HOUR_US, saga_id=saga(ago), phase="COMPLETED", ended_at_us=CLOCK_US)
    home.odd_ticks["settlement"] = [
        tick_at(CLOCK_US + ahead * HOUR_US, reason="the hour is skipped" if ahead == 1 else None) for ahead in range(1, 60)
    ]

    page = await browser.page(PATH)

    shown = titles(page)
    assert sum("completed" in title for title in shown) == 30
    assert sum("to come" in title for title in shown) == 30
    assert "2027-03-27T11:00:00Z: to come: the hour is skipped" in shown[30]
    assert 'aria-label="Decided, the latest last: 30 completed. To come: 30 to come' in page


async def test_older_ticks_are_on_further_pages(browser: ScheduleBrowser, home: ScheduleHome) -> None:
    row = await home.created()
    for ago in range(40):
        home.decided(row, CLOCK_US - ago * HOUR_US, saga_id=saga(ago))

    first = await browser.page(PATH)
    older = re.findall(rf'href="/console({PATH}\?before=\d+)#ticks"', first)
    second = await browser.page(older[0])

    assert (len(cells(first, "ticks")), len(cells(second, "ticks"))) == (30, 10)
    assert "to come" not in " ".join(titles(second))
    assert f'href="/console{PATH}#ticks">Newest</a>' in second


async def test_its_health_is_said(browser: ScheduleBrowser, home: ScheduleHome) -> None:
    await home.created(
        schedule_document(expect_success_ms=93_600_000),
        failures=2,
        succeeded_at_us=CLOCK_US - 27 * HOUR_US,
        success_due_at_us=CLOCK_US - HOUR_US,
    )

    page = await browser.page(PATH)

    assert "The schedule settlement has had no success in time" in page
    assert "the next is expected by 2027-03-27 09:00:00.000 UTC" in page
    assert "failed, 2 in a row" in page and "3 pause it" in page


@pytest.mark.parametrize(
    ("status", "offered", "withheld"),
    [
        (ScheduleStatus.ACTIVE, ("pause", "trigger", "delete"), ("resume",)),
        (ScheduleStatus.PAUSED, ("resume", "trigger", "delete"), ("pause",)),
        (ScheduleStatus.ENDED, ("trigger", "delete"), ("pause", "resume")),
    ],
)
async def test_what_can_be_done_is_offered(
    browser: ScheduleBrowser, home: ScheduleHome, status: ScheduleStatus, offered: tuple[str, ...], withheld: tuple[str, ...]
) -> None:
    await home.created(status=status, paused_at_us=CLOCK_US, paused_by="ada", paused_why=EVIL)

    page = await browser.page(PATH)

    assert all(f'action="/console{PATH}/{act}"' in page for act in offered)
    assert not any(f'action="/console{PATH}/{act}"' in page for act in withheld)


async def test_who_paused_it_and_what_would_come_is_said(browser: ScheduleBrowser, home: ScheduleHome) -> None:
    await home.created(status=ScheduleStatus.PAUSED, paused_at_us=CLOCK_US, paused_by="ada", paused_why=EVIL)

    page = await browser.page(PATH)

    assert "by <b>ada</b>: &lt;b&gt;" in page
    assert "paused; it would tick now, Saturday 10:00" in page


async def test_versions_are_listed_and_compared(browser: ScheduleBrowser, home: ScheduleHome) -> None:
    await home.created()
    changed = schedule_document(cron=["0 3 * * *"], overlap={"policy": "allow", "limit": 3}, input={"timeout_ms": 60_000})
    await home.update_schedule(changed, "they close later", "grace")

    page = await browser.page(PATH)
    diff = await browser.page(f"{PATH}/diff?from=1&to=2")

    assert f'href="/console{PATH}/diff?from=1&amp;to=2"' in page and "they close later" in page
    assert "overlap.policy: allow (before: skip)" in diff
    assert '<span class="plus">+ ' in diff and "by <b>grace</b>: they close later" in diff
    assert "input.timeout_ms: now 60000; not set before" in diff, "what a user named so is no duration of ours"
    await browser.page(f"{PATH}/diff?from=1&to=7", status=404)


async def test_a_document_of_a_later_release_does_not_take_the_page_away(browser: ScheduleBrowser, home: ScheduleHome) -> None:
    await home.created()
    await home.update_schedule(schedule_document(runs=3), "less", "ada")
    home.changed("settlement", document='{"format":2}', status=ScheduleStatus.ENDED)
    home.version_rows[1] = replace(home.version_rows[1], document='{"format":2,"from":"later"}')

    assert "This release cannot read" in await browser.page(PATH)
    assert "This release cannot read it." in await browser.page("/schedules")
    assert "from: now later; not set before" in await browser.page(f"{PATH}/diff")


async def test_a_zone_that_is_gone_is_said_and_times_are_utc(browser: ScheduleBrowser, home: ScheduleHome) -> None:
    row = await home.created(schedule_document(zone="Europe/Atlantis"))
    home.decided(row, CLOCK_US, saga_id=saga(1))

    page = await browser.page(PATH)

    assert "The zone Europe/Atlantis is not known" in page
    assert "Sat 27 Mar 2027 10:00" in page


async def test_one_that_was_deleted_has_no_page(browser: ScheduleBrowser, home: ScheduleHome) -> None:
    await home.created(status=ScheduleStatus.DELETED)

    await browser.page(PATH, status=404)
    assert f'href="/console{PATH}"' not in await browser.page("/schedules?state=deleted")


@pytest.mark.parametrize("name", ["nothing", "%3Cb%3E", "a..b", "x" * 300])
async def test_a_schedule_that_there_is_not_is_said(browser: ScheduleBrowser, name: str) -> None:
    await browser.page(f"/schedules/{name}", status=404)


async def test_notes_of_people_are_text(browser: ScheduleBrowser, home: ScheduleHome) -> None:
    await home.created(schedule_document(note=EVIL, input={"x": EVIL}), attention="start_refused", attention_note=EVIL)

    page = await browser.page(PATH)

    assert "<b>&#34;evil" not in page and '<b>"evil' not in page
    assert page.count("&lt;b&gt;") >= 3


async def test_a_live_page_hears_of_a_tick_and_of_nothing_else(home: ScheduleHome) -> None:
    row = await home.created()
    live = Live(home)  # type: ignore[arg-type]
    look = live.topic("schedule/settlement"), live.topic("schedules"), live.topic("schedule/settlement")
    assert all(look) and live.topic("schedule/<b>") is None
    one, all_of_them, later = (topic for topic in look if topic is not None)
    before = await one.shown(), await all_of_them.shown()
    home.schedule_rows["settlement"] = replace(row, fired=1, cursor_us=CLOCK_US + HOUR_US)

    assert await later.shown() != before[0]
