"""Schedules in the browser: found, understood, held, run by hand and afterwards, on a system that
ticks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from support.accessibility import violations
from support.console_system import ConsoleSystem, Json, eventually, order, order_definition
from support.readable import faults
from support.visits import Visits, act

NIGHTLY, SECONDLY = "settle-nightly", "settle-often"


def schedule(name: str, calendar: Json, **more: object) -> Json:
    """A schedule of the shop's orders; each tick is an order of its own."""
    placed = order("${schedule.name + '-' + schedule.tick}")
    return {"schedule": name, "definition": "scheduled", "calendar": calendar, "input": placed, **more}


@pytest.fixture(scope="module")
def schedules(system: ConsoleSystem) -> list[str]:
    """One that ticks at night in Berlin and has two versions, and one that ticks every 2 s."""
    system.register(order_definition("scheduled", mail=False))
    days = {"calendar": "shop-holidays", "dates": ["2099-12-25"]}
    system.request("PUT", "/v1/day-calendars/shop-holidays", {"document": days, "reason": "for the shop", "actor": "ada"})
    nightly = {"zone": "Europe/Berlin", "cron": "30 2 * * *", "exclude": {"calendars": ["shop-holidays"]}}
    often = schedule(SECONDLY, {"every": "2s"}, overlap={"allow": 3})
    for document in (schedule(NIGHTLY, nightly), often):
        body = {"document": document, "reason": "new", "actor": "ada", "yes": True}
        system.request("POST", "/v1/schedules", body)
    changed = schedule(NIGHTLY, nightly | {"cron": "0 3 * * *"})
    system.request("PUT", f"/v1/schedules/{NIGHTLY}", {"document": changed, "reason": "they close later", "actor": "grace"})
    eventually(lambda: any(one["outcome"] == "fired" for one in ticks(system, SECONDLY)), "it has ticked")
    return [NIGHTLY, SECONDLY]


def ticks(system: ConsoleSystem, name: str) -> list[Json]:
    """What became of its latest ticks, newest first."""
    items: list[Json] = system.request("GET", f"/v1/schedules/{name}/ticks?limit=50")["items"]
    return [one for one in items if one["kind"] == "tick"]


@pytest.mark.parametrize(
    "path",
    [
        "/schedules",
        f"/schedules/{NIGHTLY}",
        f"/schedules/{SECONDLY}",
        f"/schedules/{NIGHTLY}/diff?from=1&to=2",
        f"/schedules/{NIGHTLY}/backfill",
        "/calendars",
    ],
)
@pytest.mark.usefixtures("schedules")
def test_a_page_of_schedules_can_be_read_by_all_and_anywhere(visits: Visits, path: str) -> None:
    assert faults(visits, path) == {}


def test_a_schedule_is_found_and_what_it_does_is_understood(visits: Visits, system: ConsoleSystem, schedules: list[str]) -> None:
    page = visits.page("/schedules")
    row = page.get_by_role("row").filter(has_text=NIGHTLY)
    expect(row).to_contain_text("at 03:00 every day, Europe/Berlin; not on shop-holidays")
    expect(row).to_contain_text("active")
    row.get_by_role("link", name=NIGHTLY).click()
    expect(page.locator("main")).to_contain_text("Next: in ")
    page.get_by_role("link", name="since 1").click()
    expect(page.locator("main")).to_contain_text("they close later")
    expect(page.locator("pre.diff")).to_contain_text("0 3 * * *")

    page.goto(f"/console/schedules/{SECONDLY}")
    expect(page.locator("svg.ticks.wide use[href='#s-idle']")).to_have_count(30)
    page.locator("#ticks a.mono").first.click()
    expect(page.locator(".meta")).to_contain_text(f"by the schedule {SECONDLY}, for its tick")
    page.locator(".meta").get_by_role("link", name=SECONDLY).click()
    expect(page.locator("h1")).to_have_text(SECONDLY)


