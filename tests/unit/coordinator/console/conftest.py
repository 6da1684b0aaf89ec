"""The console over a coordinator that does as the test says; nothing listens on a port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from saga_coordinator.console.application import with_console
from saga_coordinator.store.port import Figures

FIGURES = Figures(
    sagas_by_phase={("order<b>", "RUNNING"): 1284},
    outbox_depth=0,
    outbox_oldest_at_us=None,
    wakeup_earliest_due_us=None,
    attention_by_reason={},
    dead_letters=0,
    inbox=0,
    spans_due=0,
    spans_oldest_at_us=None,
    now_us=0,
)


@dataclass
class Store:
    """Lists of so many sagas that need a person, and figures."""

    attention: int = 0
    asked: int = 0
    raises: Exception | None = None

    async def list_sagas(self, wanted: object) -> tuple[list[object], None]:
        self.asked += 1
        return [object()] * self.attention, None

    async def figures(self) -> Figures:
        if self.raises is not None:
            raise self.raises
        return FIGURES


@dataclass
class Settings:
    tenant: str = "default"
    console_prefix: str = ""


@dataclass
class Scripted:
    store: Any = field(default_factory=Store)
    settings: Settings = field(default_factory=Settings)


@pytest.fixture
def scripted() -> Scripted:
    return Scripted()


@pytest.fixture
async def browser(scripted: Scripted) -> AsyncIterator[httpx.AsyncClient]:
    """A client that keeps cookies, as a browser does."""
    coordinator: Any = scripted
    app = with_console(FastAPI(), coordinator)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8700") as client:
        yield client
