"""`/v1/schedules`: create, update, list, show, and what a person may do to one.

What they tick, and have ticked, is in `tick_routes.py`.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel

from saga_coordinator.api.answers import finding_shown
from saga_coordinator.api.bodies import (
    ActBody,
    ActQuery,
    Page,
    ScheduleBody,
    SchedulePreviewBody,
    ScheduleQuery,
    ScheduleUpdateBody,
)
from saga_coordinator.api.facade import CoordinatorDep, Facade
from saga_coordinator.api.problems import WITH_BODY, FindingShown, Problem, problems
from saga_coordinator.api.request_body import StrictRoute
from saga_coordinator.api.saga_routes import bad_cursor
from saga_coordinator.api.schedule_checks import accepted, days_by_name, instant_us, linted, schedule_name
from saga_coordinator.calendar.tick import Tick
from saga_coordinator.calendar.zones import tzdata_version
from saga_coordinator.definitions.document import MAX_VERSION
from saga_coordinator.engine.events import Refused
from saga_coordinator.schedules.document import ScheduleDocument
from saga_coordinator.schedules.words import needs
from saga_coordinator.store.schedule_records import OpenTicks, ScheduleRow, ScheduleStatus
from saga_coordinator.views.schedules import (
    NextTickView,
    ScheduleLine,
    ScheduleView,
    next_tick_views,
    schedule_line,
    schedule_view,
)
from saga_coordinator.views.ticks import ScheduleVersionView, version_view
from saga_schemas.ids import parse_number
from saga_schemas.limits import INT32_MAX

router = APIRouter(prefix="/v1/schedules", tags=["schedules"], route_class=StrictRoute)

COMING: Final = 5
"""Ticks to come that are shown with a schedule."""
_LOOKS: Final = 20
"""Pages that are read for one page of a filtered list."""
_READ: Final = 500
_CREATED: Final = "created by hand"
_UPDATED: Final = "updated by hand"
_INVALID: Final = ("schedule_invalid", "schedule_warned", "definition_missing", *WITH_BODY)


class SchedulePage(BaseModel):
    items: list[ScheduleLine]
    next: str | None


class ScheduleSaved(BaseModel):
    """A schedule as it stands now, and what there is to say of it."""

    name: str
    version: int
    changed: bool
    """False: the same document as before."""
    schedule: ScheduleView
    findings: list[FindingShown]
    """Warnings only."""


class SchedulePreview(BaseModel):
    """What a schedule would do, were it created. Nothing was changed."""

    name: str
    zone: str
    tzdata: str
    ticks: list[NextTickView]
    asks_yes: bool
    """Its warnings ask whether it is meant so: creating it takes `yes`."""
    findings: list[FindingShown]
    """Warnings only."""


class ScheduleVersionPage(BaseModel):
    items: list[ScheduleVersionView]
    next: str | None


# --- create, update, delete -----------------------------------------------------------------------


@router.post("", status_code=201, responses=problems("schedule_exists", "schedules_full", *_INVALID))
async def create_schedule(coordinator: CoordinatorDep, body: ScheduleBody, response: Response) -> ScheduleSaved:
    """Check a schedule and store it: it ticks from now on."""
    result = await linted(coordinator, body.document, body.file)
    document = accepted(result, yes=body.yes)
    row = await coordinator.create_schedule(document, body.reason or _CREATED, body.actor)
    response.headers["Location"] = f"/v1/schedules/{row.name}"
    findings = [finding_shown(finding) for finding in result.findings]
    view = await shown_whole(coordinator, row)
    return ScheduleSaved(name=row.name, version=row.version, changed=True, schedule=view, findings=findings)


@router.put("/{name}", responses=problems("schedule_unknown", "schedule_unreadable", "schedule_moved", *_INVALID))
async def update_schedule(coordinator: CoordinatorDep, name: str, body: ScheduleUpdateBody) -> ScheduleSaved:
    """Make the next version of a schedule. What has run stays as it was."""
    before = await coordinator.schedule(schedule_name(name))
    result = await linted(coordinator, body.document, body.file)
    document = accepted(result, yes=body.yes)
    if document.schedule != name:
        expected = f"a document of the schedule {name}: a name never changes"
        raise Problem("request_invalid", f"document.schedule: expected {expected}", field="document.schedule", expected=expected)
    row = await coordinator.update_schedule(document, body.reason or _UPDATED, body.actor, version=body.version)
    return ScheduleSaved(
        name=row.name,
        version=row.version,
        changed=row.version != before.version,
        schedule=await shown_whole(coordinator, row),
        findings=[finding_shown(finding) for finding in result.findings],
    )


@router.delete("/{name}", responses=problems("schedule_unknown", "schedule_unreadable"))
async def delete_schedule(coordinator: CoordinatorDep, name: str, asked: Annotated[ActQuery, Query()]) -> ScheduleView:
    """Let it tick no more. Its sagas go on, ticks that wait are skipped, what it ran is kept."""
    row = await coordinator.delete_schedule(schedule_name(name), asked.reason, asked.actor)
    return await shown_whole(coordinator, row)


@router.post("/preview", responses=problems("schedule_invalid", "definition_missing", *WITH_BODY))
async def preview_schedule(coordinator: CoordinatorDep, body: SchedulePreviewBody) -> SchedulePreview:
    """What a schedule would do, were it created now."""
    result = await linted(coordinator, body.document, body.file)
    document = accepted(result, yes=True)
    now_us = await coordinator.store.now_us()
    begin_us = None if body.begin is None else instant_us(body.begin, "from", document.calendar)
    ticks = await coordinator.preview_ticks(document, from_us=begin_us, count=body.count) if body.count else []
    return SchedulePreview(
        name=document.schedule,
        zone=document.calendar.zone,
        tzdata=tzdata_version(),
        ticks=list(next_tick_views(ticks, document.calendar, now_us)),
        asks_yes=bool(result.warnings_ask_yes),
        findings=[finding_shown(finding) for finding in result.findings],
    )


# --- list and show --------------------------------------------------------------------------------


@router.get("", responses=problems())
async def list_schedules(coordinator: CoordinatorDep, wanted: Annotated[ScheduleQuery, Query()]) -> SchedulePage:
    """By name; the cursor is a name.

    A page of those that a filter takes may have few lines, or none, and still a `next`.
    """
    now_us = await coordinator.store.now_us()
    rows, following = await _wanted(coordinator, wanted, now_us)
    days = await days_by_name(coordinator)
    open_ticks = await coordinator.open_ticks(rows)

    def lines() -> list[ScheduleLine]:
        return [schedule_line(row, open_ticks.get(row.id, OpenTicks()), days, now_us) for row in rows]

    return SchedulePage(items=await asyncio.to_thread(lines), next=following)


@router.get("/{name}", responses=problems("schedule_unknown", "schedule_unreadable"))
async def show_schedule(coordinator: CoordinatorDep, name: str) -> ScheduleView:
    """One schedule: how it stands, what it does now, and what comes next."""
    return await shown_whole(coordinator, await coordinator.schedule(schedule_name(name)))


@router.get("/{name}/versions", responses=problems("schedule_unknown", "schedule_unreadable"))
async def list_versions(coordinator: CoordinatorDep, name: str, wanted: Annotated[Page, Query()]) -> ScheduleVersionPage:
    """Newest first, each with its document, who made it, and why."""
    below = INT32_MAX if wanted.cursor is None else parse_number(wanted.cursor, INT32_MAX)
    if below is None:
        raise bad_cursor()
    rows = await coordinator.schedule_versions(schedule_name(name), below=below, limit=wanted.limit)
    following = str(rows[-1].version) if len(rows) == wanted.limit else None
    return ScheduleVersionPage(items=[version_view(row) for row in rows], next=following)


@router.get("/{name}/versions/{version}", responses=problems("schedule_unknown", "schedule_unreadable"))
async def show_version(
    coordinator: CoordinatorDep, name: str, version: Annotated[int, Path(ge=1, le=MAX_VERSION)]
) -> ScheduleVersionView:
    """One version; its `file` can be compared with another's line by line."""
    rows = await coordinator.schedule_versions(schedule_name(name), below=version + 1, limit=1)
    if not rows or rows[0].version != version:
        raise Problem("schedule_unknown", f"the schedule {name} has no version {version}")
    return version_view(rows[0])


