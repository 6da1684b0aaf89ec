"""What holds for every page of the console: it is sound, can be read by all, and fits a phone."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from support.accessibility import violations
from support.console_system import ConsoleSystem
from support.readable import faults
from support.visits import Visits, go

PAGES = (
    "/",
    "/attention",
    "/definitions",
    "/definitions/order",
    "/definitions/order/diff?from=1&to=2",
    "/participants",
    "/participants/payment",
    "/sagas",
    "/sagas?query=phase+%3D+COMPLETED&columns=id&columns=phase",
    "/sagas?query=phase+%3D",
    "/sagas/{completed}",
    "/sagas/{compensated}",
    "/sagas/{stuck}",
    "/sagas/{waiting}",
    "/dead-letters",
    "/dead-letters/{letter}",
    "/schemas",
    "/schemas/{schema}",
    "/batches",
    "/batches/new?act=cancel&query=definition+%3D+waiting",
    "/pauses",
    "/confirmations",
    "/audit",
    "/machine",
)
"""With the ids of what the system has."""


@pytest.mark.parametrize("path", PAGES)
def test_a_page_can_be_read_by_all_and_anywhere(visits: Visits, system: ConsoleSystem, path: str) -> None:
    visits.tolerate("status of 422")  # a query that is refused

    assert faults(visits, path.format(**system.ids())) == {}


def test_an_unknown_page_says_so_and_leads_on(visits: Visits) -> None:
    visits.tolerate("status of 404")
    page = visits.page("/nothing")

    expect(page.locator("h1")).to_be_visible()
    assert violations(page) == []
    page.locator("main").get_by_role("link", name="Overview").click()
    expect(page).to_have_url(f"{visits.server}/console/")


def test_a_page_that_asked_somebody_else_would_be_found(visits: Visits) -> None:
    """The watch itself works: the policy refuses it, and the browser asks nobody."""
    page = visits.page("/")
    page.evaluate("fetch('http://127.0.0.1:9/').catch(() => 0)")

    assert any("Content Security Policy" in fault for fault in visits.unwanted)
    visits.tolerate("Content Security Policy|Fetch API cannot load")


def test_keys_lead_through_the_console(visits: Visits) -> None:
    page = visits.page("/definitions")

    page.keyboard.press("/")
    expect(page.locator("#find")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.get_by_role("button", name="Close").click()
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    chosen = page.locator('tr[aria-selected="true"] a.line')
    expect(chosen).to_have_count(1)
    name = chosen.inner_text()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text(name)
    page.wait_for_load_state()  # keys work once the script has run
    page.keyboard.press("g")
    page.keyboard.press("a")
    expect(page).to_have_url(f"{visits.server}/console/attention")
    go(page, "/")
