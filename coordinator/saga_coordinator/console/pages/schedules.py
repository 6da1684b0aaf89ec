"""Schedules: when sagas start by themselves, what became of each tick, and what comes next."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from saga_coordinator.api.problems import Problem
from saga_coordinator.calendar.zones import tzdata_version
from saga_coordinator.console import parameters
from saga_coordinator.console.console import Console
from saga_coordinator.console.drawing.ticks import TickRow, draw_ticks, latest, legend
from saga_coordinator.console.rendering import path_part
from saga_coordinator.console.routing import PageRoute
from saga_coordinator.console.schedule.backfilling import far
from saga_coordinator.console.schedule.history import DecidedLine, coming_marks, decided_marks
from saga_coordinator.console.schedule.listing import STATES, Wanted, found
from saga_coordinator.console.schedule.looks import BACKFILLS
from saga_coordinator.console.schedule.policies import OVERLAPS, calendar_words, missed_words, overlap_words
from saga_coordinator.console.schedule.reading import Story, read_decided, read_lines, read_row, read_story
from saga_coordinator.definitions.changes import changed_fields
from saga_coordinator.query import quoted
from saga_coordinator.schedules.document import MAX_AT_ONCE
from saga_coordinator.store.schedule_records import ScheduleRow, ScheduleStatus, ScheduleVersionRow
from saga_coordinator.views.schedule_file import file_of

SECTION: Final = "schedules"
LINES: Final = 50
_VERSIONS: Final = 20
_BACKFILLS: Final = 10
_DOCUMENT_LINES: Final = 2_000
_MARKS: Final = {"+": "plus", "-": "minus", " ": "same", "…": "soft"}


async def show_all(console: Console, request: Request) -> Response:
    """Schedules by name."""
    wanted = Wanted(state=parameters.text(request, "state"), text=parameters.text(request, "text"))
    if wanted.state not in STATES:
        raise Problem("request_invalid", "state: expected active, paused, ended, deleted or attention.")
    after = parameters.text(request, "after")
    coordinator = console.coordinator
    now_us = await coordinator.store.now_us()

    async def read(name: str, limit: int) -> Sequence[ScheduleRow]:
        return await coordinator.schedules(after=name, limit=limit, deleted=wanted.state == ScheduleStatus.DELETED)

    page = await found(read, wanted, after=after, limit=LINES, now_us=now_us)
    asked = {"state": wanted.state, "text": wanted.text}
    return await console.page(
        request,
        "schedules.html",
        section=SECTION,
        title="Schedules",
        live="schedules" if not after else None,
        lines=await read_lines(coordinator, page.rows, now_us),
        wanted=wanted,
        states=[
            (state, words, parameters.address("/schedules", state=state, text=wanted.text)) for state, words in STATES.items()
        ],
        first=parameters.address("/schedules", **asked) if after else None,
        further=parameters.address("/schedules", **asked, after=page.further) if page.further is not None else None,
    )


async def show(console: Console, request: Request) -> Response:
    """One schedule: how it does, its last and next ticks, and what it says."""
    coordinator, name = console.coordinator, request.path_params["name"]
    before_us = parameters.number(request, "before")
    story = await read_story(coordinator, name)
    lines, older = await read_decided(coordinator, story, before_us=before_us)
    versions = await coordinator.schedule_versions(name, below=story.row.version + 1, limit=_VERSIONS)
    rows = _drawn(console, story, lines, is_newest=before_us is None)
    base = f"/schedules/{path_part(name)}"
    document = story.document
    text = [] if document is None else file_of(document).splitlines()
    return await console.page(
        request,
        "schedule.html",
        section=SECTION,
        title=name,
        live=f"schedule/{name}" if before_us is None else None,
        base=console.url(base),
        story=story,
        row=story.row,
        document=document,
        drawing=draw_ticks(rows),
        legend=legend(rows),
        lines=lines,
        is_newest=before_us is None,
        older=parameters.address(base, before=older) + "#ticks" if older is not None else None,
        newest=f"{base}#ticks" if before_us is not None else None,
        versions=versions,
        backfills=[(one, BACKFILLS[one.status]) for one in await coordinator.backfills(name, before=None, limit=_BACKFILLS)],
        calendar=calendar_words(document.calendar) if document is not None else "",
        overlap=overlap_words(document.overlap) if document is not None else "",
        missed=missed_words(document.missed) if document is not None else "",
        overlaps=OVERLAPS,
        limit_most=MAX_AT_ONCE,
        far=far,
        tzdata=tzdata_version(),
        sagas_path=parameters.address("/sagas", query=f"label.schedule = {quoted(name)}"),
        audit_path=parameters.address("/audit", target=name),
        text=text[:_DOCUMENT_LINES],
        lines_left_out=max(0, len(text) - _DOCUMENT_LINES),
    )


def _drawn(console: Console, story: Story, lines: Sequence[DecidedLine], *, is_newest: bool) -> list[TickRow]:
    decided = decided_marks(lines, lambda saga_id: console.url(f"/sagas/{saga_id}"))
    rows = [TickRow(heading="Decided, the latest last", marks=latest(decided), empty="no tick is decided yet")]
    if is_newest:
        coming = coming_marks(story.coming, story.clock)
        rows.append(TickRow(heading="To come", marks=coming, empty="no tick comes any more"))
    return rows


async def compare(console: Console, request: Request) -> Response:
    """What changed between two versions."""
    name = request.path_params["name"]
    row = await read_row(console.coordinator, name)
    later = parameters.number(request, "to") or row.version
    earlier = parameters.number(request, "from") or max(1, later - 1)
    after, before = await _version(console, name, later), await _version(console, name, earlier)
    return await console.page(
        request,
        "schedule_diff.html",
        section=SECTION,
        title=f"{name} {earlier} → {later}",
        name=name,
        before=before,
        after=after,
        newest=row.version,
        change=await asyncio.to_thread(lambda: changed_fields(_plain(before), _plain(after))),
        marks=_MARKS,
    )


async def _version(console: Console, name: str, version: int) -> ScheduleVersionRow:
    rows = await console.coordinator.schedule_versions(name, below=version + 1, limit=1)
    if not rows or rows[0].version != version:
        raise Problem("schedule_unknown", f"{name} has no version {version}.")
    return rows[0]


def _plain(row: ScheduleVersionRow) -> dict[str, object]:
    """The document without what never changes, of whatever release."""
    plain: dict[str, object] = json.loads(row.document)
    return {field: value for field, value in plain.items() if field not in ("format", "schedule")}


ROUTES = [
    PageRoute(path="/schedules", handler=show_all),
    PageRoute(path="/schedules/{name}", handler=show),
    PageRoute(path="/schedules/{name}/diff", handler=compare),
]
