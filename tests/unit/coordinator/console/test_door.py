"""The console is loaded once, when somebody comes."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import ASGIApp

from saga_coordinator.api.facade import Facade
from saga_coordinator.console import door
from saga_coordinator.console.door import with_console


async def test_those_who_come_at_once_wait_for_one_console(scripted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    load, made = door._pages, list[ASGIApp]()

    def counted(coordinator: Facade) -> ASGIApp:
        made.append(load(coordinator))
        return made[-1]

    monkeypatch.setattr(door, "_pages", counted)
    app = with_console(FastAPI(), scripted)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8700") as browser:
        assert (await browser.get("/console")).status_code == 307
        assert made == [], "the way to it needs none of it"
        answers = await asyncio.gather(*(browser.get("/console/") for _ in range(5)))
        assert [answer.status_code for answer in answers] == [200] * 5
        assert len(made) == 1
