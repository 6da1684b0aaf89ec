"""The part of the store port about schedules."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol
from uuid import UUID

from saga_coordinator.store.schedule_records import (
    AtTurn,
    BackfillRow,
    DayCalendarRow,
    OpenTicks,
    ScheduleCounts,
    ScheduleRow,
    ScheduleVersionRow,
    TickRangeRow,
    TickRow,
)


class ScheduleStore(Protocol):
    """What a store says of schedules outside transactions."""

    async def schedules(self, tenant: str, *, after: str, limit: int, statuses: Collection[str]) -> list[ScheduleRow]:
        """Return schedules in one of these states, whose names come after this one, by name."""
        ...

    async def schedule(self, tenant: str, name: str) -> ScheduleRow | None:
        """Return one, deleted ones too, or None."""
        ...

    async def schedule_counts(self, tenant: str) -> ScheduleCounts: ...

    async def schedules_in_need(self, tenant: str, *, paused_for_us: int, limit: int) -> list[ScheduleRow]:
        """Return schedules at which a person should look, those first that wait longest: they are
        not deleted, and have a reason for attention, or no success when one was due, or have been
        paused for at least so long.
        """
        ...

    async def schedule_versions(self, schedule_id: UUID, *, below: int, limit: int) -> list[ScheduleVersionRow]:
        """Return versions below this one, newest first."""
        ...

    async def schedules_to_turn(self, tenant: str, *, limit: int, ended: bool) -> tuple[list[ScheduleRow], int | None, int]:
        """Look for schedules that have something to do: by the database's clock their wake-up is
        due, or a saga of theirs has ended that their tick does not know of, and they wake no sooner
        than a second from now.

        Args:
            tenant: Whose schedules.
            limit: How many it finds at most.
            ended: Whether to look for sagas that have ended; it costs a look-up for each open one.

        Returns:
            The schedules, the longest due first, by their wake-up or the tick whose saga has ended;
            the earliest wake-up where there are none; the database's clock.
        """
        ...

    async def ticks(self, schedule_id: UUID, *, before_us: int, limit: int) -> list[TickRow]:
        """Return ticks before this instant, newest first."""
        ...

    async def tick_of_saga(self, saga_id: UUID) -> tuple[ScheduleRow, TickRow] | None:
        """Return the tick that started this saga."""
        ...

    async def tick_ranges(self, schedule_id: UUID, *, before_us: int, limit: int) -> list[TickRangeRow]:
        """Return ranges that begin before this instant, newest first."""
        ...

    async def open_ticks(self, ids: Collection[UUID]) -> dict[UUID, OpenTicks]:
        """Return the open ticks of these schedules; one without any is left out."""
        ...

    async def backfills(self, schedule_id: UUID, *, before: UUID | None, limit: int) -> list[BackfillRow]:
        """Return backfills with ids below `before`, newest first."""
        ...

    async def backfill(self, tenant: str, id: UUID) -> BackfillRow | None: ...

    async def day_calendars(self, tenant: str) -> list[DayCalendarRow]:
        """Return the newest version of each, by name."""
        ...


class Scheduling(Protocol):
    """What a transaction does about schedules."""

    @property
    def turning(self) -> Mapping[UUID, ScheduleRow]:
        """The schedules that the transaction began with (TurnFirst), in their order."""
        ...

    async def lock_schedules(self, ids: Collection[UUID]) -> dict[UUID, ScheduleRow]:
        """Lock schedules in order of their id, and read the clock anew. It waits for those that
        another transaction has locked.
        """
        ...

    async def add_schedule(self, row: ScheduleRow, most: int) -> bool:
        """Insert one. Return False where the name is taken, or where the tenant has so many that
        are not deleted."""
        ...

    async def put_schedules(self, rows: Sequence[ScheduleRow]) -> None:
        """Write over schedules that this transaction has locked."""
        ...

    async def add_schedule_version(self, row: ScheduleVersionRow) -> None: ...

    async def at_turn(self, ids: Collection[UUID]) -> dict[UUID, AtTurn]:
        """Return what a turn needs of these schedules. One of which there is nothing is left
        out."""
        ...

    async def ticks_at(self, schedule_id: UUID, instants_us: Collection[int]) -> dict[int, TickRow]:
        """Return those of these ticks that are on record by themselves."""
        ...

    async def put_ticks(self, rows: Sequence[TickRow]) -> None:
        """Insert ticks, or write over them."""
        ...

    async def add_tick_range(self, row: TickRangeRow, *, follows_us: int | None) -> None:
        """Insert a range. `follows_us` is the tick that was decided right before its first: where
        a range with the same outcome, reason and saga ends with that one, it is made longer
        instead."""
        ...

    async def add_backfill(self, row: BackfillRow) -> bool:
        """Insert one. Return False where one of its schedule runs."""
        ...

    async def put_backfill(self, row: BackfillRow) -> None:
        """Write over one of a schedule that this transaction has locked."""
        ...

    async def put_day_calendar(self, row: DayCalendarRow) -> bool:
        """Insert a version of a calendar of days. Return False where that version is there."""
        ...

    async def delete_day_calendar(self, tenant: str, name: str) -> bool:
        """Delete all versions. Return False where there is none."""
        ...

    async def wake_schedules(self, tenant: str, *, uses_calendars: bool | None) -> int:
        """Let the loop look at these schedules now; None: at all that are not deleted.

        Returns:
            How many.
        """
        ...
