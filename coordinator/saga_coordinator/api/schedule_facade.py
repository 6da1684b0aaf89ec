"""What the API and the console need of the coordinator about schedules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from saga_coordinator.calendar.document import DayCalendarDocument
from saga_coordinator.calendar.tick import Tick
from saga_coordinator.schedules.document import ScheduleDocument
from saga_coordinator.store.schedule_records import (
    BackfillRow,
    DayCalendarRow,
    OpenTicks,
    ScheduleRow,
    ScheduleVersionRow,
    TickRangeRow,
    TickRow,
)


class ScheduleActs(Protocol):
    """Schedules. Each act is audited with who and why. All raise StoreError; those that name a
    schedule raise Refused (schedule_unknown)."""

    async def create_schedule(self, document: ScheduleDocument, reason: str, actor: str) -> ScheduleRow:
        """Raises Refused (schedule_exists, schedules_full, schedule_invalid)."""
        ...

    async def update_schedule(
        self, document: ScheduleDocument, reason: str, actor: str, *, version: int | None = None
    ) -> ScheduleRow:
        """Make the next version; the same document as before makes none.

        `version`: what the caller has seen. Raises Refused (schedule_moved, schedule_invalid).
        """
        ...

    async def schedules(self, *, after: str = "", limit: int = 100, deleted: bool = False) -> list[ScheduleRow]:
        """By name."""
        ...

    async def schedule(self, name: str) -> ScheduleRow:
        """One that is not deleted."""
        ...

    async def open_ticks(self, rows: Sequence[ScheduleRow]) -> dict[UUID, OpenTicks]:
        """Ticks of these that run or wait, by schedule id."""
        ...

    async def schedule_versions(self, name: str, *, below: int, limit: int) -> list[ScheduleVersionRow]:
        """Newest first."""
        ...

    async def next_ticks(self, name: str, *, from_us: int | None, count: int) -> list[Tick]:
        """The ticks from this instant on, by its calendar; None: those that are not decided yet.

        Raises Refused (schedule_invalid): its calendar cannot be read any more.
        """
        ...

    async def preview_ticks(self, document: ScheduleDocument, *, from_us: int | None, count: int) -> list[Tick]:
        """What it would tick from this instant on, were it created; None: from now on.

        Raises Refused (schedule_invalid).
        """
        ...

    async def decided_ticks(self, name: str, *, before_us: int | None, limit: int) -> tuple[list[TickRow], list[TickRangeRow]]:
        """What became of ticks before this instant (None: all), newest first, both."""
        ...

    async def tick_of(self, saga_id: UUID) -> tuple[ScheduleRow, TickRow] | None:
        """The tick that started a saga; None: no schedule did."""
        ...

    async def pause_schedule(self, name: str, reason: str, actor: str) -> ScheduleRow:
        """Pausing what is paused is fine and changes nothing. Raises Refused (schedule_ended)."""
        ...

    async def resume_schedule(self, name: str, reason: str, actor: str) -> ScheduleRow:
        """What it missed meanwhile goes by its policy. Raises Refused (not_paused)."""
        ...

    async def trigger_schedule(self, name: str, reason: str, actor: str, *, overlap: str | None = None) -> TickRow:
        """Run it now; what became of it is in the tick. `overlap`: `policy` or `policy:limit`."""
        ...

    async def count_backfill(self, name: str, *, from_us: int, until_us: int) -> int:
        """How many ticks a backfill would come to. Raises Refused (backfill_refused)."""
        ...

    async def backfill_schedule(
        self, name: str, reason: str, actor: str, *, from_us: int, until_us: int, overlap: str, per_minute: int
    ) -> BackfillRow:
        """Raises Refused (backfill_refused, backfill_running)."""
        ...

    async def backfills(self, name: str, *, before: UUID | None, limit: int) -> list[BackfillRow]:
        """Newest first."""
        ...

    async def stop_backfill(self, id: UUID, reason: str, actor: str) -> BackfillRow:
        """Raises Refused (backfill_unknown, backfill_over)."""
        ...

    async def delete_schedule(self, name: str, reason: str, actor: str) -> ScheduleRow:
        """Its sagas go on; ticks that wait are skipped."""
        ...

    async def put_day_calendar(self, document: DayCalendarDocument, reason: str, actor: str) -> DayCalendarRow:
        """Create or update a calendar of days; schedules that exclude it look at it at once.

        Raises Refused (schedule_invalid, schedule_moved).
        """
        ...

    async def day_calendars(self) -> list[DayCalendarRow]:
        """By name."""
        ...

    async def delete_day_calendar(self, name: str, reason: str, actor: str) -> None:
        """Raises Refused (calendar_unknown, calendar_used)."""
        ...
