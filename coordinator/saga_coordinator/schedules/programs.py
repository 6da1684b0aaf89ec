"""Documents of schedules, made ready to run and kept for a while."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from saga_coordinator.calendar.document import DayCalendarDocument
from saga_coordinator.calendar.problem import CalendarInvalid
from saga_coordinator.definitions.compile import CompileFailed
from saga_coordinator.definitions.document import DocumentInvalid
from saga_coordinator.schedules.document import ScheduleDocument
from saga_coordinator.schedules.program import ScheduleProgram, program_of
from saga_coordinator.store.port import Store
from saga_coordinator.store.schedule_records import ScheduleRow

KEPT: Final = 20_000

Days = Mapping[str, DayCalendarDocument]


class ProgramUnready(Exception):
    """The stored document does not run: with this release, or with the days that it excludes."""


class Programs:
    """Finds the program of a schedule's version."""

    def __init__(self, store: Store, tenant: str) -> None:
        self._store = store
        self._tenant = tenant
        self._kept: OrderedDict[tuple[UUID, int, int], ScheduleProgram] = OrderedDict()
        self._days: Days = {}
        self._days_mark = 0
        """Another one for each state of the calendars of days."""

    async def refresh(self, rows: Sequence[ScheduleRow]) -> None:
        """Read the calendars of days where a schedule excludes them. Raises StoreError."""
        if any(row.uses_calendars for row in rows):
            await self.days()

    async def days(self) -> Days:
        """The calendars of days as they are stored now, by name. Raises StoreError."""
        stored = await self._store.day_calendars(self._tenant)
        days = {row.name: DayCalendarDocument.model_validate_json(row.document) for row in stored}
        if days != self._days:
            self._days, self._days_mark = days, self._days_mark + 1
        return self._days

    def of(self, row: ScheduleRow) -> ScheduleProgram:
        """The program of this version, with the calendars of days as they were read last.

        Raises ProgramUnready.
        """
        place = (row.id, row.version, self._days_mark if row.uses_calendars else 0)
        found = self._kept.get(place)
        if found is None:
            found = self._kept[place] = _program(row, self._days)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(place)
        return found


def _program(row: ScheduleRow, days: Days) -> ScheduleProgram:
    try:
        return program_of(ScheduleDocument.parse(row.document), days)
    except (DocumentInvalid, CalendarInvalid, CompileFailed) as problem:
        raise ProgramUnready(str(problem)) from problem
