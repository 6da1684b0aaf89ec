"""Schedules in memory: what the API and the console ask of a coordinator, without its loops.

Time stands still at `clock_us`. The calendar is a plain one: a schedule with `every` ticks by its
first interval, every other at each full hour; `odd_ticks` has those of a schedule instead.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

from saga_coordinator.calendar.document import CalendarDocument, DayCalendarDocument
from saga_coordinator.calendar.tick import Tick
from saga_coordinator.engine.events import Refused
from saga_coordinator.schedules.document import ScheduleDocument
from saga_coordinator.store.schedule_records import (
    BackfillRow,
    BackfillStatus,
    DayCalendarRow,
    OpenTicks,
    ScheduleRow,
    ScheduleStatus,
    ScheduleVersionRow,
    TickOutcome,
    TickRangeRow,
    TickRow,
    TickSource,
)
from saga_schemas.times import format_us, parse_us

CLOCK_US: Final = parse_us("2027-03-27T10:00:00Z")
"""The day before clocks go forward in Berlin."""
MOST_BACKFILLED: Final = 10_000
_HOUR_US: Final = 3_600_000_000


def schedule_document(name: str = "settlement", **changes: Any) -> ScheduleDocument:
    """A schedule of every night; `changes` are fields of the document, those of `calendar` too."""
    exclude: dict[str, Any] = {"dates": [], "ranges": [], "cron": [], "calendars": []}
    calendar: dict[str, Any] = {"zone": "Europe/Berlin", "cron": ["30 2 * * *"], "every": [], "intervals": []}
    calendar |= {"exclude": exclude, "start": None, "end": None, "jitter_ms": 0}
    calendar |= {field: changes.pop(field) for field in list(changes) if field in CalendarDocument.model_fields}
    fields: dict[str, Any] = {
        "format": 1,
        "schedule": name,
        "definition": "settle-day",
        "definition_version": None,
        "calendar": calendar,
        "runs": None,
        "input": {"day": "${schedule.scheduled_for}", "currency": "EUR"},
        "key": None,
        "overlap": {"policy": "skip", "limit": 1},
        "missed": {"policy": "run_one", "grace_ms": 60_000, "window_ms": 86_400_000},
        "pause_after_failures": 3,
        "expect_success_ms": None,
        "note": "Settles the day.",
    }
    return ScheduleDocument.parse(json.dumps(fields | changes))


def day_calendar(name: str = "german-holidays", **changes: Any) -> DayCalendarDocument:
    fields: dict[str, Any] = {"format": 1, "calendar": name, "dates": ["2027-12-25"], "ranges": [], "note": ""}
    return DayCalendarDocument.model_validate_json(json.dumps(fields | changes))


class SchedulesInMemory:
    """A `ScheduleActs`. Tests read and write its rows; `schedule_acts` has who did what and why."""

    raises: Exception | None = None
    """What every call raises instead."""

    def __init__(self) -> None:
        super().__init__()
        self.clock_us = CLOCK_US
        self.schedule_rows: dict[str, ScheduleRow] = {}
        self.version_rows: list[ScheduleVersionRow] = []
        self.tick_rows: list[TickRow] = []
        self.range_rows: list[TickRangeRow] = []
        self.backfill_rows: list[BackfillRow] = []
        self.day_rows: dict[str, DayCalendarRow] = {}
        self.odd_ticks: dict[str, list[Tick]] = {}
        self.schedule_acts: list[tuple[str, str, str, str]] = []
        """Act, target, reason, actor."""
        self._ids = 0

    # --- schedules --------------------------------------------------------------------------------

    async def create_schedule(self, document: ScheduleDocument, reason: str, actor: str) -> ScheduleRow:
        self._raise()
        before = self.schedule_rows.get(document.schedule)
        if before is not None and before.status != ScheduleStatus.DELETED:
            raise Refused("schedule_exists", f"there is a schedule {document.schedule}: update it")
        row = self._fresh(document) if before is None else replace(before, version=before.version + 1)
        return self._made(replace(row, status=ScheduleStatus.ACTIVE), document, "schedule create", reason, actor)

    async def update_schedule(
        self, document: ScheduleDocument, reason: str, actor: str, *, version: int | None = None
    ) -> ScheduleRow:
        row = await self.schedule(document.schedule)
        if version is not None and version != row.version:
            raise Refused("schedule_moved", f"the schedule is at version {row.version}: look at it again")
        if row.document == document.canonical:
            return row
        return self._made(replace(row, version=row.version + 1), document, "schedule update", reason, actor)

    async def schedules(self, *, after: str = "", limit: int = 100, deleted: bool = False) -> list[ScheduleRow]:
        self._raise()
        found = [row for name, row in sorted(self.schedule_rows.items()) if name > after]
        return [row for row in found if deleted or row.status != ScheduleStatus.DELETED][:limit]

    async def schedule(self, name: str) -> ScheduleRow:
        self._raise()
        row = self.schedule_rows.get(name)
        if row is None or row.status == ScheduleStatus.DELETED:
            raise Refused("schedule_unknown", f"there is no schedule {name}")
        return row

    async def open_ticks(self, rows: Sequence[ScheduleRow]) -> dict[UUID, OpenTicks]:
        self._raise()
        return {row.id: found for row in rows if (found := self._open(row.id)) != OpenTicks()}

    async def schedule_versions(self, name: str, *, below: int, limit: int) -> list[ScheduleVersionRow]:
        row = await self.schedule(name)
        found = [one for one in self.version_rows if one.schedule_id == row.id and one.version < below]
        return sorted(found, key=lambda one: -one.version)[:limit]

    async def delete_schedule(self, name: str, reason: str, actor: str) -> ScheduleRow:
        row = await self.schedule(name)
        return self._changed(
            replace(row, status=ScheduleStatus.DELETED, next_at_us=None, fire_at_us=None), "schedule delete", reason, actor
        )

    async def pause_schedule(self, name: str, reason: str, actor: str) -> ScheduleRow:
        row = await self.schedule(name)
        if row.status == ScheduleStatus.ENDED:
            raise Refused("schedule_ended", "it has ended: there is nothing to pause")
        if row.status == ScheduleStatus.PAUSED:
            return row
        paused = replace(row, status=ScheduleStatus.PAUSED, paused_at_us=self.clock_us, paused_by=actor, paused_why=reason)
        return self._changed(paused, "schedule pause", reason, actor)

    async def resume_schedule(self, name: str, reason: str, actor: str) -> ScheduleRow:
        row = await self.schedule(name)
        if row.status != ScheduleStatus.PAUSED:
            raise Refused("not_paused", f"the schedule {name} is not paused")
        resumed = replace(row, status=ScheduleStatus.ACTIVE, paused_at_us=None, paused_by=None, paused_why=None)
        return self._changed(resumed, "schedule resume", reason, actor)

    # --- ticks ------------------------------------------------------------------------------------

    async def next_ticks(self, name: str, *, from_us: int | None, count: int) -> list[Tick]:
        row = await self.schedule(name)
        after_us = row.cursor_us if from_us is None else from_us - 1
        return self._ticks(ScheduleDocument.parse(row.document), after_us, count)

    async def preview_ticks(self, document: ScheduleDocument, *, from_us: int | None, count: int) -> list[Tick]:
        self._raise()
        return self._ticks(document, self.clock_us if from_us is None else from_us - 1, count)

    async def decided_ticks(self, name: str, *, before_us: int | None, limit: int) -> tuple[list[TickRow], list[TickRangeRow]]:
        row = await self.schedule(name)
        before = before_us if before_us is not None else 2**63
        ticks = [one for one in self.tick_rows if one.schedule_id == row.id and one.at_us < before]
        ranges = [one for one in self.range_rows if one.schedule_id == row.id and one.first_us < before]
        ticks.sort(key=lambda one: -one.at_us)
        ranges.sort(key=lambda one: -one.first_us)
        return ticks[:limit], ranges[:limit]

    async def tick_of(self, saga_id: UUID) -> tuple[ScheduleRow, TickRow] | None:
        self._raise()
        schedules = {row.id: row for row in self.schedule_rows.values()}
        started = (one for one in self.tick_rows if one.outcome == TickOutcome.FIRED and one.saga_id == saga_id)
        return next(((schedules[one.schedule_id], one) for one in started), None)

    async def trigger_schedule(self, name: str, reason: str, actor: str, *, overlap: str | None = None) -> TickRow:
        row = await self.schedule(name)
        policy = (overlap or ScheduleDocument.parse(row.document).overlap.policy).partition(":")[0]
        fields: dict[str, Any] = {"schedule_id": row.id, "at_us": self.clock_us, "source": TickSource.TRIGGER}
        fields |= {"version": row.version, "overlap": overlap, "decided_at_us": self.clock_us}
        running = self._open(row.id).running
        if running and policy == "skip":
            fields |= {"outcome": TickOutcome.SKIPPED, "reason": "overlap", "saga_id": running[0].saga_id}
        elif running and policy != "allow":
            fields |= {"outcome": TickOutcome.QUEUED, "reason": "overlap"}
        else:
            fields |= {"outcome": TickOutcome.FIRED, "saga_id": self._id(), "fired_at_us": self.clock_us}
        self.tick_rows.append(TickRow(**fields))
        self.schedule_acts.append(("schedule trigger", name, reason, actor))
        return self.tick_rows[-1]

    # --- backfills --------------------------------------------------------------------------------

    async def count_backfill(self, name: str, *, from_us: int, until_us: int) -> int:
        row = await self.schedule(name)
        if from_us > until_us or until_us > self.clock_us:
            raise Refused("backfill_refused", "a backfill has a first and a last instant, both in the past")
        found = self._ticks(ScheduleDocument.parse(row.document), from_us - 1, MOST_BACKFILLED + 1)
        count = sum(tick.at_us <= until_us for tick in found)
        if count > MOST_BACKFILLED:
            raise Refused("backfill_refused", f"more than {MOST_BACKFILLED} ticks: take a shorter range")
        if not count:
            raise Refused("backfill_refused", "the range has no tick")
        return count

    async def backfill_schedule(
        self, name: str, reason: str, actor: str, *, from_us: int, until_us: int, overlap: str, per_minute: int
    ) -> BackfillRow:
        row = await self.schedule(name)
        found = await self.count_backfill(name, from_us=from_us, until_us=until_us)
        if any(one.schedule_id == row.id and one.status == BackfillStatus.RUNNING for one in self.backfill_rows):
            raise Refused("backfill_running", f"a backfill of {name} runs: wait for it, or stop it")
        who: dict[str, Any] = {"who": actor, "why": reason, "created_at_us": self.clock_us, "next_at_us": self.clock_us}
        made = BackfillRow(
            id=self._id(),
            tenant=row.tenant,
            schedule_id=row.id,
            from_us=from_us,
            until_us=until_us,
            place_us=from_us - 1,
            overlap=overlap,
            per_minute=per_minute,
            found=found,
            **who,
        )
        self.backfill_rows.append(made)
        self.schedule_acts.append(("schedule backfill", name, reason, actor))
        return made

    async def backfills(self, name: str, *, before: UUID | None, limit: int) -> list[BackfillRow]:
        row = await self.schedule(name)
        found = [one for one in self.backfill_rows if one.schedule_id == row.id and (before is None or one.id < before)]
        return sorted(found, key=lambda one: one.id, reverse=True)[:limit]

    async def stop_backfill(self, id: UUID, reason: str, actor: str) -> BackfillRow:
        self._raise()
        place = next((place for place, one in enumerate(self.backfill_rows) if one.id == id), None)
        if place is None:
            raise Refused("backfill_unknown", "there is no such backfill")
        if self.backfill_rows[place].status != BackfillStatus.RUNNING:
            raise Refused("backfill_over", "the backfill has ended, or was stopped")
        ended: dict[str, Any] = {"ended_at_us": self.clock_us, "stopped_by": actor, "stopped_why": reason}
        self.backfill_rows[place] = replace(self.backfill_rows[place], status=BackfillStatus.STOPPED, **ended)
        self.schedule_acts.append(("schedule stop backfill", str(id), reason, actor))
        return self.backfill_rows[place]

    # --- days -------------------------------------------------------------------------------------

    async def put_day_calendar(self, document: DayCalendarDocument, reason: str, actor: str) -> DayCalendarRow:
        self._raise()
        before = self.day_rows.get(document.calendar)
        if before is not None and before.document == document.canonical:
            return before
        version = 1 if before is None else before.version + 1
        made: dict[str, Any] = {"tenant": "default", "name": document.calendar, "version": version, "at_us": self.clock_us}
        row = DayCalendarRow(**made, document=document.canonical, who=actor, why=reason)
        self.day_rows[row.name] = row
        self.schedule_acts.append(("calendar put", row.name, reason, actor))
        return row

    async def day_calendars(self) -> list[DayCalendarRow]:
        self._raise()
        return [row for _, row in sorted(self.day_rows.items())]

    async def delete_day_calendar(self, name: str, reason: str, actor: str) -> None:
        self._raise()
        if name not in self.day_rows:
            raise Refused("calendar_unknown", f"there is no calendar of days {name}")
        users = [row.name for row in self.schedule_rows.values() if name in _excluded(row) and row.status != "deleted"]
        if users:
            raise Refused("calendar_used", f"schedules exclude its days: {', '.join(users)}")
        del self.day_rows[name]
        self.schedule_acts.append(("calendar delete", name, reason, actor))

    # --- inside -----------------------------------------------------------------------------------

    def _raise(self) -> None:
        if self.raises is not None:
            raise self.raises

    def _id(self) -> UUID:
        self._ids += 1
        return UUID(f"019b0000-0000-7000-8000-5c4ed00{self._ids:05x}")

    def _fresh(self, document: ScheduleDocument) -> ScheduleRow:
        return ScheduleRow(
            id=self._id(),
            tenant="default",
            name=document.schedule,
            version=1,
            document=document.canonical,
            status=ScheduleStatus.ACTIVE,
            cursor_us=self.clock_us,
            cursor_local=None,
            next_at_us=None,
            fire_at_us=None,
            wake_at_us=None,
            uses_calendars=bool(document.calendar.exclude.calendars),
            created_at_us=self.clock_us,
            changed_at_us=self.clock_us,
        )

    def _made(self, row: ScheduleRow, document: ScheduleDocument, act: str, reason: str, actor: str) -> ScheduleRow:
        """A version of its document, and its next tick."""
        ticks = self._ticks(document, max(row.cursor_us, self.clock_us), 1)
        next_at, fire_at = (ticks[0].at_us, ticks[0].fire_at_us) if ticks else (None, None)
        version: dict[str, Any] = {"schedule_id": row.id, "version": row.version, "at_us": self.clock_us}
        self.version_rows.append(ScheduleVersionRow(**version, document=document.canonical, who=actor, why=reason))
        made = replace(row, document=document.canonical, next_at_us=next_at, fire_at_us=fire_at, wake_at_us=fire_at)
        return self._changed(made, act, reason, actor)

    def _changed(self, row: ScheduleRow, act: str, reason: str, actor: str) -> ScheduleRow:
        self.schedule_rows[row.name] = replace(row, changed_at_us=self.clock_us)
        self.schedule_acts.append((act, row.name, reason, actor))
        return self.schedule_rows[row.name]

    def _open(self, schedule_id: UUID) -> OpenTicks:
        mine = sorted((one for one in self.tick_rows if one.schedule_id == schedule_id), key=lambda one: one.at_us)
        return OpenTicks(
            running=tuple(one for one in mine if one.outcome == TickOutcome.FIRED and one.ended_at_us is None),
            queued=tuple(one for one in mine if one.outcome == TickOutcome.QUEUED),
        )

    def _ticks(self, document: ScheduleDocument, after_us: int, count: int) -> list[Tick]:
        if document.schedule in self.odd_ticks:
            return [tick for tick in self.odd_ticks[document.schedule] if tick.at_us > after_us][:count]
        every = document.calendar.every
        step_us, phase_us = (every[0].every_ms * 1_000, parse_us(every[0].phase)) if every else (_HOUR_US, 0)
        first = phase_us + ((after_us - phase_us) // step_us + 1) * step_us
        return [tick_at(first + place * step_us) for place in range(count)]


def tick_at(at_us: int, **changes: Any) -> Tick:
    """A tick in UTC without jitter."""
    local = re.sub(r"\..*", "", format_us(at_us))
    return Tick(**{"at_us": at_us, "local": local, "fixed": False, "fire_at_us": at_us, **changes})


def _excluded(row: ScheduleRow) -> tuple[str, ...]:
    return ScheduleDocument.parse(row.document).calendar.exclude.calendars
