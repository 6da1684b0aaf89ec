"""The pages Overview and Participants: what is wrong stands first, with the way out; what is empty
says what to do."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import httpx
import pytest

from saga_coordinator.engine.waiting import Held
from saga_coordinator.store.overview_port import LongestAttention
from saga_coordinator.views.situation import Line, Window
from saga_schemas.topics import Topics
from support.situations import NOW_US, ORDER, SAGA, Counting, figures, situation, waiting

EVIL = '"><script>alert(1)'
PAGES = ("/console/", "/console/participants", "/console/participants/payment")


def busy() -> Counting:
    counting = Counting()
    for ago in range(1, 60):
        counting.started(3, ago=ago).ended(count=2, ago=ago).answered(count=5, ago=ago).took("queue", 3, 5, ago=ago)
    return counting


def failing() -> Counting:
    counting = busy()
    for ago in range(25):
        counting.answered("FAILED", "bank_down", 9, ago=ago)
    return counting


def main_of(page: httpx.Response) -> str:
    assert page.status_code == 200, page.text
    return page.text.split("<main", 1)[1].split("</main>")[0]


async def test_what_is_wrong_stands_first_with_the_way_out(browser: httpx.AsyncClient, scripted: Any) -> None:
    scripted.situation = situation(failing(), waits=waiting(sagas=148, seconds=90, code="bank_down"))
    page = main_of(await browser.get("/console/"))

    assert page.index("payment answers, but fails: bank_down in 67 % of its answers, for 24 min") < page.index('class="tiles"')
    assert 'href="/console/participants/payment#waiting">See the 148</a>' in page
    assert "All is well" not in page
    assert ">payment begins to fail</text>" in page
    assert re.search(r"payment: bank_down</a>", page), "the table of definitions names the cause"


async def test_where_all_is_well_one_calm_line_says_so(browser: httpx.AsyncClient, scripted: Any) -> None:
    scripted.situation = situation(busy(), figures=figures(sagas_by_phase={("order", "RUNNING"): 2}))
    page = main_of(await browser.get("/console/"))

    assert "All is well: 2 sagas open" in page
    assert 'class="why' not in page
    assert "Nobody has to look." in page


async def test_what_waits_for_a_person_is_listed_with_its_reason(browser: httpx.AsyncClient, scripted: Any) -> None:
    one = LongestAttention(
        saga_id=SAGA,
        business_key=None,
        definition="order",
        phase="COMPENSATING",
        step="charge",
        reason="undo_failed",
        since_us=NOW_US - 720_000_000,
    )
    scripted.situation = situation(
        attentions=(one, replace(one, business_key="o-17")), figures=figures(attention_by_reason={"undo_failed": 12})
    )
    page = main_of(await browser.get("/console/"))

    assert f'href="/console/sagas/{SAGA}"' in page and ">o-17</a>" in page and f"…{str(SAGA)[-12:]}" in page
    assert 'href="/console/attention">All 12</a>' in page


@pytest.mark.parametrize(
    ("known", "words"),
    [({"lines": ()}, "saga def register order.saga.yaml --activate"), ({}, "saga start order --input @input.json")],
)
async def test_what_is_empty_says_what_to_do(
    browser: httpx.AsyncClient, scripted: Any, known: dict[str, Any], words: str
) -> None:
    scripted.situation = situation(**known)
    assert words in main_of(await browser.get("/console/"))


async def test_nobody_takes_part_yet(browser: httpx.AsyncClient, scripted: Any) -> None:
    scripted.situation = situation(lines=())
    assert "Nobody takes part yet." in main_of(await browser.get("/console/participants"))


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(("query", "window"), [("", "1h"), ("?window=1d", "1d"), ("?window=<script>", "1h")])
async def test_a_page_looks_back_as_far_as_its_address_says(
    browser: httpx.AsyncClient, scripted: Any, page: str, query: str, window: str
) -> None:
    scripted.situation = situation(busy())
    shown = await browser.get(page + query)

    assert scripted.asked == [Window(window)]
    assert f'sse-connect="/console/live?topic=overview%2F{window}"' in shown.text
    assert "<script>" not in main_of(shown)


async def test_a_participant_shows_its_codes_its_times_and_who_waits(browser: httpx.AsyncClient, scripted: Any) -> None:
    scripted.situation = situation(
        failing(), usual=busy(), waits=waiting(sagas=30, seconds=90, code="bank_down"), unread_commands={"payment": 214}
    )
    page = main_of(await browser.get("/console/participants/payment"))

    assert Topics().command("payment") in page
    assert "bank_down" in page and "214" in page and "These wait longest, of 30." in page
    assert page.count('class="drawing chart wide"') == 2
    assert ">o-0</a>" in page


async def test_a_participant_that_nobody_names_is_not_there(browser: httpx.AsyncClient, scripted: Any) -> None:
    assert (await browser.get("/console/participants/nobody")).status_code == 404


async def test_a_participant_without_figures_has_a_page(browser: httpx.AsyncClient, scripted: Any) -> None:
    scripted.situation = situation()
    page = main_of(await browser.get("/console/participants/payment"))
    assert "No failure and no rejection." in page and "None waits." in page


@pytest.mark.parametrize("page", PAGES)
async def test_what_others_named_is_text_on_every_page(browser: httpx.AsyncClient, scripted: Any, page: str) -> None:
    counting = Counting().started(definition=EVIL).ended("COMPENSATED", definition=EVIL)
    counting.answered("FAILED", EVIL, 9).answered("FAILED", EVIL, 9, participant=EVIL).letters(EVIL)
    scripted.situation = situation(
        counting,
        lines=(Line(name=EVIL, version=1, active=True, participants=(EVIL,)), ORDER),
        waits=waiting(sagas=3, seconds=90, code=EVIL),
        retention=EVIL,
        figures=figures(attention_by_reason={EVIL: 1}),
    )
    shown = await browser.get(page)
    assert shown.status_code == 200
    assert "<script>" not in shown.text
    assert "&lt;script&gt;" in shown.text
    assert (await browser.get("/console/participants/%22%3E%3Cscript%3Ealert(1)")).status_code == 404


async def test_a_participant_is_paused_and_resumed_from_its_page(browser: httpx.AsyncClient, scripted: Any) -> None:
    async def act(what: str) -> httpx.Response:
        page = await browser.get("/console/participants/payment")
        token = re.findall(r'name="token" value="([^"]+)"', page.text)[0]
        form = {"reason": "the bank is down", "actor": "ana", "token": token}
        assert f'action="/console/participants/payment/{what}"' in page.text
        return await browser.post(f"/console/participants/payment/{what}", data=form, follow_redirects=True)

    scripted.situation = situation(busy())
    assert "payment is paused: its answers are taken in" in (await act("pause")).text
    held = Held(scope="participant", name="payment", since_us=NOW_US - 60_000_000, who="ana", why="the bank is down")
    scripted.situation = situation(busy(), pauses=(held,))
    assert "paused by ana" in (await browser.get("/console/participants/payment")).text
    assert "the participant payment is paused, for 1 min: the bank is down" in (await browser.get("/console/")).text
    await act("resume")
    assert scripted.acts == [
        ("pause", "participant", "payment", "the bank is down", "ana"),
        ("resume", "participant", "payment", "the bank is down", "ana"),
    ]
