"""The way of a person at 3 a.m.: a saga is stuck, is found, understood, and helped out."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from support.console_system import ConsoleSystem, order
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


def test_a_stuck_saga_is_found_in_the_inbox_and_once_its_participant_is_mended_retried_and_finished(
    visits: Visits, system: ConsoleSystem, stuck: str
) -> None:
    page = visits.page("/")
    page.locator("nav").get_by_role("link", name="Attention").click()
    row = page.get_by_role("row").filter(has_text="o-refund-1")
    expect(row).to_contain_text("charge")
    expect(row).to_contain_text("undo_failed")

    system.refunds_mended()
    panel = page.locator("section.panel").filter(has=row)
    act(page, panel, "Retry charge", "Ask again now", why="the constraint is dropped")
    system.ended(stuck, "COMPENSATED")
    page.reload()
    expect(page.get_by_role("row").filter(has_text="o-refund-1")).to_have_count(0)
