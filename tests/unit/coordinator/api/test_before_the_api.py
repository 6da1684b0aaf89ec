"""An instance that has just started answers machines at once, and loads its API for people only."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.types import ASGIApp

from saga_coordinator.api.app import create_app
from saga_coordinator.api.later import LaterApplication
from saga_coordinator.api.probes import PATHS, probes
from saga_coordinator.api.startup_gate import StartupGate
from saga_coordinator.store.recovering import Recovering
from unit.coordinator.api.conftest import ScriptedCoordinator

LIMIT_S = 30


class Loading:
    """Loads the API once it may, and counts how often."""

    def __init__(self, coordinator: ScriptedCoordinator) -> None:
        self._coordinator = coordinator
        self._loop = asyncio.get_running_loop()
        self.times = 0
        self.begun = asyncio.Event()
        self.may_end = threading.Event()

    def __call__(self) -> ASGIApp:
        self.times += 1
        self._loop.call_soon_threadsafe(self.begun.set)
        assert self.may_end.wait(LIMIT_S)
        return create_app(self._coordinator)


@pytest.fixture
async def loading(coordinator: ScriptedCoordinator) -> Loading:
    return Loading(coordinator)


@pytest.fixture
def gate() -> StartupGate:
    return StartupGate(lambda: "Kafka")


@pytest.fixture
async def early(gate: StartupGate) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(gate, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700") as client:
        yield client


@pytest.fixture
def opened(gate: StartupGate, coordinator: ScriptedCoordinator, loading: Loading) -> StartupGate:
    gate.open(probes(coordinator), LaterApplication(loading))
    return gate


async def test_while_it_starts_it_is_alive_and_says_for_what_it_waits(early: httpx.AsyncClient) -> None:
    assert (await early.get("/healthz")).json() == {"status": "ok"}
    for path in ("/readyz", "/metrics", "/v1/sagas"):
        answer = await early.get(path)
        assert (answer.status_code, answer.json()["reasons"]) == (503, ["starting: waiting for Kafka"])


@pytest.mark.usefixtures("opened")
@pytest.mark.parametrize("state", ["ready", "not ready", "recovering", "a bug"])
async def test_machines_get_the_answers_of_the_api_without_it(
    early: httpx.AsyncClient, http: httpx.AsyncClient, coordinator: ScriptedCoordinator, loading: Loading, state: str
) -> None:
    if state == "not ready":
        coordinator.unready = ["database: it is away"] * 30
    if state == "recovering":
        coordinator.recovery = Recovering.of({"payment": 3})
        coordinator.left = {"shipping": 500}
    if state == "a bug":
        coordinator.unready = None  # type: ignore[assignment]
        coordinator.recovering = None  # type: ignore[method-assign, assignment]
    for path in sorted(PATHS - {"/metrics"}):
        before, after = await early.get(path), await http.get(path)
        assert (before.status_code, before.content) == (after.status_code, after.content)
        assert before.headers["content-type"] == after.headers["content-type"]
    for accept in ("text/plain", "application/openmetrics-text"):
        before, after = [await one.get("/metrics", headers={"accept": accept}) for one in (early, http)]
        assert before.headers["content-type"] == after.headers["content-type"]
        assert "saga_outbox_rows 0.0" in before.text
    assert loading.times == 0


@pytest.mark.usefixtures("opened")
async def test_what_machines_ask_is_counted_by_route(early: httpx.AsyncClient) -> None:
    await early.get("/readyz")
    assert 'saga_http_answers_total{method="GET",route="/readyz",status="200"} 1.0' in (await early.get("/metrics")).text


@pytest.mark.usefixtures("opened")
async def test_a_page_of_another_site_is_refused_here_too(early: httpx.AsyncClient) -> None:
    assert (await early.get("/readyz", headers={"origin": "http://elsewhere"})).json()["code"] == "cross_site"


@pytest.mark.usefixtures("opened")
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/sagas", 200), ("PUT", "/readyz", 405), ("GET", "/nothing", 404)],
    ids=["an API request", "another method", "nothing there"],
)
async def test_whoever_asks_for_anything_else_gets_the_api(
    early: httpx.AsyncClient, loading: Loading, method: str, path: str, status: int
) -> None:
    coming = [asyncio.create_task(early.request(method, path)) for _ in range(3)]
    await loading.begun.wait()
    loading.may_end.set()
    answers = await asyncio.gather(*coming)
    assert [answer.status_code for answer in answers] == [status] * 3
    assert loading.times == 1, "those who come at once wait for one"


@pytest.mark.usefixtures("opened")
async def test_machines_are_answered_while_the_api_is_loaded(early: httpx.AsyncClient, loading: Loading) -> None:
    first = asyncio.create_task(early.get("/v1/sagas"))
    await loading.begun.wait()
    assert (await early.get("/readyz")).status_code == 200
    loading.may_end.set()
    assert (await first).status_code == 200


async def test_whoever_goes_while_it_is_loaded_costs_the_next_nothing(loading: Loading) -> None:
    later = LaterApplication(loading)
    first = asyncio.create_task(later.loaded())
    await loading.begun.wait()
    first.cancel()
    loading.may_end.set()
    await later.loaded()
    assert later.is_loaded


async def test_loading_that_fails_is_tried_again() -> None:
    tries: list[ASGIApp | Exception] = [ImportError("a package is missing"), StartupGate(str)]

    def load() -> ASGIApp:
        one = tries.pop(0)
        if isinstance(one, Exception):
            raise one
        return one

    later = LaterApplication(load)
    with pytest.raises(ImportError):
        await later.loaded()
    assert not later.is_loaded
    assert isinstance(await later.loaded(), StartupGate)


def test_a_server_is_loaded_without_the_api() -> None:
    script = "import sys, saga_cli.commands.serve, saga_coordinator.server; print('fastapi' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "False\n"
