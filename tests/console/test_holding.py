"""Definitions and participants that are held for a while; lists that are kept and taken along."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from support.accessibility import violations
from support.console_system import FAILING, ConsoleSystem, eventually, order, order_definition
from support.visits import Visits, act


@pytest.fixture
def going(system: ConsoleSystem) -> Iterator[None]:
    """Whatever a test has paused goes on afterwards."""
    yield
    for one in system.request("GET", "/v1/pauses")["items"]:
        system.request("POST", f"/v1/{one['scope']}s/{one['name']}/resume", {"reason": "the test is over", "actor": "test"})


@pytest.mark.usefixtures("going")
def test_a_definition_is_paused_and_resumed_on_its_page(visits: Visits, system: ConsoleSystem) -> None:
    system.register(order_definition("parcel", first_retry="10m", mail=False))
    held = visits.page(f"/sagas/{system.held_back('o-parcel-1', 'parcel')}")
    page = visits.page("/definitions/parcel")

    act(page, page.locator(".top"), "Pause…", "Pause parcel", why="the scales are broken")

    expect(page.locator(".why.wait")).to_contain_text("parcel is paused")
    expect(page.locator(".why.wait")).to_contain_text("by grace: the scales are broken")
    assert violations(page) == []
    sees(held, "The pause is of the definition parcel")
    saga = system.held_by_a_pause("o-parcel-2", "parcel")
    sees(visits.page(f"/sagas/{saga}"), "The pause is of the definition parcel")
    act(page, page.locator(".why"), "Resume…", "Resume parcel", why="they weigh again")
    expect(page.locator(".why")).to_have_count(0)
    system.ended(saga, "COMPLETED")


@pytest.mark.usefixtures("going")
def test_a_participant_is_paused_on_its_page_and_resumed_among_the_pauses(visits: Visits, system: ConsoleSystem) -> None:
    held = visits.page(f"/sagas/{system.held_back('o-bank-1')}")
    page = visits.page("/participants/payment")

    act(page, page.locator(".top"), "Pause…", "Pause payment", why="the bank has an outage")

    expect(page.locator(".top")).to_contain_text("paused by grace")
    expect(page.locator(".top summary").filter(has_text="Resume…")).to_be_visible()
    sees(held, "The pause is of the participant payment")
    saga = system.held_by_a_pause("o-bank-2")
    sees(visits.page(f"/sagas/{saga}"), "The pause is of the participant payment")
    page.goto("/console/batches")
    page.get_by_role("link", name="Pauses").click()
    row = page.get_by_role("row").filter(has_text="payment")
    expect(row).to_contain_text("the bank has an outage")
    assert violations(page) == []
    act(page, row, "Resume…", "Resume payment", why="it is over")
    expect(page.get_by_role("row").filter(has_text="payment")).to_have_count(0)
    system.ended(saga, "COMPLETED")


def sees(page: Page, words: str) -> None:
    """Load the page until it says so: an instance hears of a pause with its next look."""
    eventually(lambda: page.reload() is not None and words in page.locator("main").inner_text(), words)


@pytest.mark.usefixtures("going")
def test_what_is_to_be_paused_is_chosen_among_the_pauses(visits: Visits) -> None:
    page = visits.page("/pauses")
    form = page.locator(".top details.act")
    form.locator("summary").click()
    form.get_by_label("What").select_option("participant shipping")
    form.get_by_label("Why").fill("the lorry is late")
    form.get_by_label("Who you are").fill("ada")
    form.get_by_role("button", name="Pause it").click()

    row = page.get_by_role("row").filter(has_text="shipping")
    expect(row).to_contain_text("the lorry is late")
    act(page, row, "Resume…", "Resume shipping", why="it has come")
    expect(page.get_by_role("row").filter(has_text="shipping")).to_have_count(0)


# --- lists ----------------------------------------------------------------------------------------

QUERY = 'key starts with "o-list-"'


@pytest.fixture(scope="module")
def listed(system: ConsoleSystem) -> list[str]:
    """Three sagas; the keys of two are dangerous in a spreadsheet."""
    keys = ["o-list-1", 'o-list-2,"x"', "o-list-=1+1"]
    orders = [order(key, faults=FAILING) for key in keys]
    for saga in system.start_all(orders, "waiting"):
        system.step_is(saga, "charge", "backoff")
    return keys


def find(page: Page, query: str) -> None:
    page.get_by_label("Query", exact=True).fill(query)
    page.get_by_role("button", name="Find").click()


def test_a_view_is_saved_opened_by_somebody_else_and_removed(visits: Visits, listed: list[str]) -> None:
    page = visits.page("/sagas?columns=phase&columns=id")
    find(page, QUERY)
    act_form = page.locator("details.act").filter(has=page.locator("summary", has_text="Save as…"))
    act_form.locator("summary").click()
    act_form.get_by_label("Name").fill("Orders of the list")
    act_form.get_by_label("Why").fill("the morning's round")
    act_form.get_by_label("Who you are").fill("ada")
    act_form.get_by_role("button", name="Save").click()
    expect(page.locator(".told.good")).to_have_text("Saved as Orders of the list.")

    other = visits.page("/sagas")
    other.get_by_role("link", name="Orders of the list").click()
    expect(other.get_by_label("Query", exact=True)).to_have_value(QUERY)
    expect(other.locator("tbody tr")).to_have_count(len(listed))
    expect(other.locator("thead th")).to_have_text(["saga", "phase", "id"])
    expect(other.get_by_role("link", name="Orders of the list")).to_have_attribute("aria-current", "page")
    assert violations(other) == []

    act(other, other.locator(".top"), "Remove view…", "Remove Orders of the list", why="the round is over")

    expect(other.get_by_role("link", name="Orders of the list")).to_have_count(0)


def downloaded(page: Page, name: str) -> tuple[str, str]:
    """The file's name, and what it holds."""
    with page.expect_download() as waiting:
        page.locator(".top").get_by_role("link", name=name).click()
    return waiting.value.suggested_filename, Path(waiting.value.path()).read_text("utf-8")


def test_a_list_is_taken_along_as_csv_and_json(visits: Visits, listed: list[str]) -> None:
    page = visits.page("/sagas")
    find(page, QUERY)
    expect(page.locator("tbody tr")).to_have_count(len(listed))

    csv_name, csv_text = downloaded(page, "CSV")
    json_name, json_text = downloaded(page, "JSON")

    assert csv_name.startswith("sagas-") and csv_name.endswith(".csv") and json_name.endswith(".json")
    rows = list(csv.DictReader(io.StringIO(csv_text)))
    assert sorted(row["key"] for row in rows) == sorted(listed)
    found = json.loads(json_text)
    assert (found["query"], found["more"]) == (QUERY, False)
    assert sorted(one["key"] for one in found["items"]) == sorted(listed)
