"""Calendars of days that schedules exclude, such as holidays."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import Final

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from saga_coordinator.calendar.document import DateRange, DayCalendarDocument
from saga_coordinator.console.console import Console
from saga_coordinator.console.forms import ActForm, FormRefused
from saga_coordinator.console.routing import ACTS, PageRoute
from saga_coordinator.console.schedule.listing import read_document
from saga_coordinator.store.schedule_records import DayCalendarRow, ScheduleRow
from saga_schemas.ids import valid_name
from saga_schemas.record_class import record

_PATH: Final = "/calendars"
_READ: Final = 500
_LOOKED_AT_MOST: Final = 2_000
"""Schedules among which those are looked for that exclude a calendar."""
_DAY: Final = re.compile(r"(?a:\d{4}-\d{2}-\d{2})")
_BETWEEN: Final = re.compile(r"\s*(?:\.\.|\bto\b|\s-\s|–)\s*")


@record
class CalendarLine:
    """One calendar of days."""

    row: DayCalendarRow
    document: DayCalendarDocument | None
    """None: a later release wrote it."""
    days: Sequence[str]
    """`2027-12-25`, or `2027-12-24 to 2027-12-31`."""
    users: Sequence[str]
    """Schedules that exclude it."""


async def show(console: Console, request: Request) -> Response:
    """All of them."""
    rows = await console.coordinator.day_calendars()
    users = await _users(console) if rows else {}
    return await console.page(
        request,
        "day_calendars.html",
        section="schedules",
        title="Day calendars",
        lines=[_line(row, users.get(row.name, [])) for row in rows],
    )


async def put(console: Console, request: Request) -> Response:
    """Add one, or write over it."""

    async def doing(form: ActForm) -> str:
        row = await console.coordinator.put_day_calendar(document_of(form), form.reason, form.actor)
        return f"{row.name} is written, as version {row.version}."

    return await console.act(request, _PATH, doing)


async def delete(console: Console, request: Request) -> Response:
    """Delete one that no schedule excludes."""

    async def doing(form: ActForm) -> str:
        name = request.path_params["name"]
        await console.coordinator.delete_day_calendar(name, form.reason, form.actor)
        return f"{name} is deleted."

    return await console.act(request, _PATH, doing)


def document_of(form: ActForm) -> DayCalendarDocument:
    """What the form says. Raises FormRefused."""
    name = form.get("name")
    if not valid_name(name):
        raise FormRefused("say a name of lower-case letters, digits and dashes")
    dates: list[str] = []
    ranges: list[DateRange] = []
    for line in filter(None, (line.strip() for line in form.get("days").splitlines())):
        first, *rest = _BETWEEN.split(line, maxsplit=1)
        if not rest:
            dates.append(_day(first))
        elif _day(first) <= _day(rest[0]):
            ranges.append(DateRange(first=first, last=rest[0]))
        else:
            raise FormRefused(f"{line}: the last day is before the first")
    try:
        return DayCalendarDocument(format=1, calendar=name, dates=tuple(dates), ranges=tuple(ranges), note=form.get("note"))
    except ValidationError as error:
        raise FormRefused(error.errors(include_url=False, include_input=False)[0]["msg"]) from None


def _day(text: str) -> str:
    try:
        if _DAY.fullmatch(text):
            date.fromisoformat(text)
            return text
    except ValueError:
        pass
    raise FormRefused(f"{text[:40]}: a day is written 2027-12-25, a range 2027-12-24 to 2027-12-31")


def _line(row: DayCalendarRow, users: Sequence[str]) -> CalendarLine:
    try:
        document = DayCalendarDocument.model_validate_json(row.document)
    except ValidationError:
        return CalendarLine(row=row, document=None, days=(), users=users)
    days = [*document.dates, *(f"{one.first} to {one.last}" for one in document.ranges)]
    return CalendarLine(row=row, document=document, days=sorted(days), users=users)


async def _users(console: Console) -> dict[str, list[str]]:
    """By calendar, the schedules that exclude it."""
    users: dict[str, list[str]] = {}
    after, looked_at, page = "", 0, list[ScheduleRow]()
    while looked_at < _LOOKED_AT_MOST and (looked_at == 0 or len(page) == _READ):
        page = await console.coordinator.schedules(after=after, limit=_READ)
        looked_at += max(len(page), 1)
        for row in page:
            after = row.name
            document = read_document(row) if row.uses_calendars else None
            for name in document.calendar.exclude.calendars if document is not None else ():
                users.setdefault(name, []).append(row.name)
    return users


ROUTES = [
    PageRoute(path=_PATH, handler=show),
    PageRoute(path=_PATH, handler=put, methods=ACTS),
    PageRoute(path=_PATH + "/{name}/delete", handler=delete, methods=ACTS),
]
