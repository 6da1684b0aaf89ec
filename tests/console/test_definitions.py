"""Definitions on the console: what changed from one version to the next, and which one new sagas
run."""

from __future__ import annotations

from playwright.sync_api import expect

from support.console_system import ConsoleSystem, order, order_definition
from support.visits import Visits, act


def test_the_second_version_is_compared_and_activated(visits: Visits, system: ConsoleSystem) -> None:
    system.register(order_definition("subscription", mail=False))
    system.register(order_definition("subscription", 2, deadline="20m", mail=False), activate=False)

    page = visits.page("/definitions")
    page.get_by_role("link", name="subscription").click()
    page.get_by_role("link", name="2", exact=True).click()
    page.get_by_role("link", name="What changed").click()
    expect(page.locator("main")).to_contain_text("20m (before: 10m)")
    page.get_by_role("link", name="Version 2").click()
    why = "customers wait longer before Christmas"
    act(page, page.locator("main"), "Activate 2…", "Activate version 2", why=why, who="ada")

    expect(page.locator(".top")).to_contain_text("active")
    saga = system.start(order("o-subscription-1"), "subscription")
    assert system.saga(saga)["definition_version"] == 2
    system.ended(saga, "COMPLETED")
    page.goto("/console/audit?who=ada")
    expect(page.locator("main")).to_contain_text(why)
