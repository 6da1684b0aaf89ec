"""An instance loads its API when somebody comes for it, or some time after its start."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from saga_coordinator import server
from saga_messaging.memory import MemoryBroker
from support.coordinators import settings_for

LIMIT_S = 60


@asynccontextmanager
async def serving(url: str) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """Its address, and what is set once the API is loaded."""
    loop, stop, loaded = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
    port: asyncio.Future[int] = loop.create_future()

    def told() -> None:
        assert not loaded.is_set(), "it is loaded once"
        loop.call_soon_threadsafe(loaded.set)

    running = server.serve(settings_for(url), stop=stop, broker=MemoryBroker(), ready=port.set_result, api_loaded=told)
    task = asyncio.create_task(running)
    try:
        yield f"http://127.0.0.1:{await port}", loaded
    finally:
        stop.set()
        async with asyncio.timeout(LIMIT_S):
            await task


async def test_the_first_request_that_needs_the_api_waits_for_it(sqlite_url: str) -> None:
    async with (
        serving(sqlite_url) as (address, loaded),
        httpx.AsyncClient(base_url=address, trust_env=False, timeout=LIMIT_S) as http,
    ):
        assert (await http.get("/readyz")).json() == {"ready": True}
        assert "saga_outbox_rows" in (await http.get("/metrics")).text
        assert not loaded.is_set()
        answers = await asyncio.gather(*(http.get("/v1/sagas") for _ in range(3)))
        assert [answer.json()["items"] for answer in answers] == [[]] * 3
        await loaded.wait()
        assert (await http.get("/readyz")).json() == {"ready": True}


async def test_after_a_while_it_is_loaded_without_a_request(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_API_AFTER_S", 0.05)
    async with serving(sqlite_url) as (_, loaded), asyncio.timeout(LIMIT_S):
        await loaded.wait()
    assert loaded.is_set()


async def test_who_stops_before_it_is_loaded_waits_for_nothing(sqlite_url: str) -> None:
    async with serving(sqlite_url) as (_, loaded):
        pass
    assert not loaded.is_set()
