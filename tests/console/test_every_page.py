"""What holds for every page of the console: it is sound, can be read by all, and fits a phone."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from support.accessibility import violations
from support.visits import PHONE, Visits, overflow_px

PAGES = ("/",)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_accessible_by_day_and_by_night(visits: Visits, path: str) -> None:
    page = visits.page(path)
    found = {"light": violations(page)}
    page.emulate_media(color_scheme="dark")
    found["dark"] = violations(page)

    assert found == {"light": [], "dark": []}


@pytest.mark.parametrize("path", PAGES)
def test_a_page_fits_a_phone(visits: Visits, path: str) -> None:
    assert overflow_px(visits.page(path, size=PHONE)) == 0


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_read_without_javascript(visits: Visits, path: str) -> None:
    page = visits.page(path, javascript=False)

    expect(page.locator("main h1")).to_be_visible()


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
