"""Schedules as a store has them, in lists that a test fills."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any, Final
from uuid import UUID

from saga_coordinator.schedules.document import ScheduleDocument
from saga_coordinator.store.port import SagaRow
from saga_coordinator.store.schedule_records import (
    OpenTicks,
    ScheduleCounts,
    ScheduleRow,
    ScheduleStatus,
    ScheduleVersionRow,
    TickOutcome,
    TickRow,
    TickSource,
)

HOUR_US: Final = 3_600_000_000
DAY_US: Final = 24 * HOUR_US
NOW_US: Final = 1_800_000_000_000_000
SETTLEMENT: Final = UUID("0190a000-0000-7000-8000-00000000005e")


def document_of(name: str = "settlement", definition: str = "settle-day") -> str:
    exclude: dict[str, Any] = {"dates": [], "ranges": [], "cron": [], "calendars": []}
    calendar = {"zone": "UTC", "cron": ["30 2 * * *"], "every": [], "intervals": [], "exclude": exclude}
    fields = {
        "format": 1,
        "schedule": name,
        "definition": definition,
        "definition_version": None,
        "calendar": calendar | {"start": None, "end": None, "jitter_ms": 0},
        "runs": None,
        "input": {},
        "key": None,
        "overlap": {"policy": "skip", "limit": 1},
        "missed": {"policy": "run_one", "grace_ms": 60_000, "window_ms": 86_400_000},
        "pause_after_failures": None,
        "expect_success_ms": None,
        "note": "",
    }
    return ScheduleDocument.parse(json.dumps(fields)).canonical


def schedule_row(name: str = "settlement", **changes: Any) -> ScheduleRow:
    """One that ticked an hour ago and ticks in 23 hours; all is well."""
    fields: dict[str, Any] = {
        "id": SETTLEMENT,
        "tenant": "default",
        "name": name,
        "version": 1,
        "document": document_of(name),
        "status": ScheduleStatus.ACTIVE,
        "cursor_us": NOW_US - HOUR_US,
        "cursor_local": None,
        "next_at_us": NOW_US + 23 * HOUR_US,
        "fire_at_us": NOW_US + 23 * HOUR_US,
        "wake_at_us": NOW_US + 23 * HOUR_US,
        "uses_calendars": False,
        "created_at_us": NOW_US - 9 * DAY_US,
        "changed_at_us": NOW_US - 9 * DAY_US,
    }
    return ScheduleRow(**(fields | changes))


def tick_row(at_us: int = NOW_US - HOUR_US, outcome: str = TickOutcome.FIRED, **changes: Any) -> TickRow:
    fields: dict[str, Any] = {
        "schedule_id": SETTLEMENT,
        "at_us": at_us,
        "source": TickSource.CALENDAR,
        "outcome": outcome,
        "version": 1,
        "decided_at_us": at_us,
    }
    return TickRow(**(fields | changes))


def version_row(version: int = 1, document: str | None = None) -> ScheduleVersionRow:
    text = document_of() if document is None else document
    return ScheduleVersionRow(schedule_id=SETTLEMENT, version=version, document=text, who="ana", why="w", at_us=1)


def counts(**changes: Any) -> ScheduleCounts:
    fields: dict[str, Any] = {"active": 1, "paused": 0, "attention": 0, "overdue": 0, "due_since_us": None, "now_us": NOW_US}
    return ScheduleCounts(**(fields | changes))


class StoredSchedules:
    """The part of a store that says of schedules what a test puts in."""

    dialect = "sqlite"

    def __init__(self, *rows: ScheduleRow) -> None:
        self.rows = list(rows)
        self.versions = [version_row()]
        self.tick_rows: list[TickRow] = []
        self.stored_sagas: dict[UUID, SagaRow] = {}

    async def now_us(self) -> int:
        return NOW_US

    async def alike_attention(self, tenant: str, *, of_each: int, limit: int) -> list[Any]:
        return []

    async def sagas(self, ids: Collection[UUID]) -> dict[UUID, SagaRow]:
        return {id: row for id, row in self.stored_sagas.items() if id in ids}

    async def schedules(self, tenant: str, *, after: str, limit: int, statuses: Collection[str]) -> list[ScheduleRow]:
        found = [row for row in self.rows if row.tenant == tenant and row.name > after and row.status in statuses]
        return sorted(found, key=lambda row: row.name)[:limit]

    async def schedule(self, tenant: str, name: str) -> ScheduleRow | None:
        return next((row for row in self.rows if (row.tenant, row.name) == (tenant, name)), None)

    async def schedules_in_need(self, tenant: str, *, paused_for_us: int, limit: int) -> list[ScheduleRow]:
        return self.rows[:limit]

    async def schedule_versions(self, schedule_id: UUID, *, below: int, limit: int) -> list[ScheduleVersionRow]:
        found = [row for row in self.versions if row.schedule_id == schedule_id and row.version < below]
        return sorted(found, key=lambda row: -row.version)[:limit]

    async def ticks(self, schedule_id: UUID, *, before_us: int, limit: int) -> list[TickRow]:
        found = [row for row in self.tick_rows if row.schedule_id == schedule_id and row.at_us < before_us]
        return sorted(found, key=lambda row: -row.at_us)[:limit]

    async def open_ticks(self, ids: Collection[UUID]) -> dict[UUID, OpenTicks]:
        running = tuple(row for row in self.tick_rows if row.outcome == TickOutcome.FIRED and row.phase is None)
        queued = tuple(row for row in self.tick_rows if row.outcome == TickOutcome.QUEUED)
        return {id: OpenTicks(running=running, queued=queued) for id in ids}
