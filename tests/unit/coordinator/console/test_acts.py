"""An act: the form is ours, says why and who, and what became of it is told on the next page."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from saga_coordinator.api.problems import Problem
from saga_coordinator.console.console import Console
from saga_coordinator.console.forms import MAX_FORM_BYTES, ActForm
from saga_coordinator.console.pages import overview
from saga_coordinator.console.told import Told, read_told, write_told
from saga_coordinator.engine.events import Refused
from saga_coordinator.store.port import StoreError


class Home:
    """A console with one act, which does as the test says."""

    def __init__(self, browser: httpx.AsyncClient) -> None:
        self.browser = browser
        self.done: list[ActForm] = []
        self.raises: Exception | None = None

    async def act(self, form: ActForm) -> str:
        if self.raises is not None:
            raise self.raises
        self.done.append(form)
        return "It is <done>."

    async def token(self) -> str:
        await self.browser.get("/console/")
        return self.browser.cookies["saga_csrf"]

    async def send(self, **fields: str) -> httpx.Response:
        return await self.browser.post("/console/act", data={"token": await self.token(), **fields})

    async def told(self) -> str:
        """The sentence on the next page, which shows it once."""
        found = [re.search(r'role="status">.*?<p>(.*?)</p>', (await self.browser.get("/console/")).text) for _ in range(2)]
        assert found[1] is None
        return found[0][1] if found[0] else ""


@pytest.fixture
async def home(scripted: Any) -> AsyncIterator[Home]:
    console = Console(scripted)

    def answering(handler: Callable[[Request], Awaitable[Response]], path: str, method: str) -> Route:
        return Route(path, handler, methods=[method])

    async def show(request: Request) -> Response:
        return await overview.show(console, request)

    async def act(request: Request) -> Response:
        return await console.act(request, "/", here.act)

    app = Starlette(routes=[Mount("/console", routes=[answering(show, "/", "GET"), answering(act, "/act", "POST")])])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8700") as client:
        here = Home(client)
        yield here


async def test_it_is_done_told_once_and_who_acts_is_remembered(home: Home) -> None:
    answer = await home.send(reason=" they asked ", actor="Žofie", step="charge")

    assert (answer.status_code, answer.headers["location"]) == (303, "/console/")
    (form,) = home.done
    assert (form.reason, form.actor, form.get("step"), form.get("other")) == ("they asked", "Žofie", "charge", "")
    assert await home.told() == "It is &lt;done&gt;."
    assert "You act as <b>Žofie</b>" in (await home.browser.get("/console/")).text


@pytest.mark.parametrize("headers", [{"HX-Request": "true"}, {"Sec-Fetch-Mode": "cors"}])
async def test_a_live_page_in_another_tab_does_not_take_away_what_is_told(home: Home, headers: dict[str, str]) -> None:
    await home.send(reason="ok", actor="ada")

    assert "It is" not in (await home.browser.get("/console/", headers=headers)).text
    assert await home.told() == "It is &lt;done&gt;."


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"reason": "", "actor": "ada"}, "say a reason"),
        ({"reason": "x" * 5000, "actor": "ada"}, "say a reason"),
        ({"reason": "ok", "actor": "a" * 5000}, "say who you are"),
        ({"reason": "ok", "actor": "ada", "token": "x" * 32}, "send it again"),
        ({"reason": "ok", "actor": "ada", "note": "x" * MAX_FORM_BYTES}, "larger than 64 KiB"),
    ],
)
async def test_a_form_that_is_not_as_it_must_be_does_nothing_and_says_why(home: Home, fields: dict[str, str], told: str) -> None:
    await home.send(**fields)

    assert home.done == []
    assert told in await home.told()


async def test_a_form_without_this_browsers_token_does_nothing(home: Home) -> None:
    token = await home.token()
    home.browser.cookies.clear()

    await home.browser.post("/console/act", data={"token": token, "reason": "ok", "actor": "ada"})

    assert home.done == []


async def test_other_bodies_do_nothing(home: Home) -> None:
    for content, kind in ((b"{}", "application/json"), (b"\xff=%", "application/x-www-form-urlencoded"), (b"", "")):
        answer = await home.browser.post("/console/act", content=content, headers={"content-type": kind})
        assert answer.status_code == 303
    assert home.done == []


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (Refused("finished", "the saga is finished"), "Not done: the saga is finished"),
        (Problem("saga_unknown"), "There is no such saga."),
        (StoreError("secret"), "The database does not answer"),
    ],
)
async def test_what_the_coordinator_refuses_is_told(home: Home, error: Exception, told: str) -> None:
    home.raises = error

    await home.send(reason="ok", actor="ada")

    assert told in await home.told()


@pytest.mark.parametrize("cookie", ["", "x", "+%ff%fe", "+" + "a" * 100_000, "*text"])
def test_a_cookie_that_somebody_else_wrote_shows_at_most_a_sentence(cookie: str) -> None:
    told = read_told(cookie)

    assert told is None or len(told.text) <= 600


@pytest.mark.parametrize("text", ["It is done.", 'a + b; c=d, "e" – é\n', "x" * 5000])
def test_a_sentence_survives_its_cookie(text: str) -> None:
    written = write_told(Told(text=text, good=True))

    assert written.isascii() and written.isprintable()
    told = read_told(written)
    assert told is not None and told.good and told.text[:500] == text[:500]
