"""What a turn of schedules reads, each in one statement: the fewer round trips it takes, the
shorter it holds its locks, above all where the machine is busy.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, case, cast, func, literal, null, or_, select, union_all

from saga_coordinator.store import schema
from saga_coordinator.store.columns import Number, Words, database_clock
from saga_coordinator.store.dialect import AnyRow, AnySelect, AnyUnion, among
from saga_coordinator.store.schedule_records import AtTurn, BackfillRow, EndedTick, OpenTicks, TurnFirst
from saga_coordinator.store.schedule_rows import (
    SCHEDULES,
    open_ticks_of,
    runs_backfill,
    select_queued_ticks,
    select_running_ticks,
)
from saga_coordinator.store.schedule_tables import schedule, schedule_backfill, schedule_tick

BACKFILL: Final = "backfill"
"""Stands for an outcome in a row that says that the schedule has a backfill which runs."""
WHOLE_TIMES: Final = 2
"""So many times as long as it may be silent, a turn may last. An instance that is stopped between
two messages of one statement, as where a connection meets it for the first time, is not idle for
PostgreSQL, and holds its locks. In one hour, with the same two orders of kills and stops
(`tests/e2e/test_schedules_under_fire.py`, 200 schedules), 99 of 100 ticks were up to 1.0 and 1.2 s
late with 2, and 1.5 and 1.4 s with 4.
"""
_IDLE: Final = "idle_in_transaction_session_timeout"
_WHOLE: Final = "transaction_timeout"
_CAN_LIMIT: Final = cast(func.current_setting("server_version_num"), Number) >= 170_000
_S: Final = schedule.c
_B: Final = schedule_backfill.c


def select_turning(dialect: str, first: TurnFirst) -> AnySelect:
    """Lock schedules for their turn; with the clock, which is read outside the locking query, row
    by row: the last row's is later than the last lock.
    """
    others = sorted(row.id for row in first.seen if row.wake_at_us is None or row.wake_at_us > first.seen_at_us)
    of_these = among(dialect, _S.id, sorted(row.id for row in first.seen))
    as_seen = or_(_S.wake_at <= first.seen_at_us, among(dialect, _S.id, others))
    due = SCHEDULES.select().where(of_these, as_seen).order_by(_S.wake_at.nulls_last(), _S.id).limit(first.limit)
    locked = due.with_for_update(key_share=True, skip_locked=True).subquery("s")
    query = select(*locked.c, database_clock().label("clock"))
    if dialect == "postgresql":
        query = query.add_columns(
            func.set_config(_IDLE, _ms(first.silent_s), True),
            case((_CAN_LIMIT, func.set_config(_WHOLE, _ms(first.silent_s * WHOLE_TIMES), True))),
        )
    return query


def _ms(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"


def select_at_turn(dialect: str, ids: Collection[UUID]) -> AnyUnion:
    """Ticks that run, each with what its saga has become; ticks that wait; oldest first. And a row
    for each backfill that runs.
    """
    s = schema.saga.c
    over = case((or_(s.id.is_(None), s.closed_at.is_not(None)), 1), else_=0)
    sagas = schedule_tick.join(schema.saga, s.id == schedule_tick.c.saga_id, isouter=True)
    running = select_running_ticks(dialect, ids).select_from(sagas)
    running = running.add_columns(over.label("over"), s.phase.label("saga_phase"), s.closed_at.label("saga_closed_at"))
    queued = select_queued_ticks(dialect, ids).add_columns(literal(0), _nothing(s.phase), _nothing(s.closed_at))
    given: dict[str, ColumnElement[Any]] = {"schedule_id": _B.schedule_id, "outcome": literal(BACKFILL, Words)}
    empty = [given.get(column.name, _nothing(column)) for column in running.selected_columns]
    backfills = select(*empty).where(among(dialect, _B.schedule_id, sorted(ids)), runs_backfill())
    return union_all(running, queued, backfills).order_by("schedule_id", "at")


def _nothing(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return cast(null(), column.type)


def at_turn_of(rows: Sequence[AnyRow], backfills: Mapping[UUID, BackfillRow]) -> dict[UUID, AtTurn]:
    """What `select_at_turn` found, by schedule."""
    ended: dict[UUID, list[EndedTick]] = {}
    for row in rows:
        if row.over:
            ended.setdefault(row.schedule_id, []).append(
                EndedTick(
                    schedule_id=row.schedule_id,
                    at_us=row.at,
                    saga_id=row.saga_id,
                    phase=row.saga_phase,
                    closed_at_us=row.saga_closed_at,
                )
            )
    opened = open_ticks_of(rows)
    return {
        id: AtTurn(open=opened.get(id, OpenTicks()), ended=tuple(ended.get(id, ())), backfill=backfills.get(id))
        for id in opened.keys() | backfills.keys()
    }
