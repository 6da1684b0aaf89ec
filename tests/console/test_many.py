"""Acts on many sagas, and on what could not be read."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from support.console_system import ConsoleSystem, eventually, fault, order, order_definition
from support.visits import Visits, act

MANY = 200


def test_two_hundred_sagas_are_found_tried_and_cancelled(visits: Visits, system: ConsoleSystem) -> None:
    system.register(order_definition("bulk", deadline="1h", first_retry="10m", mail=False))
    orders = [order(f"o-bulk-{number}", faults=[fault("charge", "fail", times=1_000)]) for number in range(MANY)]
    sagas = system.start_all(orders, "bulk")
    eventually(
        lambda: (
            system.request("GET", "/v1/sagas?query=definition%20%3D%20bulk%20and%20phase%20%3D%20RUNNING&limit=500")["items"]
            and all(_is_waiting(system, saga) for saga in sagas[::20])
        ),
        "all wait for their second try",
    )
    page = visits.page("/sagas")
    page.get_by_label("Query", exact=True).fill("definition = bulk and open")
    page.get_by_role("button", name="Find").click()
    expect(page.locator(".top")).to_contain_text(f"{MANY} sagas")
    page.get_by_role("button", name="Cancel…").click()

    expect(page.locator(".why")).to_contain_text(f"Cancel would come to {MANY} sagas")
    expect(page.get_by_role("cell", name=re.compile("COMPENSATING")).first).to_be_visible()
    assert all(system.saga(saga)["phase"] == "RUNNING" for saga in sagas[::40]), "a dry run changes nothing"

    page.get_by_label("Why").fill("the shop has closed")
    page.get_by_label("Who you are").fill("ada")
    page.get_by_label("Sagas a second").fill("100")
    page.get_by_role("button", name=f"Cancel {MANY} sagas").click()

    expect(page.locator("h1")).to_contain_text("Cancel")
    expect(page.locator(".tiles")).to_contain_text(re.compile(rf"done\s*{MANY}"))
    for saga in sagas[::10]:
        system.ended(saga, "COMPENSATED")
    page.goto("/console/batches")
    expect(page.get_by_role("row").filter(has_text="definition = bulk")).to_contain_text(str(MANY))


def _is_waiting(system: ConsoleSystem, saga: str) -> bool:
    return any(step["status"] == "backoff" for step in system.saga(saga)["steps"])


def test_a_dead_letter_is_sent_again_once_its_cause_is_mended(visits: Visits, system: ConsoleSystem) -> None:
    known = {one["id"] for one in system.request("GET", "/v1/dead-letters")["items"]}
    system.start_by_kafka(order("o-early-1"), "early")

    def new() -> list[str]:
        return [one["id"] for one in system.request("GET", "/v1/dead-letters")["items"] if one["id"] not in known]

    eventually(lambda: bool(new()), "the start is a dead letter")
    system.register(order_definition("early", mail=False))
    page = visits.page("/dead-letters")
    page.locator(f'a[href$="{new()[0]}"]').click()
    expect(page.locator("main")).to_contain_text("o-early-1")

    act(page, page.locator("main"), "Send it again…", "Send it again", why="early is registered now")

    def started() -> list[str]:
        return [one["id"] for one in system.request("GET", "/v1/sagas?key=o-early-1")["items"]]

    eventually(lambda: bool(started()), "the start is carried out")
    system.ended(started()[0], "COMPLETED")
    page.goto("/console/dead-letters")
    expect(page.get_by_role("row").filter(has_text="sent again")).to_have_count(1)
