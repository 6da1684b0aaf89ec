"""Rows of the tables of schedules, and the queries that the store and its transactions share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, and_, literal, union_all

from saga_coordinator.store.dialect import AnyRow, AnySelect, AnyUnion, among_given
from saga_coordinator.store.schedule_records import (
    BackfillRow,
    BackfillStatus,
    DayCalendarRow,
    OpenTicks,
    ScheduleRow,
    ScheduleStatus,
    ScheduleVersionRow,
    TickOutcome,
    TickRangeRow,
    TickRow,
)
from saga_coordinator.store.schedule_tables import (
    day_calendar,
    schedule,
    schedule_backfill,
    schedule_tick,
    schedule_tick_range,
    schedule_version,
)
from saga_coordinator.store.table_rows import TableRows

SCHEDULES: Final = TableRows(schedule, ScheduleRow, fields(ScheduleRow))
VERSIONS: Final = TableRows(schedule_version, ScheduleVersionRow, fields(ScheduleVersionRow))
TICKS: Final = TableRows(schedule_tick, TickRow, fields(TickRow))
RANGES: Final = TableRows(schedule_tick_range, TickRangeRow, fields(TickRangeRow))
BACKFILLS: Final = TableRows(schedule_backfill, BackfillRow, fields(BackfillRow))
DAYS: Final = TableRows(day_calendar, DayCalendarRow, fields(DayCalendarRow))


# Conditions of partial indexes, spelt out so that the planner sees them.


def is_kept() -> ColumnElement[bool]:
    """The schedule is not deleted."""
    return schedule.c.status != literal(str(ScheduleStatus.DELETED), literal_execute=True)


def is_running() -> ColumnElement[bool]:
    """The tick's saga runs, as far as the tick knows."""
    t = schedule_tick.c
    return and_(t.outcome == literal(str(TickOutcome.FIRED), literal_execute=True), t.phase.is_(None))


def is_queued() -> ColumnElement[bool]:
    return schedule_tick.c.outcome == literal(str(TickOutcome.QUEUED), literal_execute=True)


def runs_backfill() -> ColumnElement[bool]:
    return schedule_backfill.c.status == literal(str(BackfillStatus.RUNNING), literal_execute=True)


IDS: Final = "ids"
"""The parameter of the queries of ticks: of these schedules, in order."""


def select_running_ticks(dialect: str) -> AnySelect:
    return TICKS.select().where(among_given(dialect, schedule_tick.c.schedule_id, IDS), is_running())


def select_queued_ticks(dialect: str) -> AnySelect:
    return TICKS.select().where(among_given(dialect, schedule_tick.c.schedule_id, IDS), is_queued())


def select_open_ticks(dialect: str) -> AnyUnion:
    """Ticks of schedules (IDS) that run or wait, oldest first.

    Apart from each other, each kind is found by its index. With OR between them PostgreSQL would
    read all that has ever ticked.
    """
    return union_all(select_running_ticks(dialect), select_queued_ticks(dialect)).order_by("schedule_id", "at")


def open_ticks_of(rows: Iterable[AnyRow]) -> dict[UUID, OpenTicks]:
    """What `select_open_ticks` found, by schedule."""
    found: dict[UUID, tuple[list[TickRow], list[TickRow]]] = {}
    for row in rows:
        tick = TICKS.of(row)
        running, queued = found.setdefault(tick.schedule_id, ([], []))
        (queued if tick.outcome == TickOutcome.QUEUED else running).append(tick)
    return {id: OpenTicks(running=tuple(running), queued=tuple(queued)) for id, (running, queued) in found.items()}


def by_id(rows: Iterable[Sequence[Any]]) -> dict[UUID, ScheduleRow]:
    found = map(SCHEDULES.of, rows)
    return {one.id: one for one in found}
