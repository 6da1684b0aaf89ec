"""`/v1/schedules/{name}`: ticks to come and ticks that were decided; trigger and backfill."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from saga_coordinator.api.bodies import ActBody, BackfillBody, NextQuery, Page, TriggerBody
from saga_coordinator.api.facade import CoordinatorDep
from saga_coordinator.api.problems import WITH_BODY, Problem, problems
from saga_coordinator.api.request_body import StrictRoute
from saga_coordinator.api.saga_routes import bad_cursor
from saga_coordinator.api.schedule_checks import instant_us, schedule_name
from saga_coordinator.api.schedule_routes import document_of
from saga_coordinator.calendar.zones import tzdata_version
from saga_coordinator.views.schedules import NextTickView, next_tick_views
from saga_coordinator.views.ticks import BackfillView, TickRangeView, TickView, backfill_view, decided_view, merged, tick_view
from saga_schemas.ids import parse_saga_id
from saga_schemas.times import format_us, parse_us

router = APIRouter(prefix="/v1", tags=["schedules"], route_class=StrictRoute)


class NextTicks(BaseModel):
    """Ticks to come."""

    items: list[NextTickView]
    zone: str
    tzdata: str
    """The release of the time zones."""


class DecidedPage(BaseModel):
    items: list[TickView | TickRangeView]
    next: str | None


class BackfillCount(BaseModel):
    """What a backfill would come to (`dry_run`). Nothing was changed."""

    found: int
    """Ticks in the range; those that have fired do not run again."""
    first_at: str
    last_at: str


class BackfillPage(BaseModel):
    items: list[BackfillView]
    next: str | None


_COUNTED: Final[dict[int | str, dict[str, Any]]] = {200: {"model": BackfillCount, "description": "with `dry_run`"}}


@router.get("/schedules/{name}/next", responses=problems("schedule_unknown", "schedule_unreadable", "schedule_invalid"))
async def next_ticks(coordinator: CoordinatorDep, name: str, wanted: Annotated[NextQuery, Query()]) -> NextTicks:
    """The ticks to come by its calendar, each with what is odd about it, such as an hour that is
    skipped."""
    calendar = (await document_of(coordinator, name)).calendar
    begin_us = None if wanted.begin is None else instant_us(wanted.begin, "from", calendar)
    ticks = await coordinator.next_ticks(name, from_us=begin_us, count=wanted.count)
    items = list(next_tick_views(ticks, calendar, await coordinator.store.now_us()))
    return NextTicks(items=items, zone=calendar.zone, tzdata=tzdata_version())


@router.get("/schedules/{name}/ticks", responses=problems("schedule_unknown", "schedule_unreadable"))
async def decided_ticks(coordinator: CoordinatorDep, name: str, wanted: Annotated[Page, Query()]) -> DecidedPage:
    """What became of its ticks, newest first: each by itself, and runs of ticks that did not start
    for one reason."""
    try:
        before_us = None if wanted.cursor is None else parse_us(wanted.cursor)
    except ValueError:
        raise bad_cursor() from None
    ticks, ranges = await coordinator.decided_ticks(schedule_name(name), before_us=before_us, limit=wanted.limit + 1)
    rows, following = merged(ticks, ranges, wanted.limit)
    return DecidedPage(items=[decided_view(row) for row in rows], next=None if following is None else format_us(following))


@router.post(
    "/schedules/{name}/trigger",
    responses=problems("schedule_unknown", "schedule_unreadable", "overlap_unknown", "schedule_busy", *WITH_BODY),
)
async def trigger_schedule(coordinator: CoordinatorDep, name: str, body: TriggerBody) -> TickView:
    """Run it now, besides its calendar. What became of it is in the tick."""
    row = await coordinator.trigger_schedule(schedule_name(name), body.reason, body.actor, overlap=body.overlap)
    return tick_view(row)


@router.post(
    "/schedules/{name}/backfills",
    status_code=201,
    responses=_COUNTED
    | problems("schedule_unknown", "schedule_unreadable", "backfill_refused", "backfill_running", "overlap_unknown", *WITH_BODY),
)
async def make_backfill(
    coordinator: CoordinatorDep, name: str, body: BackfillBody, response: Response
) -> BackfillView | BackfillCount:
    """Run a range of past ticks: it goes on by itself. A tick that has fired does not run again."""
    calendar = (await document_of(coordinator, name)).calendar
    first_us, last_us = instant_us(body.begin, "from", calendar), instant_us(body.until, "until", calendar, end=True)
    if body.dry_run:
        response.status_code = 200
        found = await coordinator.count_backfill(name, from_us=first_us, until_us=last_us)
        return BackfillCount(found=found, first_at=format_us(first_us), last_at=format_us(last_us))
    row = await coordinator.backfill_schedule(
        name,
        body.reason,
        body.actor,
        from_us=first_us,
        until_us=last_us,
        overlap=body.overlap,
        per_minute=body.per_minute,
    )
    return backfill_view(row)


@router.get("/schedules/{name}/backfills", responses=problems("schedule_unknown", "schedule_unreadable"))
async def list_backfills(coordinator: CoordinatorDep, name: str, wanted: Annotated[Page, Query()]) -> BackfillPage:
    """Newest first: the one that runs, and those of the past."""
    before = None if wanted.cursor is None else parse_saga_id(wanted.cursor)
    if wanted.cursor is not None and before is None:
        raise bad_cursor()
    rows = await coordinator.backfills(schedule_name(name), before=before, limit=wanted.limit)
    return BackfillPage(items=[backfill_view(row) for row in rows], next=str(rows[-1].id) if len(rows) == wanted.limit else None)


@router.post("/backfills/{backfill_id}/stop", responses=problems("backfill_unknown", "backfill_over", *WITH_BODY))
async def stop_backfill(coordinator: CoordinatorDep, backfill_id: str, body: ActBody) -> BackfillView:
    """Let it run no more ticks. What it has started goes on."""
    found = parse_saga_id(backfill_id)
    if found is None:
        raise Problem("backfill_unknown")
    return backfill_view(await coordinator.stop_backfill(found, body.reason, body.actor))
