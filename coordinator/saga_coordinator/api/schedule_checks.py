"""What a request says of schedules, checked: documents, instants, names."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any, Final

from saga_coordinator.api.answers import finding_shown
from saga_coordinator.api.facade import Facade
from saga_coordinator.api.problems import Problem
from saga_coordinator.calendar.document import CalendarDocument, DayCalendarDocument
from saga_coordinator.calendar.zones import ZoneUnknown, zone
from saga_coordinator.definitions.compile import CompiledDefinition
from saga_coordinator.registry.definition_cache import DefinitionCache
from saga_coordinator.schedules.document import ScheduleDocument
from saga_coordinator.schedules.findings import ScheduleLint
from saga_coordinator.schedules.lint import lint_days, lint_schedule, lint_schedule_data
from saga_schemas.ids import valid_name
from saga_schemas.times import from_datetime, parse_us

_EXPECTED: Final = "an RFC 3339 time such as 2027-03-27T00:00:00Z, or a day such as 2027-03-27"
_DAY_CHARS: Final = len("2027-03-27")

Given = str | dict[str, Any]
"""A file's text, or the same as JSON."""


async def linted(coordinator: Facade, given: Given, file: str) -> ScheduleLint:
    """Check a schedule against the definitions and day calendars that are stored.

    Raises StoreError, DefinitionMissing.
    """
    days = await days_by_name(coordinator)
    now_us = await coordinator.store.now_us()
    look = _Definitions()

    def lint() -> ScheduleLint:
        if isinstance(given, str):
            return lint_schedule(given, file, look, days, now_us)
        return lint_schedule_data(given, file, look, days, now_us)

    result = await asyncio.to_thread(lint)
    return await asyncio.to_thread(lint) if await look.load(coordinator.definitions) else result


def accepted(result: ScheduleLint, *, yes: bool) -> ScheduleDocument:
    """The document. Raises Problem where it has errors, or warnings that ask for a yes."""
    findings = [finding_shown(finding).model_dump() for finding in result.findings]
    if result.document is None:
        raise Problem("schedule_invalid", "the schedule has errors", findings=findings)
    if result.warnings_ask_yes and not yes:
        raise Problem("schedule_warned", "the schedule has warnings: say `yes` (`--yes`) if it is meant so", findings=findings)
    return result.document


def accepted_days(given: Given, file: str) -> DayCalendarDocument:
    """A calendar of days. Raises Problem."""
    result = lint_days(given if isinstance(given, str) else json.dumps(given), file)
    if result.document is None:
        findings = [finding_shown(finding).model_dump() for finding in result.findings]
        raise Problem("calendar_invalid", "the calendar of days has errors", findings=findings)
    return result.document


async def days_by_name(coordinator: Facade) -> dict[str, DayCalendarDocument]:
    rows = await coordinator.day_calendars()
    return {row.name: DayCalendarDocument.model_validate_json(row.document) for row in rows}


def schedule_name(text: str) -> str:
    """The name in a path. Raises Problem where no schedule can have it."""
    if not valid_name(text):
        raise Problem("schedule_unknown")
    return text


def instant_us(text: str, field: str, calendar: CalendarDocument, *, end: bool = False) -> int:
    """An instant of a request, or a day in the zone of the calendar.

    Args:
        text: RFC 3339, or a day.
        field: Where it stands in the request.
        calendar: Whose zone a day is of.
        end: Whether a day stands for its last microsecond, and not for its first.

    Raises:
        Problem: It is neither.
    """
    try:
        return _day_us(text, calendar, end) if len(text) == _DAY_CHARS else parse_us(text)
    except (ValueError, OverflowError):
        raise Problem("request_invalid", f"{field}: expected {_EXPECTED}", field=field, expected=_EXPECTED) from None


def _day_us(text: str, calendar: CalendarDocument, end: bool) -> int:
    day = datetime.strptime(text, "%Y-%m-%d")
    try:
        of = zone(calendar.zone)
    except ZoneUnknown:
        expected = f"an RFC 3339 time: the zone {calendar.zone} is not known any more"
        raise Problem("request_invalid", expected, field="from", expected=expected) from None
    if not end:
        return from_datetime(day.replace(tzinfo=of))
    return from_datetime((day + timedelta(days=1)).replace(tzinfo=of)) - 1


class _Definitions:
    """The linter looks definitions up while it does not wait. So those that it asked for in vain
    are loaded, and it looks again."""

    def __init__(self) -> None:
        self._asked: list[tuple[str, int | None]] = []
        self._found: dict[tuple[str, int | None], CompiledDefinition] = {}

    def __call__(self, name: str, version: int | None) -> CompiledDefinition | None:
        found = self._found.get((name, version))
        if found is None:
            self._asked.append((name, version))
        return found

    async def load(self, definitions: DefinitionCache) -> bool:
        """Load what was asked for. Returns whether there is any of it."""
        for name, version in self._asked:
            row = definitions.find(name, version)
            if row is None:
                await definitions.refresh()
                row = definitions.find(name, version)
            if row is not None:
                self._found[name, version] = await definitions.get(row.id)
        return bool(self._found)
