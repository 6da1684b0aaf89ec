"""Reading schedules outside transactions, the same on both databases."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Executable, and_, bindparam, case, exists, func, literal, or_, select, union_all

from saga_coordinator.store import schema
from saga_coordinator.store.columns import Id, Number, database_clock
from saga_coordinator.store.dialect import AnyRow, AnySelect, AnyUnion, among
from saga_coordinator.store.schedule_records import (
    BackfillRow,
    DayCalendarRow,
    OpenTicks,
    ScheduleCounts,
    ScheduleRow,
    ScheduleStatus,
    ScheduleVersionRow,
    TickRangeRow,
    TickRow,
)
from saga_coordinator.store.schedule_rows import (
    BACKFILLS,
    DAYS,
    IDS,
    RANGES,
    SCHEDULES,
    TICKS,
    VERSIONS,
    is_kept,
    is_running,
    open_ticks_of,
    runs_backfill,
    select_open_ticks,
)
from saga_coordinator.store.schedule_tables import (
    day_calendar,
    schedule,
    schedule_backfill,
    schedule_tick,
    schedule_tick_range,
    schedule_version,
)

_S: Final = schedule.c
_T: Final = schedule_tick.c
_NOBODY: Final = UUID(int=0)
SOON_US: Final = 1_000_000
"""A schedule that wakes within this time takes no turn for sagas that have ended."""
_TENANT: Final = bindparam("tenant", type_=_S.tenant.type)
_MOST: Final = "most"
_NOW: Final = bindparam("now", type_=Number)
_AWAKE: Final = (_S.tenant == _TENANT, is_kept(), _S.wake_at.is_not(None))
"""With the whole condition of the index `schedule_wake`."""


class ScheduleReads(ABC):
    """The port's `ScheduleStore`."""

    dialect: str

    @abstractmethod
    async def _rows(self, statement: Executable, values: Mapping[str, Any] | None = None) -> list[AnyRow]: ...

    async def schedules(self, tenant: str, *, after: str, limit: int, statuses: Collection[str]) -> list[ScheduleRow]:
        of_these = (_S.tenant == tenant, _S.name > after, _S.status.in_(sorted(map(str, statuses))))
        query = SCHEDULES.select().where(*of_these).order_by(_S.name).limit(limit)
        return [SCHEDULES.of(row) for row in await self._rows(query)]

    async def schedule(self, tenant: str, name: str) -> ScheduleRow | None:
        rows = await self._rows(SCHEDULES.select().where(_S.tenant == tenant, _S.name == name))
        return SCHEDULES.of(rows[0]) if rows else None

    async def schedule_counts(self, tenant: str) -> ScheduleCounts:
        row = (await self._rows(_COUNTS, {"tenant": tenant}))[0]
        return ScheduleCounts(
            active=row.active,
            paused=row.paused,
            attention=row.attention,
            overdue=row.overdue,
            due_since_us=row.due_since,
            backfills=row.backfills,
            now_us=row.now,
        )

    async def schedules_in_need(self, tenant: str, *, paused_for_us: int, limit: int) -> list[ScheduleRow]:
        clock = select(database_clock()).scalar_subquery()
        overdue = _S.success_due_at <= clock
        paused = and_(_S.status == str(ScheduleStatus.PAUSED), _S.paused_at <= clock - paused_for_us)
        since = case((_S.attention.is_not(None), _S.attention_since), (overdue, _S.success_due_at), else_=_S.paused_at)
        in_need = (_S.tenant == tenant, is_kept(), _S.attention.is_not(None) | overdue | paused)
        query = SCHEDULES.select().where(*in_need).order_by(since, _S.name).limit(limit)
        return [SCHEDULES.of(row) for row in await self._rows(query)]

    async def schedule_versions(self, schedule_id: UUID, *, below: int, limit: int) -> list[ScheduleVersionRow]:
        v = schedule_version.c
        query = VERSIONS.select().where(v.schedule_id == schedule_id, v.version < below).order_by(v.version.desc())
        return [VERSIONS.of(row) for row in await self._rows(query.limit(limit))]

    async def schedules_to_turn(self, tenant: str, *, limit: int, ended: bool) -> tuple[list[ScheduleRow], int | None, int]:
        now_us, next_us = 0, None
        since_ended: dict[UUID, int] = {}
        for id, at_us, earliest_us in await self._rows(_LOOK_ENDED if ended else _LOOK, {"tenant": tenant, _MOST: limit}):
            if id == _NOBODY:
                now_us, next_us = at_us, earliest_us
            else:
                since_ended[id] = at_us
        is_due = next_us is not None and next_us <= now_us
        if not since_ended and not is_due:
            return [], next_us, now_us
        due = await self._rows(_DUE, {"tenant": tenant, "now": now_us, _MOST: limit}) if is_due else []
        since = {row.id: row.wake_at for row in due}
        others = since_ended.keys() - since.keys()
        more = await self._rows(SCHEDULES.select().where(among(self.dialect, _S.id, sorted(others)))) if others else []
        since |= {id: min(at_us, since.get(id, at_us)) for id, at_us in since_ended.items()}
        found = sorted((SCHEDULES.of(row) for row in (*due, *more)), key=lambda one: (since[one.id], one.id))
        return found[:limit], None, now_us

    async def ticks(self, schedule_id: UUID, *, before_us: int, limit: int) -> list[TickRow]:
        query = TICKS.select().where(_T.schedule_id == schedule_id, _T.at < before_us).order_by(_T.at.desc()).limit(limit)
        return [TICKS.of(row) for row in await self._rows(query)]

    async def tick_of_saga(self, saga_id: UUID) -> tuple[ScheduleRow, TickRow] | None:
        started = (_T.saga_id == saga_id, _T.outcome == literal("fired", literal_execute=True))
        ticks = [TICKS.of(row) for row in await self._rows(TICKS.select().where(*started).limit(1))]
        rows = await self._rows(SCHEDULES.select().where(_S.id == ticks[0].schedule_id)) if ticks else []
        return (SCHEDULES.of(rows[0]), ticks[0]) if rows else None

    async def tick_ranges(self, schedule_id: UUID, *, before_us: int, limit: int) -> list[TickRangeRow]:
        r = schedule_tick_range.c
        query = RANGES.select().where(r.schedule_id == schedule_id, r.first < before_us)
        ordered = query.order_by(r.first.desc(), r.decided_at.desc())
        return [RANGES.of(row) for row in await self._rows(ordered.limit(limit))]

    async def open_ticks(self, ids: Collection[UUID]) -> dict[UUID, OpenTicks]:
        return open_ticks_of(await self._rows(select_open_ticks(self.dialect), {IDS: sorted(ids)})) if ids else {}

    async def backfills(self, schedule_id: UUID, *, before: UUID | None, limit: int) -> list[BackfillRow]:
        b = schedule_backfill.c
        query = BACKFILLS.select().where(b.schedule_id == schedule_id).order_by(b.id.desc()).limit(limit)
        if before is not None:
            query = query.where(b.id < before)
        return [BACKFILLS.of(row) for row in await self._rows(query)]

    async def backfill(self, tenant: str, id: UUID) -> BackfillRow | None:
        b = schedule_backfill.c
        rows = await self._rows(BACKFILLS.select().where(b.tenant == tenant, b.id == id))
        return BACKFILLS.of(rows[0]) if rows else None

    async def day_calendars(self, tenant: str) -> list[DayCalendarRow]:
        d = day_calendar.c
        newer = day_calendar.alias()
        newest = select(func.max(newer.c.version)).where(newer.c.tenant == d.tenant, newer.c.name == d.name).scalar_subquery()
        query = DAYS.select().where(d.tenant == tenant, d.version == newest).order_by(d.name)
        return [DAYS.of(row) for row in await self._rows(query)]


