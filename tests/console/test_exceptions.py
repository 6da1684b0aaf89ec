"""Acts that end in an exception: a step is waived, a saga is terminated; and by two people, where
the settings ask for it, on a console that stands below a prefix."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from support.accessibility import violations
from support.console_system import ConsoleSystem, fault, order
from support.visits import Visits, act, shifted, watched
from support.wire_services import WireServices

PREFIX = "/ops"


def stuck(system: ConsoleSystem, key: str) -> str:
    """A saga past its pivot whose mail is refused for good."""
    saga = system.start(order(key, faults=[fault("confirm", "reject", times=1_000)]))
    system.stuck(saga)
    return saga


def test_a_step_is_waived_on_the_evidence_that_is_written_down(visits: Visits, system: ConsoleSystem) -> None:
    saga = stuck(system, "o-waive-1")
    page = visits.page(f"/sagas/{saga}")

    act(page, page.locator(".why"), "Waive…", "Waive confirm", why="the customer was told by phone")

    system.ended(saga, "FORCED")
    expect(page.locator(".top")).to_contain_text("FORCED")
    expect(page.locator("main")).to_contain_text("confirm was waived by grace")
    expect(page.locator("main")).to_contain_text("the customer was told by phone")
    expect(page.locator(".why")).to_have_count(0)
    assert violations(page) == []


def test_a_saga_is_terminated_and_says_what_stays(visits: Visits, system: ConsoleSystem) -> None:
    saga = system.held_back("o-terminate-1")
    page = visits.page(f"/sagas/{saga}")
    form = page.locator("details.act").filter(has=page.locator("summary", has_text="Terminate…"))
    form.locator("summary").click()
    form.get_by_role("link", name="See first what would stay.").click()
    expect(page.locator("#preview")).to_contain_text("reserve")
    assert system.saga(saga)["phase"] == "RUNNING", "a look changes nothing"

    act(page, page.locator(".top"), "Terminate…", "End it as it is", why="the shop is sold")

    system.ended(saga, "FORCED")
    expect(page.locator(".top")).to_contain_text("FORCED")
    expect(page.locator("main")).to_contain_text("The effect of reserve (inventory) stays")
    assert violations(page) == []


# --- by two people, below a prefix ----------------------------------------------------------------


@pytest.fixture(scope="module")
def prefixed(services: WireServices, system: ConsoleSystem) -> Iterator[str]:
    """The address of a second instance of the same system, with a prefix and acts of two people."""
    settings = {"SAGA_CONSOLE_PREFIX": PREFIX, "SAGA_CONFIRM_ACTS": "waive,terminate"}
    beside = services.beside(system.coordinator, **settings)
    yield beside.server
    beside.process.stop(grace_s=30)


@pytest.fixture
def guarded(browser: Browser, prefixed: str) -> Iterator[Visits]:
    with watched(browser, prefixed) as opened:
        yield opened


def opened(visits: Visits, path: str) -> Page:
    """A page of the console below its prefix, in a browser of its own."""
    page = visits.page()
    page.goto(f"{PREFIX}/console{path}")
    return page


def strays(page: Page) -> list[str]:
    """Addresses on the page that leave the prefix."""
    found: list[str] = page.evaluate(
        """() => [...document.querySelectorAll('[href], [src], [action], [hx-get], [sse-connect]')]
          .flatMap((one) => ['href', 'src', 'action', 'hx-get', 'sse-connect'].map((name) => one.getAttribute(name)))
          .filter((address) => address?.startsWith('/'))"""
    )
    return [address for address in found if not address.startswith(f"{PREFIX}/console/")]


def asked(page: Page, within: str, words: str, button: str, *, who: str) -> None:
    """Do an act that waits for a second person then."""
    act(page, page.locator(within), words, button, why="the shop is sold", who=who)
    expect(page.locator(".told")).to_contain_text("it waits for a second person")


def test_a_second_person_confirms_or_refuses(guarded: Visits, system: ConsoleSystem) -> None:
    ends, stays, waived = system.held_back("o-two-ends"), system.held_back("o-two-stays"), stuck(system, "o-two-waived")
    first = opened(guarded, f"/sagas/{ends}")
    asked(first, ".top", "Terminate…", "End it as it is", who="ada")
    for saga, within, words, button in (
        (stays, ".top", "Terminate…", "End it as it is"),
        (waived, ".why", "Waive…", "Waive confirm"),
    ):
        first.goto(f"{PREFIX}/console/sagas/{saga}")
        asked(first, within, words, button, who="ada")
    assert not any(system.saga(saga)["closed_at"] for saga in (ends, stays, waived)), "one person alone ends nothing"

    first.goto(f"{PREFIX}/console/batches")
    first.locator("main").get_by_role("link", name="Confirmations").click()
    row = first.get_by_role("row").filter(has_text=ends)
    form = row.locator("details.act").filter(has=first.locator("summary", has_text="Confirm…"))
    form.locator("summary").click()
    form.get_by_label("Why").fill("I am sure")
    form.get_by_role("button").click()
    expect(first.locator(".told.bad")).to_contain_text("whoever asked for an act does not confirm it")

    second = opened(guarded, "/confirmations")
    assert violations(second) == []
    for saga, words, button, why in (
        (ends, "Confirm…", "Confirm", "I have looked as well"),
        (waived, "Confirm…", "Confirm", "they were told"),
        (stays, "Refuse…", "Refuse it", "it still ships"),
    ):
        row = second.get_by_role("row").filter(has_text=saga)
        act(second, row, words, button, why=why, who="grace")
        expect(row).to_have_count(0)

    system.ended(ends, "FORCED")
    system.ended(waived, "FORCED")
    assert system.saga(stays)["phase"] == "RUNNING"
    second.get_by_role("link", name="All").click()
    expect(second.get_by_role("row").filter(has_text=ends)).to_contain_text("by grace: I have looked as well")
    expect(second.get_by_role("row").filter(has_text=stays)).to_contain_text("by grace: it still ships")


def test_below_a_prefix_every_address_and_live_page_works(guarded: Visits, system: ConsoleSystem) -> None:
    saga = system.held_back("o-prefix-1")
    page = opened(guarded, "")
    expect(page).to_have_url(f"{guarded.server}{PREFIX}/console/")
    left = {"/": strays(page)}
    for name in ("Sagas", "Attention", "Participants", "Definitions", "Dead letters", "Batches", "Audit", "Machine"):
        page.locator(".bar nav").get_by_role("link", name=name).click()
        expect(page.locator(".bar nav a[aria-current]")).to_contain_text(name)
        left[name] = strays(page)
    page.locator("#find").fill("o-prefix-1")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{guarded.server}{PREFIX}/console/sagas/{saga}")
    left["saga"] = strays(page)
    assert not any(left.values()), left

    system.request("POST", f"/v1/sagas/{saga}/cancel", {"reason": "it is late", "actor": "ada"})
    expect(page.locator(".top")).to_contain_text("COMPENSATED")
    assert shifted(page) <= 0.02
