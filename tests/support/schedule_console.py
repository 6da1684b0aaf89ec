"""The console over schedules in memory, and a browser without JavaScript."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI

from saga_coordinator.console.door import with_console
from saga_coordinator.schedules.document import ScheduleDocument
from saga_coordinator.store.schedule_records import ScheduleCounts, ScheduleRow, TickOutcome, TickRow, TickSource
from support.schedules import SchedulesInMemory, schedule_document

HOUR_US = 3_600_000_000


def saga(number: int) -> UUID:
    return UUID(int=number)


@dataclass
class Settings:
    tenant: str = "default"
    console_prefix: str = ""


@dataclass
class Clock:
    """The store, as far as these pages ask it."""

    home: SchedulesInMemory

    async def now_us(self) -> int:
        return self.home.clock_us

    async def list_sagas(self, wanted: object) -> tuple[list[object], None]:
        return [], None

    async def schedule_counts(self, tenant: str) -> ScheduleCounts:
        rows = self.home.schedule_rows.values()
        attention = sum(row.attention is not None for row in rows)
        return ScheduleCounts(
            active=len(rows), paused=0, attention=attention, overdue=0, due_since_us=None, now_us=self.home.clock_us
        )


class ScheduleHome(SchedulesInMemory):
    """A coordinator that has nothing but schedules."""

    stopping = False

    def __init__(self) -> None:
        super().__init__()
        self.settings = Settings()
        self.store = Clock(self)

    async def created(self, document: ScheduleDocument | None = None, **fields: Any) -> ScheduleRow:
        """A schedule whose row has these fields."""
        row = await self.create_schedule(document or schedule_document(), "new", "ada")
        return self.changed(row.name, **fields)

    def changed(self, name: str, **fields: Any) -> ScheduleRow:
        """The schedule's row, with these fields from now on."""
        row = self.schedule_rows[name]
        made = ScheduleRow(**{field: fields.get(field, getattr(row, field)) for field in ScheduleRow.__dataclass_fields__})
        self.schedule_rows[name] = made
        return made

    def decided(self, row: ScheduleRow, at_us: int, outcome: TickOutcome = TickOutcome.FIRED, **fields: Any) -> TickRow:
        """A tick on record; a saga's number where it fired."""
        fired = at_us if outcome == TickOutcome.FIRED else None
        given: dict[str, Any] = {"source": TickSource.CALENDAR, "fired_at_us": fired, **fields}
        tick = TickRow(
            schedule_id=row.id, at_us=at_us, outcome=outcome, version=row.version, decided_at_us=at_us + 1_000, **given
        )
        self.tick_rows.append(tick)
        return tick


@dataclass
class ScheduleBrowser:
    """It keeps cookies."""

    client: httpx.AsyncClient

    async def page(self, path: str, status: int = 200) -> str:
        """What stands in a page's `main`."""
        answer = await self.client.get(f"/console{path}")
        assert answer.status_code == status, (path, answer.status_code, answer.text[-600:])
        assert "<script>" not in answer.text
        return answer.text.split("<main", 1)[1].split("</main>")[0]

    async def act(self, path: str, **fields: str) -> str:
        """Send the form of an act; the sentence on the page that it leads to."""
        token = re.findall(r'name="token" value="([^"]+)"', await self.page("/calendars"))[0]
        given = {"token": token, "reason": "the bank is closed", "actor": "ada", **fields}
        answer = await self.client.post(f"/console{path}", data=given)
        assert answer.status_code == 303, (path, answer.status_code, answer.text[-600:])
        page = await self.client.get(answer.headers["location"])
        told = re.search(r'role="status">.*?<p>(.*?)</p>', page.text, re.DOTALL)
        assert told is not None, page.text[:3000]
        return told[1]


@asynccontextmanager
async def schedule_browser(home: ScheduleHome) -> AsyncIterator[ScheduleBrowser]:
    coordinator: Any = home
    app = with_console(FastAPI(), coordinator)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8700") as client:
        yield ScheduleBrowser(client)
