"""The console over a coordinator that does as the test says; nothing listens on a port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from saga_coordinator.console.door import with_console
from saga_coordinator.engine.waiting import Held
from saga_coordinator.store.schedule_records import ScheduleCounts
from saga_coordinator.views.overview import Overview, overview
from saga_coordinator.views.participant_detail import ParticipantDetail, participant_detail
from saga_coordinator.views.situation import Line, Situation, Window
from saga_schemas.topics import Topics
from support.situations import figures, situation
from support.stored_schedules import counts

FIGURES = figures(sagas_by_phase={("order<b>", "RUNNING"): 1284})
ORDER = Line(name="order<b>", version=3, active=True, participants=("payment",))


@dataclass
class Store:
    """Lists of so many sagas and schedules that need a person."""

    attention: int = 0
    schedules: int = 0
    asked: int = 0
    raises: Exception | None = None

    async def list_sagas(self, wanted: object) -> tuple[list[object], None]:
        self.asked += 1
        return [object()] * self.attention, None

    async def schedule_counts(self, tenant: str) -> ScheduleCounts:
        return counts(attention=self.schedules)


@dataclass
class Settings:
    tenant: str = "default"
    console_prefix: str = ""


@dataclass
class Scripted:
    store: Any = field(default_factory=Store)
    settings: Settings = field(default_factory=Settings)
    topics: Topics = field(default_factory=Topics)
    situation: Situation = field(default_factory=lambda: situation(lines=(ORDER,), figures=FIGURES))
    stopping: bool = False
    asked: list[Window] = field(default_factory=list)
    acts: list[tuple[str, ...]] = field(default_factory=list)

    async def overview(self, window: Window) -> Overview:
        self.asked.append(window)
        if self.store.raises is not None:
            raise self.store.raises
        return overview(replace(self.situation, window=window))

    async def pauses(self) -> list[Held]:
        return list(self.situation.pauses)

    async def pause_scope(self, scope: str, name: str, reason: str, actor: str) -> None:
        self.acts.append(("pause", scope, name, reason, actor))

    async def resume_scope(self, scope: str, name: str, reason: str, actor: str) -> None:
        self.acts.append(("resume", scope, name, reason, actor))

    async def participant(self, name: str, window: Window) -> ParticipantDetail | None:
        return participant_detail(self.situation, await self.overview(window), name)


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
