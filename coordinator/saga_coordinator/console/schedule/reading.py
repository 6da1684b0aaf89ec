"""What the page of one schedule needs of the coordinator."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from saga_coordinator.api.facade import Facade
from saga_coordinator.api.problems import Problem
from saga_coordinator.calendar.tick import Tick
from saga_coordinator.console.schedule.clock import ScheduleClock
from saga_coordinator.console.schedule.history import DecidedLine, decided_line
from saga_coordinator.console.schedule.listing import ScheduleLine, line_of, read_document
from saga_coordinator.engine.events import Refused
from saga_coordinator.schedules.document import ScheduleDocument
from saga_coordinator.schedules.starting import SCHEDULE_LABEL
from saga_coordinator.schedules.tick_names import tick_text
from saga_coordinator.store.schedule_records import OpenTicks, ScheduleRow, ScheduleStatus
from saga_coordinator.views.ticks import merged
from saga_schemas.ids import valid_name
from saga_schemas.record_class import record

DRAWN: Final = 30
"""Ticks of each kind in the drawing; lines of a page of ticks."""
_AT_ONCE: Final = 8
"""Schedules whose next ticks are asked for at a time."""
_TICKING: Final = frozenset({ScheduleStatus.ACTIVE, ScheduleStatus.PAUSED})


@record
class Story:
    """One schedule."""

    row: ScheduleRow
    document: ScheduleDocument | None
    """None: a later release wrote it."""
    clock: ScheduleClock
    now_us: int
    """The database's clock."""
    line: ScheduleLine
    """What the list says of it."""
    open: OpenTicks
    coming: Sequence[Tick]


async def read_row(coordinator: Facade, name: str) -> ScheduleRow:
    """Raises Problem."""
    try:
        if valid_name(name):
            return await coordinator.schedule(name)
    except Refused as refused:
        if refused.code != "schedule_unknown":
            raise
    raise Problem("schedule_unknown")


async def read_story(coordinator: Facade, name: str) -> Story:
    """Raises Problem."""
    row = await read_row(coordinator, name)
    now_us = await coordinator.store.now_us()
    document = read_document(row)
    found = (await coordinator.open_ticks([row])).get(row.id, OpenTicks())
    coming = await _coming(coordinator, row, now_us, DRAWN)
    return Story(
        row=row,
        document=document,
        clock=ScheduleClock("UTC" if document is None else document.calendar.zone),
        now_us=now_us,
        line=line_of(row, found, coming, now_us),
        open=found,
        coming=coming,
    )


async def read_lines(coordinator: Facade, rows: Sequence[ScheduleRow], now_us: int) -> list[ScheduleLine]:
    """What the list says of these schedules."""
    found = await coordinator.open_ticks(rows)
    turns = asyncio.Semaphore(_AT_ONCE)

    async def coming(row: ScheduleRow) -> Sequence[Tick]:
        async with turns:
            return await _coming(coordinator, row, now_us, 1)

    ticks = await asyncio.gather(*map(coming, rows))
    return [line_of(row, found.get(row.id, OpenTicks()), ticks[place], now_us) for place, row in enumerate(rows)]


async def read_decided(
    coordinator: Facade, story: Story, *, before_us: int | None, limit: int = DRAWN
) -> tuple[list[DecidedLine], int | None]:
    """Ticks before this instant, newest first, and before which instant the next page is."""
    ticks, ranges = await coordinator.decided_ticks(story.row.name, before_us=before_us, limit=limit + 1)
    rows, following_us = merged(ticks, ranges, limit)
    return [decided_line(row, story.clock) for row in rows], following_us


@record
class StartedBy:
    """The schedule that started a saga."""

    name: str
    tick: str
    has_page: bool
    """False: it was deleted."""


async def started_by(coordinator: Facade, saga_id: UUID, labels: Mapping[str, object]) -> StartedBy | None:
    """None: no schedule did. Only sagas with the label of schedules are asked about."""
    found = await coordinator.tick_of(saga_id) if SCHEDULE_LABEL in labels else None
    if found is None:
        return None
    schedule, tick = found
    return StartedBy(name=schedule.name, tick=tick_text(tick.at_us), has_page=schedule.status != ScheduleStatus.DELETED)


async def _coming(coordinator: Facade, row: ScheduleRow, now_us: int, count: int) -> Sequence[Tick]:
    """The ticks that are not decided yet; of one that is paused those from now on."""
    if row.status not in _TICKING:
        return []
    from_us = now_us if row.status == ScheduleStatus.PAUSED else None
    try:
        return await coordinator.next_ticks(row.name, from_us=from_us, count=count)
    except Refused:
        return []  # its calendar cannot be read any more: that is its attention
