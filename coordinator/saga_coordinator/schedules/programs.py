"""Documents of schedules, made ready to run and kept for a while."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from saga_coordinator.calendar.document import DayCalendarDocument
from saga_coordinator.calendar.problem import CalendarInvalid
from saga_coordinator.definitions.compile import CompileFailed
from saga_coordinator.schedules.document import ScheduleDocument
from saga_coordinator.schedules.program import ScheduleProgram, program_of
from saga_coordinator.store.port import Store
from saga_coordinator.store.schedule_records import ScheduleRow

KEPT: Final = 20_000

Days = Mapping[str, DayCalendarDocument]


class ProgramUnready(Exception):
    """The stored document does not run, such as one whose time zone is gone."""


class Programs:
    """Finds the program of a schedule's version."""

    def __init__(self, store: Store, tenant: str) -> None:
        self._store = store
        self._tenant = tenant
        self._kept: OrderedDict[tuple[UUID, int, int], ScheduleProgram] = OrderedDict()
        self._stored: Mapping[str, str] = {}
        """The calendars of days as they were stored when they were read last, by name."""
        self._days: Days = {}
        self._days_mark = 0
        """Another one for each state of the calendars of days."""

    async def refresh(self, rows: Sequence[ScheduleRow]) -> None:
        """Read the calendars of days where a schedule excludes them. Raises StoreError."""
        if any(row.uses_calendars for row in rows):
            await self.days()

    async def days(self) -> Days:
        """The calendars of days as they are stored now, by name. Raises StoreError."""
        stored = {row.name: row.document for row in await self._store.day_calendars(self._tenant)}
        if stored != self._stored:
            self._days = {name: DayCalendarDocument.model_validate_json(document) for name, document in stored.items()}
            self._stored, self._days_mark = stored, self._days_mark + 1
        return self._days

    def of(self, row: ScheduleRow) -> ScheduleProgram:
        """The program of this version, with the calendars of days as they were read last.

        Raises:
            ProgramUnready: It does not run.
            DocumentInvalid: A later release made it.
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
    document = ScheduleDocument.parse(row.document)
    try:
        return program_of(document, days)
    except (CalendarInvalid, CompileFailed) as problem:
        raise ProgramUnready(str(problem)) from problem
