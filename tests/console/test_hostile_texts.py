"""Whatever users of the system write, the console shows as text: no script runs, no page is
broken, nothing is hidden or turned around, and a download opens as data."""

from __future__ import annotations

import json
from typing import Final
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from support.console_system import FAILING, ConsoleSystem, eventually, order
from support.visits import PHONE, Visits, overflow_px

SCRIPT: Final = '"><script>alert(1)</script><img src=x onerror=alert(2)>'
TEMPLATE: Final = "{{ 7 * 7 }}{% include 'base.html' %}${7*7}"
FORMULA: Final = '=HYPERLINK("http://127.0.0.1:9/","click")'
LONG: Final = "w" * 200
BIDI: Final = "a\u202etxt.exe\u2066b\u200bc\x07d"


@pytest.fixture(scope="module")
def hostile(system: ConsoleSystem) -> dict[str, str]:
    """What somebody hostile has written wherever they could. The ids of what bears it."""
    schema = {
        "type": "record",
        "name": "Hostile",
        "namespace": "shop",
        "doc": SCRIPT + TEMPLATE + BIDI,
        "fields": [{"name": "note", "type": "string", "doc": SCRIPT, "default": SCRIPT}],
    }
    schema_id = system.request("POST", "/v1/schemas", {"document": schema, "reason": SCRIPT, "actor": FORMULA})["id"]
    saga = system.start(order(SCRIPT, customer=TEMPLATE, address=BIDI, sku=FORMULA, faults=FAILING), "waiting")
    formula = system.start(order(FORMULA, customer=SCRIPT, faults=FAILING), "waiting")
    long = system.start(order(LONG, customer=LONG, faults=FAILING), "waiting")
    for one in (saga, formula, long):
        system.step_is(one, "charge", "backoff")
    system.request("POST", f"/v1/sagas/{formula}/cancel", {"reason": SCRIPT + TEMPLATE, "actor": SCRIPT[:60]})
    system.ended(formula, "COMPENSATED")
    known = {one["id"] for one in system.request("GET", "/v1/dead-letters")["items"]}
    system.produce(
        "saga.reply.payment",
        SCRIPT.encode() + b"\xff\x00",
        [("ce_id", SCRIPT.encode()), (SCRIPT, BIDI.encode())],
        key=BIDI.encode(),
    )

    def new() -> list[str]:
        return [one["id"] for one in system.request("GET", "/v1/dead-letters")["items"] if one["id"] not in known]

    eventually(lambda: bool(new()), "the record is a dead letter")
    return {"saga": saga, "formula": formula, "long": long, "schema": str(schema_id), "letter": new()[0]}


PAGES: Final = (
    "/",
    "/sagas/{saga}",
    "/sagas/{saga}?preview=cancel",
    "/sagas/{formula}",
    "/sagas/{long}",
    "/audit",
    "/audit?who={script}",
    "/schemas/{schema}",
    "/dead-letters",
    "/dead-letters/{letter}",
    "/attention",
    "/definitions/{script}",
    "/find?q={script}",
    "/find?q={formula_text}",
)


@pytest.mark.parametrize("path", PAGES)
def test_hostile_texts_are_texts_on_every_page(visits: Visits, hostile: dict[str, str], path: str) -> None:
    visits.tolerate("status of 40[04]")
    page = visits.page(path.format(**hostile, script=quote(SCRIPT, safe=""), formula_text=quote(FORMULA, safe="")))

    assert_harmless(page)
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    assert overflow_px(page) == 0


def test_a_business_key_with_script_is_shown_as_it_was_written(visits: Visits, hostile: dict[str, str]) -> None:
    page = visits.page(f"/sagas/{hostile['saga']}")

    expect(page.locator("h1")).to_have_text(SCRIPT)
    assert SCRIPT in page.title()
    assert TEMPLATE in page.content().replace("&#39;", "'") and "49" not in page.locator("h1").inner_text()


def test_characters_that_hide_or_turn_others_are_marked(visits: Visits, hostile: dict[str, str]) -> None:
    for path in (f"/sagas/{hostile['saga']}", f"/dead-letters/{hostile['letter']}", f"/schemas/{hostile['schema']}"):
        shown = visits.page(path).content()
        assert not any(char in shown for char in "\u202e\u2066\u200b\x07"), path


def assert_harmless(page: Page) -> None:
    """Nothing of what was written has become an element."""
    assert page.locator("script:not([src]), main script, main img, main iframe, [onerror], [onclick]").count() == 0
    outside = page.evaluate(
        "[...document.querySelectorAll('a[href]')].map((a) => a.href.baseVal ?? a.href).filter((h) => !/^(https?:|[/?#])/.test(h))"
    )
    assert outside == [], json.dumps(outside)