# --- acts -----------------------------------------------------------------------------------------


@router.post("/{name}/pause", responses=problems("schedule_unknown", "schedule_unreadable", "schedule_ended", *WITH_BODY))
async def pause_schedule(coordinator: CoordinatorDep, name: str, body: ActBody) -> ScheduleView:
    """Let it start nothing for a while. Its sagas go on."""
    return await shown_whole(coordinator, await coordinator.pause_schedule(schedule_name(name), body.reason, body.actor))


@router.post("/{name}/resume", responses=problems("schedule_unknown", "schedule_unreadable", "not_paused", *WITH_BODY))
async def resume_schedule(coordinator: CoordinatorDep, name: str, body: ActBody) -> ScheduleView:
    """Let it go on. What it missed meanwhile goes by its policy for missed ticks."""
    return await shown_whole(coordinator, await coordinator.resume_schedule(schedule_name(name), body.reason, body.actor))


async def shown_whole(coordinator: Facade, row: ScheduleRow) -> ScheduleView:
    """All that there is to show of a schedule. Raises StoreError."""
    open_ticks = (await coordinator.open_ticks([row])).get(row.id, OpenTicks())
    coming = await _coming(coordinator, row)
    days, now_us = await days_by_name(coordinator), await coordinator.store.now_us()
    return schedule_view(row, open_ticks, coming, days, now_us)


async def _coming(coordinator: Facade, row: ScheduleRow) -> list[Tick]:
    """None where its calendar cannot be read any more: what needs a person says so."""
    if row.status in (ScheduleStatus.DELETED, ScheduleStatus.ENDED):
        return []
    try:
        return await coordinator.next_ticks(row.name, from_us=None, count=COMING)
    except Refused as refused:
        if refused.code != "schedule_invalid":
            raise
        return []


async def document_of(coordinator: Facade, name: str) -> ScheduleDocument:
    return ScheduleDocument.parse((await coordinator.schedule(schedule_name(name))).document)


async def _wanted(coordinator: Facade, wanted: ScheduleQuery, now_us: int) -> tuple[list[ScheduleRow], str | None]:
    """One page of the schedules that a filter takes, and the name that the next one comes after."""
    found: list[ScheduleRow] = []
    after, is_deleted = wanted.cursor or "", wanted.status is ScheduleStatus.DELETED
    is_filtered = wanted.attention or wanted.status is not None
    for _ in range(_LOOKS):
        most = _READ if is_filtered else wanted.limit
        rows = await coordinator.schedules(after=after, limit=most, deleted=is_deleted)
        for row in rows:
            after = row.name
            if wanted.status in (None, row.status) and (not wanted.attention or needs(row, now_us)):
                found.append(row)
            if len(found) == wanted.limit:
                return found, after
        if len(rows) < most:
            return found, None
    return found, after
