"""Pages that stay open: they show what changes, hold still meanwhile, and outlive a restart."""

from __future__ import annotations

from playwright.sync_api import expect

from support.console_system import ConsoleSystem, fault, order
from support.visits import Visits, shifted

MOST_SHIFT = 0.02


def test_an_open_page_shows_what_happens_without_a_jump(visits: Visits, system: ConsoleSystem) -> None:
    saga = system.start(order("o-live-1", faults=[fault("charge", "fail")]), "waiting")
    system.step_is(saga, "charge", "backoff")
    page = visits.page(f"/sagas/{saga}")
    expect(page.locator(".top")).to_contain_text("RUNNING")

    system.request("POST", f"/v1/sagas/{saga}/cancel", {"reason": "it is late", "actor": "ada"})

    expect(page.locator(".top")).to_contain_text("COMPENSATED")
    assert shifted(page) <= MOST_SHIFT


def test_an_open_page_outlives_a_restart_of_its_coordinator(visits: Visits, system: ConsoleSystem) -> None:
    visits.tolerate("ERR_|live|object Event|status of 503")
    saga = system.start(order("o-live-2", faults=[fault("charge", "fail")]), "waiting")
    system.step_is(saga, "charge", "backoff")
    page = visits.page(f"/sagas/{saga}")
    expect(page.locator(".top")).to_contain_text("RUNNING")

    system.coordinator.restart()
    system.request("POST", f"/v1/sagas/{saga}/cancel", {"reason": "it is later", "actor": "ada"})

    expect(page.locator(".top")).to_contain_text("COMPENSATED")
    assert shifted(page) <= MOST_SHIFT


def test_a_page_holds_still_while_somebody_writes(visits: Visits, system: ConsoleSystem) -> None:
    saga = system.start(order("o-live-3", faults=[fault("charge", "fail")]), "waiting")
    system.step_is(saga, "charge", "backoff")
    page = visits.page(f"/sagas/{saga}")
    form = page.locator("details.act").filter(has=page.locator("summary", has_text="Pause…"))
    form.locator("summary").click()
    form.get_by_label("Why").fill("half a sentence")

    system.request("POST", f"/v1/sagas/{saga}/cancel", {"reason": "it is late", "actor": "ada"})
    system.ended(saga, "COMPENSATED")
    expect(form.get_by_label("Why")).to_have_value("half a sentence")
    page.keyboard.press("Escape")

    expect(page.locator(".top")).to_contain_text("COMPENSATED")
