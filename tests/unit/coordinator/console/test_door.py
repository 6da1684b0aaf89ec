"""The console is loaded once, when somebody comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import ASGIApp

from saga_coordinator.api.facade import Facade
from saga_coordinator.console import door
from saga_coordinator.console.door import with_console


async def test_those_who_come_at_once_wait_for_one_console(scripted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    load, made = door._load, list[ASGIApp]()

    def counted() -> Callable[[Facade], ASGIApp]:
        make = load()

        def counting(coordinator: Facade) -> ASGIApp:
            made.append(make(coordinator))
            return made[-1]

        return counting

    monkeypatch.setattr(door, "_load", counted)
    app = with_console(FastAPI(), scripted)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8700") as browser:
        assert (await browser.get("/console")).status_code == 307
        assert made == [], "the way to it needs none of it"
        answers = await asyncio.gather(*(browser.get("/console/") for _ in range(5)))
        assert [answer.status_code for answer in answers] == [200] * 5
        assert len(made) == 1


async def test_whoever_goes_while_it_is_loaded_costs_the_next_nothing(scripted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    load, begun, may_end = door._load, asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow() -> Callable[[Facade], ASGIApp]:
        loop.call_soon_threadsafe(begun.set)
        asyncio.run_coroutine_threadsafe(may_end.wait(), loop).result(30)
        return load()

    monkeypatch.setattr(door, "_load", slow)
    app = with_console(FastAPI(), scripted)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8700") as browser:
        first = asyncio.create_task(browser.get("/console/"))
        await begun.wait()
        first.cancel()
        may_end.set()
        assert (await browser.get("/console/")).status_code == 200
