"""Removing what is no longer kept of schedules: ticks and ranges of ticks by their instants,
versions of those that are deleted.

Each schedule's oldest rows are found by the key, which begins with the schedule: no index is kept
for this alone.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterable
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, Table, delete, func, not_, or_, select, tuple_, update

from saga_coordinator.store.dialect import AnySelect, among
from saga_coordinator.store.schedule_records import ScheduleStatus
from saga_coordinator.store.schedule_rows import is_queued, is_running
from saga_coordinator.store.schedule_tables import schedule, schedule_tick, schedule_tick_range, schedule_version
from saga_coordinator.store.transaction_part import TransactionPart

BySchedule = Literal["schedule_tick", "schedule_tick_range", "schedule_version"]

_S: Final = schedule.c
_TABLES: Final[dict[BySchedule, Table]] = {
    "schedule_tick": schedule_tick,
    "schedule_tick_range": schedule_tick_range,
    "schedule_version": schedule_version,
}
_AGE: Final[dict[BySchedule, str]] = {"schedule_tick": "at", "schedule_tick_range": "last", "schedule_version": "at"}


class ScheduleRemovals(TransactionPart, ABC):
    """The part of the port's `Removing` about schedules."""

    async def remove_of_schedules(self, table: BySchedule, tenant: str, before_us: int, limit: int) -> int:
        t, age = _TABLES[table], _TABLES[table].c[_AGE[table]]
        key = list(t.primary_key.columns)
        due = select(*key, age).join(schedule, _S.id == t.c.schedule_id)
        due = due.where(_S.tenant == tenant, age < before_us, *_may_go(table)).limit(limit)
        found = [tuple(row) for row in await self.execute(due)]
        if table != "schedule_version":
            found = await self._noted(found)
        if not found:
            return 0
        gone = delete(t).where(tuple_(*key).in_([row[: len(key)] for row in found]))
        if table == "schedule_tick":  # it may have come to run before its schedule was locked
            gone = gone.where(*_may_go(table))
        return (await self.execute(gone)).rowcount

    async def _noted(self, found: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Those of them whose schedules nobody holds; these know now that they go."""
        by_schedule: dict[UUID, list[tuple[Any, ...]]] = {}
        for row in found:
            by_schedule.setdefault(row[0], []).append(row)
        if not by_schedule:
            return []
        free = select(_S.id).where(among(self._dialect, _S.id, sorted(by_schedule))).order_by(_S.id)
        locked = [row[0] for row in await self.execute(free.with_for_update(key_share=True, skip_locked=True))]
        for id in locked:
            from_us = max(row[-1] for row in by_schedule[id]) + 1
            await self.execute(update(schedule).where(_S.id == id, _S.ticks_from < from_us).values(ticks_from=from_us))
        return [row for id in locked for row in by_schedule[id]]


def oldest_of_schedules(table: BySchedule, tenant: str) -> AnySelect:
    """When the oldest row was made that may go at some time; None: there is none."""
    t, age = _TABLES[table], _TABLES[table].c[_AGE[table]]
    first = select(age).where(t.c.schedule_id == _S.id, *_may_go(table)).order_by(*t.primary_key.columns).limit(1)
    return select(func.min(first.correlate(schedule).scalar_subquery())).select_from(schedule).where(_S.tenant == tenant)


def _may_go(table: BySchedule) -> list[ColumnElement[bool]]:
    match table:
        case "schedule_tick":
            return [not_(or_(is_running(), is_queued()))]
        case "schedule_tick_range":
            return []
        case "schedule_version":
            return [_S.status == str(ScheduleStatus.DELETED)]
