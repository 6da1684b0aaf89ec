"""Whether a schedule can be what somebody wants it to be, by what this instance knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from saga_coordinator.calendar.document import DayCalendarDocument
from saga_coordinator.definitions.compile import CompiledDefinition
from saga_coordinator.definitions.document import DocumentInvalid
from saga_coordinator.engine.events import Refused
from saga_coordinator.schedules.document import ScheduleDocument
from saga_coordinator.schedules.lint import lint_days_document, lint_schedule_document
from saga_coordinator.schedules.program import ScheduleProgram, program_of
from saga_coordinator.schedules.programs import Programs, ProgramUnready
from saga_coordinator.schedules.starting import TickStarts
from saga_coordinator.starts.requests import StartRefused
from saga_coordinator.store.port import Store
from saga_coordinator.store.schedule_records import ScheduleRow, ScheduleStatus

SCHEDULE_INVALID: Final = "schedule_invalid"
KEPT_STATUSES: Final = (ScheduleStatus.ACTIVE, ScheduleStatus.PAUSED, ScheduleStatus.ENDED)
_PAGE: Final = 500


async def kept_row(store: Store, tenant: str, name: str, *, deleted: bool = False) -> ScheduleRow:
    """One that is not deleted, or any. Raises Refused (schedule_unknown), StoreError."""
    row = await store.schedule(tenant, name)
    if row is None or (row.status == ScheduleStatus.DELETED and not deleted):
        raise Refused("schedule_unknown", f"there is no schedule {name}: `saga schedule list` shows those that are")
    return row


class Checking:
    """Checks and finds schedules of one tenant."""

    def __init__(self, store: Store, programs: Programs, starts: TickStarts, tenant: str) -> None:
        self._store = store
        self._programs = programs
        self._starts = starts
        self._tenant = tenant

    async def row(self, name: str, *, deleted: bool = False) -> ScheduleRow:
        """As `kept_row`."""
        return await kept_row(self._store, self._tenant, name, deleted=deleted)

    async def program(self, row: ScheduleRow) -> ScheduleProgram:
        """What it runs by. Raises Refused (schedule_invalid), StoreError."""
        await self._programs.refresh([row])
        try:
            return self._programs.of(row)
        except (ProgramUnready, DocumentInvalid) as unready:
            raise Refused(SCHEDULE_INVALID, str(unready)) from unready

    async def checked(self, document: ScheduleDocument) -> ScheduleProgram:
        """What a document would run by. Raises Refused (schedule_invalid), StoreError."""
        days = await self._programs.days()
        (found,) = await self._starts.definitions([document])
        compiled = None if isinstance(found, StartRefused) else found[1]

        def look(_name: str, _version: int | None) -> CompiledDefinition | None:
            return compiled

        lint = lint_schedule_document(document, look, days, await self._store.now_us())
        if lint.document is None:
            raise Refused(SCHEDULE_INVALID, "; ".join(finding.message for finding in lint.errors)[:2000])
        return program_of(document, days)

    async def check_days(self, document: DayCalendarDocument) -> None:
        """Raises Refused (schedule_invalid)."""
        lint = lint_days_document(document)
        if lint.document is None:
            raise Refused(SCHEDULE_INVALID, "; ".join(finding.message for finding in lint.errors)[:2000])

    async def users_of(self, calendar: str) -> Sequence[str]:
        """Names of schedules that exclude days of this calendar. Raises StoreError."""
        users: list[str] = []
        after = ""
        while page := await self._store.schedules(self._tenant, after=after, limit=_PAGE, statuses=KEPT_STATUSES):
            users += [row.name for row in page if row.uses_calendars and calendar in _calendars_of(row)]
            after = page[-1].name
        return users


def _calendars_of(row: ScheduleRow) -> Sequence[str]:
    try:
        return ScheduleDocument.parse(row.document).calendar.exclude.calendars
    except DocumentInvalid:
        return ()
