"""The part of a coordinator's facade for schedules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from saga_coordinator.calendar.document import DayCalendarDocument
from saga_coordinator.calendar.tick import Cursor, Tick
from saga_coordinator.schedules.acts import ScheduleChanges
from saga_coordinator.schedules.checking import KEPT_STATUSES, Checking
from saga_coordinator.schedules.document import ScheduleDocument
from saga_coordinator.schedules.program import ScheduleProgram
from saga_coordinator.store.port import Store
from saga_coordinator.store.schedule_records import (
    BackfillRow,
    DayCalendarRow,
    OpenTicks,
    ScheduleRow,
    ScheduleStatus,
    ScheduleVersionRow,
    TickRangeRow,
    TickRow,
)

PREVIEWED_MOST: Final = 1_000
_ALWAYS_US: Final = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleParts:
    """What is done about schedules by."""

    store: Store
    changes: ScheduleChanges
    checking: Checking
    tenant: str


class ScheduleFacade:
    """What a coordinator does about schedules: `api.schedule_facade.ScheduleActs` says what each
    method means."""

    def __init__(self, parts: ScheduleParts) -> None:
        self._parts = parts

    # --- reading ----------------------------------------------------------------------------------

    async def schedules(self, *, after: str = "", limit: int = 100, deleted: bool = False) -> list[ScheduleRow]:
        statuses = (*KEPT_STATUSES, ScheduleStatus.DELETED) if deleted else KEPT_STATUSES
        return await self._parts.store.schedules(self._parts.tenant, after=after, limit=limit, statuses=statuses)

    async def schedule(self, name: str) -> ScheduleRow:
        return await self._parts.checking.row(name)

    async def open_ticks(self, rows: Sequence[ScheduleRow]) -> dict[UUID, OpenTicks]:
        return await self._parts.store.open_ticks([row.id for row in rows])

    async def schedule_versions(self, name: str, *, below: int, limit: int) -> list[ScheduleVersionRow]:
        row = await self.schedule(name)
        return await self._parts.store.schedule_versions(row.id, below=below, limit=limit)

    async def next_ticks(self, name: str, *, from_us: int | None, count: int) -> list[Tick]:
        row = await self.schedule(name)
        program = await self._parts.checking.program(row)
        cursor = Cursor(after_us=row.cursor_us, local=row.cursor_local) if from_us is None else Cursor(after_us=from_us - 1)
        return _ticks(program, cursor, count)

    async def preview_ticks(self, document: ScheduleDocument, *, from_us: int | None, count: int) -> list[Tick]:
        program = await self._parts.checking.checked(document)
        after_us = await self._parts.store.now_us() if from_us is None else from_us - 1
        return _ticks(program, Cursor(after_us=after_us), count)

    async def decided_ticks(self, name: str, *, before_us: int | None, limit: int) -> tuple[list[TickRow], list[TickRangeRow]]:
        row = await self.schedule(name)
        before = _ALWAYS_US if before_us is None else before_us
        ticks = await self._parts.store.ticks(row.id, before_us=before, limit=limit)
        return ticks, await self._parts.store.tick_ranges(row.id, before_us=before, limit=limit)

    async def tick_of(self, saga_id: UUID) -> tuple[ScheduleRow, TickRow] | None:
        found = await self._parts.store.tick_of_saga(saga_id)
        return None if found is None or found[0].tenant != self._parts.tenant else found

    async def backfills(self, name: str, *, before: UUID | None, limit: int) -> list[BackfillRow]:
        row = await self.schedule(name)
        return await self._parts.store.backfills(row.id, before=before, limit=limit)

    async def day_calendars(self) -> list[DayCalendarRow]:
        return await self._parts.store.day_calendars(self._parts.tenant)

    # --- acts -------------------------------------------------------------------------------------

    async def create_schedule(self, document: ScheduleDocument, reason: str, actor: str) -> ScheduleRow:
        return await self._parts.changes.create(document, reason, actor)

    async def update_schedule(
        self, document: ScheduleDocument, reason: str, actor: str, *, version: int | None = None
    ) -> ScheduleRow:
        return await self._parts.changes.update(document, reason, actor, version=version)

    async def pause_schedule(self, name: str, reason: str, actor: str) -> ScheduleRow:
        return await self._parts.changes.pause(name, reason, actor)

    async def resume_schedule(self, name: str, reason: str, actor: str) -> ScheduleRow:
        return await self._parts.changes.resume(name, reason, actor)

    async def trigger_schedule(self, name: str, reason: str, actor: str, *, overlap: str | None = None) -> TickRow:
        return await self._parts.changes.trigger(name, reason, actor, overlap=overlap)

    async def count_backfill(self, name: str, *, from_us: int, until_us: int) -> int:
        return await self._parts.changes.count(name, from_us, until_us)

    async def backfill_schedule(
        self, name: str, reason: str, actor: str, *, from_us: int, until_us: int, overlap: str, per_minute: int
    ) -> BackfillRow:
        return await self._parts.changes.backfill(
            name, reason, actor, from_us=from_us, until_us=until_us, overlap=overlap, per_minute=per_minute
        )

    async def stop_backfill(self, id: UUID, reason: str, actor: str) -> BackfillRow:
        return await self._parts.changes.stop_backfill(id, reason, actor)

    async def delete_schedule(self, name: str, reason: str, actor: str) -> ScheduleRow:
        return await self._parts.changes.delete(name, reason, actor)

    async def put_day_calendar(self, document: DayCalendarDocument, reason: str, actor: str) -> DayCalendarRow:
        return await self._parts.changes.put_days(document, reason, actor)

    async def delete_day_calendar(self, name: str, reason: str, actor: str) -> None:
        await self._parts.changes.delete_days(name, reason, actor)


def _ticks(program: ScheduleProgram, cursor: Cursor, count: int) -> list[Tick]:
    return program.calendar.ticks(cursor, until_us=_ALWAYS_US, limit=min(count, PREVIEWED_MOST))
