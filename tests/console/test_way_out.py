"""The way of a person at 3 a.m.: a saga is stuck, is found, understood, and helped out; another is
held for a while."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from support.console_system import ConsoleSystem, fault, order
from support.visits import Visits, act


@pytest.fixture
def stuck(system: ConsoleSystem) -> Iterator[str]:
    """An order that cannot be undone: payment has broken its refunds. Its saga."""
    system.refunds_break()
    try:
        saga = system.start(order("o-refund-1", carrier=None))
        system.stuck(saga)
        yield saga
    finally:
        system.refunds_mended()


def test_a_stuck_saga_is_found_in_the_inbox_diagnosed_and_once_its_participant_is_mended_retried_and_finished(
    visits: Visits, system: ConsoleSystem, stuck: str
) -> None:
    page = visits.page("/")
    page.locator("nav").get_by_role("link", name="Attention").click()
    row = page.get_by_role("row").filter(has_text="o-refund-1")
    expect(row).to_contain_text("charge")
    expect(row).to_contain_text("undo_failed")
    row.get_by_role("link", name="o-refund-1").click()
    expect(page.locator(".why")).to_contain_text("charge")
    expect(page.locator("main")).to_contain_text("integrity_error")
    expect(page.locator(".diagnosis")).to_contain_text("charge")

    system.refunds_mended()
    act(page, page.locator(".why"), "Retry", "Ask again now", why="the constraint is dropped")

    system.ended(stuck, "COMPENSATED")
    expect(page.locator(".top")).to_contain_text("COMPENSATED")
    expect(page.locator(".why")).to_have_count(0)
    page.goto("/console/attention")
    expect(page.get_by_role("row").filter(has_text="o-refund-1")).to_have_count(0)


def test_a_saga_is_paused_and_resumed(visits: Visits, system: ConsoleSystem) -> None:
    saga = system.start(order("o-held-1", faults=[fault("charge", "fail")]), "waiting")
    system.step_is(saga, "charge", "backoff")
    page = visits.page(f"/sagas/{saga}")

    act(page, page.locator(".top"), "Pause…", "Pause it", why="the bank closes at noon")
    expect(page.locator(".top")).to_contain_text("paused")
    expect(page.locator("main")).to_contain_text("the bank closes at noon")
    assert system.saga(saga)["paused"]
    act(page, page.locator(".top"), "Resume…", "Resume it", why="it is open again")

    expect(page.locator(".top")).not_to_contain_text("paused")
    assert not system.saga(saga)["paused"]


def test_what_a_cancel_would_undo_is_shown_before_it_is_done(visits: Visits, system: ConsoleSystem) -> None:
    saga = system.start(order("o-cancel-1", faults=[fault("charge", "fail")]), "waiting")
    system.step_is(saga, "charge", "backoff")
    page = visits.page(f"/sagas/{saga}?preview=cancel")

    expect(page.locator("#preview")).to_contain_text("reserve")
    act(page, page.locator(".top"), "Cancel…", "Cancel it", why="the customer has changed their mind")

    system.ended(saga, "COMPENSATED")