@pytest.mark.usefixtures("schedules")
def test_a_schedule_is_held_run_by_hand_and_goes_on(visits: Visits, system: ConsoleSystem) -> None:
    page = visits.page(f"/schedules/{NIGHTLY}")

    act(page, page.locator(".top"), "Pause…", "Pause", why="the bank is closed")
    expect(page.locator(".top")).to_contain_text("paused")
    expect(page.locator("main")).to_contain_text("by grace: the bank is closed")
    assert violations(page) == []
    act(page, page.locator(".top"), "Run now…", "Run it now", why="they asked for it")
    expect(page.locator(".told")).to_contain_text("It runs: saga ")
    (fired,) = (one for one in ticks(system, NIGHTLY) if one["source"] == "trigger")
    system.ended(fired["saga_id"], "COMPLETED")
    expect(page.get_by_role("row").filter(has_text="by hand")).to_contain_text("completed")
    act(page, page.locator(".top"), "Resume…", "Resume", why="it is open again")
    expect(page.locator(".top")).to_contain_text("active")

    page.goto("/console/audit")
    expect(page.locator("main")).to_contain_text("they asked for it")


@pytest.mark.usefixtures("schedules")
def test_a_backfill_is_counted_begun_and_done(visits: Visits, system: ConsoleSystem) -> None:
    page = visits.page(f"/schedules/{NIGHTLY}")
    page.get_by_role("link", name="Backfill…").click()
    until = datetime.now(UTC).replace(microsecond=0, tzinfo=None) - timedelta(hours=1)
    page.get_by_label("From").fill((until - timedelta(days=3)).isoformat())
    page.get_by_label("Until, included").fill(until.isoformat())
    page.get_by_label("While a saga of it is open").select_option("allow")
    page.get_by_label("Limit, of queue_all and allow").fill("3")
    page.get_by_label("Ticks a minute").fill("600")
    page.get_by_role("button", name="Count").click()
    expect(page.locator(".why")).to_contain_text("It would come to 3 ticks")
    assert violations(page) == []
    assert not [one for one in ticks(system, NIGHTLY) if one["source"] == "backfill"], "to count changes nothing"

    send(page, "Run 3 ticks", why="the outage of Tuesday")

    expect(page.locator("#backfills")).to_contain_text("done")
    expect(page.get_by_role("row").filter(has_text="by a backfill")).to_have_count(3)


@pytest.mark.usefixtures("schedules")
def test_days_are_added_changed_and_not_deleted_while_they_are_used(visits: Visits) -> None:
    page = visits.page("/schedules")
    page.get_by_role("link", name="Day calendars").click()
    expect(page.get_by_role("row").filter(has_text="shop-holidays")).to_contain_text(NIGHTLY)
    form = page.locator(".top details.act")
    form.locator("summary").click()
    form.get_by_label("Name").fill("school")
    form.get_by_label("Days").fill("2099-07-01 to 2099-08-15\n2099-10-03")
    send(page, "Add it", why="for the school")
    row = page.get_by_role("row").filter(has_text="school")
    expect(row).to_contain_text("2099-07-01 to 2099-08-15")

    act(page, row, "Delete…", "Delete school", why="not needed")

    expect(page.get_by_role("row").filter(has_text="school")).to_have_count(0)
    used = page.get_by_role("row").filter(has_text="shop-holidays")
    form = used.locator("details.act").filter(has=page.locator("summary", has_text="Delete…"))
    form.locator("summary").click()
    send(page, "Delete shop-holidays", why="not needed")
    expect(page.locator(".told.bad")).to_contain_text(NIGHTLY)


def test_a_schedule_is_deleted_and_what_it_ran_stays(visits: Visits, system: ConsoleSystem, schedules: list[str]) -> None:
    document = schedule("settle-short", {"every": "1h"})
    system.request("POST", "/v1/schedules", {"document": document, "reason": "new", "actor": "ada", "yes": True})
    page = visits.page("/schedules/settle-short")

    act(page, page.locator(".top"), "Delete…", "Delete settle-short", why="it was a trial")

    expect(page.locator(".told")).to_contain_text("settle-short is deleted")
    expect(page.get_by_role("row").filter(has_text="settle-short")).to_have_count(0)
    page.get_by_role("link", name="Deleted").click()
    expect(page.get_by_role("row").filter(has_text="settle-short")).to_contain_text("deleted")


def send(page: Page, button: str, *, why: str) -> None:
    """Say why and who in the form of this button, and press it."""
    form = page.locator("form").filter(has=page.get_by_role("button", name=button, exact=True))
    form.get_by_label("Why").fill(why)
    form.get_by_label("Who you are").fill("grace")
    form.get_by_role("button", name=button, exact=True).click()
