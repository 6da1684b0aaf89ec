"""`/v1/day-calendars`: days that schedules may exclude, such as holidays, under a name."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel

from saga_coordinator.api.bodies import ActQuery, DayCalendarBody
from saga_coordinator.api.facade import CoordinatorDep
from saga_coordinator.api.problems import WITH_BODY, Problem, problems
from saga_coordinator.api.request_body import StrictRoute
from saga_coordinator.api.schedule_checks import accepted_days
from saga_coordinator.views.schedules import DayCalendarView, day_calendar_view
from saga_schemas.ids import valid_name

router = APIRouter(prefix="/v1/day-calendars", tags=["schedules"], route_class=StrictRoute)

_PUT: Final = "put by hand"


class DayCalendarPage(BaseModel):
    """All of them."""

    items: list[DayCalendarView]


class DayCalendarRemoved(BaseModel):
    """It is gone."""

    name: str


@router.get("", responses=problems())
async def list_day_calendars(coordinator: CoordinatorDep) -> DayCalendarPage:
    """By name."""
    return DayCalendarPage(items=[day_calendar_view(row) for row in await coordinator.day_calendars()])


@router.put(
    "/{name}", responses=problems("calendar_unknown", "schedule_moved", "calendar_invalid", "schedule_invalid", *WITH_BODY)
)
async def put_day_calendar(coordinator: CoordinatorDep, name: str, body: DayCalendarBody) -> DayCalendarView:
    """Create a calendar of days, or its next version. Schedules that exclude it look at it at
    once."""
    document = await asyncio.to_thread(accepted_days, body.document, body.file)
    if document.calendar != _name(name):
        expected = f"a document of the calendar {name}"
        raise Problem("request_invalid", f"document.calendar: expected {expected}", field="document.calendar", expected=expected)
    return day_calendar_view(await coordinator.put_day_calendar(document, body.reason or _PUT, body.actor))


@router.get("/{name}", responses=problems("calendar_unknown"))
async def show_day_calendar(coordinator: CoordinatorDep, name: str) -> DayCalendarView:
    """One of them, as it stands."""
    found = next((row for row in await coordinator.day_calendars() if row.name == name), None)
    if found is None:
        raise Problem("calendar_unknown")
    return day_calendar_view(found)


@router.delete("/{name}", responses=problems("calendar_unknown", "calendar_used"))
async def delete_day_calendar(coordinator: CoordinatorDep, name: str, asked: Annotated[ActQuery, Query()]) -> DayCalendarRemoved:
    """Remove one that no schedule excludes."""
    await coordinator.delete_day_calendar(_name(name), asked.reason, asked.actor)
    return DayCalendarRemoved(name=name)


def _name(text: str) -> str:
    if not valid_name(text):
        raise Problem("calendar_unknown")
    return text