def _counts() -> AnySelect:
    clock = select(database_clock()).scalar_subquery()
    due = and_(_S.status == str(ScheduleStatus.ACTIVE), _S.fire_at <= clock)

    def count(*conditions: Any) -> Any:
        return func.count(case((and_(*conditions), 1)))

    return select(
        count(_S.status == str(ScheduleStatus.ACTIVE)).label("active"),
        count(_S.status == str(ScheduleStatus.PAUSED)).label("paused"),
        count(_S.attention.is_not(None)).label("attention"),
        count(_S.success_due_at <= clock).label("overdue"),
        func.min(case((due, _S.fire_at))).label("due_since"),
        select(func.count()).where(schedule_backfill.c.tenant == _TENANT, runs_backfill()).scalar_subquery().label("backfills"),
        clock.label("now"),
    ).where(_S.tenant == _TENANT, is_kept())


def _look() -> AnySelect:
    """The clock and the earliest wake-up of all."""
    earliest = select(_S.wake_at).where(*_AWAKE).order_by(_S.wake_at).limit(1).scalar_subquery()
    return select(literal(_NOBODY, Id()), database_clock(), earliest)


def _look_ended() -> AnyUnion:
    """The same; then, by schedule, the first of its ticks that run although their sagas have ended
    or are gone. The index of running ticks leads there; the schedule is looked up only for what is
    found. One that wakes soon notes it then: a schedule that ticks each second takes one turn for
    it, and not two.
    """
    saga = schema.saga.c
    is_open = exists().where(saga.id == _T.saga_id, saga.closed_at.is_(None))
    clock = select(database_clock()).scalar_subquery()
    not_soon = or_(_S.wake_at.is_(None), _S.wake_at > clock + SOON_US)
    has_time = exists().where(_S.id == _T.schedule_id, _S.tenant == _TENANT, not_soon)
    first = func.min(_T.at)
    ended = (
        select(_T.schedule_id.label("id"), first.label("at"))
        .where(is_running(), ~is_open)
        .group_by(_T.schedule_id)
        .having(has_time)
        .order_by(first, _T.schedule_id)
        .limit(bindparam(_MOST, type_=Number))
        .subquery()
    )
    return union_all(_look(), select(ended.c.id, ended.c.at, literal(0, Number)))


_COUNTS: Final = _counts()
_LOOK: Final = _look()
_LOOK_ENDED: Final = _look_ended()
_DUE: Final = (
    SCHEDULES.select().where(*_AWAKE, _S.wake_at <= _NOW).order_by(_S.wake_at, _S.id).limit(bindparam(_MOST, type_=Number))
)
