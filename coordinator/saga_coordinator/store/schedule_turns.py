"""What a turn of schedules reads, each in one statement: the fewer round trips it takes, the
shorter it holds its locks, above all where the machine is busy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, bindparam, case, cast, func, literal, null, or_, select, union_all

from saga_coordinator.store import schema
from saga_coordinator.store.columns import Ids, Number, Words, database_clock, in_order
from saga_coordinator.store.dialect import AnyRow, AnySelect, AnyUnion, among_given
from saga_coordinator.store.schedule_records import AtTurn, BackfillRow, EndedTick, TickOutcome, TickRow, TurnFirst
from saga_coordinator.store.schedule_rows import (
    IDS,
    SCHEDULES,
    TICKS,
    is_running,
    runs_backfill,
    select_queued_ticks,
    select_running_ticks,
)
from saga_coordinator.store.schedule_tables import schedule, schedule_backfill, schedule_tick

OPEN: Final = "open"
BACKFILL: Final = "backfill"
"""They stand for an outcome in a row that tells of the open sagas of a schedule, and in one that
says that it has a backfill which runs."""
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
_SEEN, _SEEN_AT, _OTHERS, _MOST = "seen", "seen_at", "others", "most"
_S: Final = schedule.c
_B: Final = schedule_backfill.c


@cache
def select_turning(dialect: str) -> AnySelect:
    """Lock schedules for their turn (`turning_values`); with the clock, which is read outside the
    locking query, row by row: the last row's is later than the last lock.
    """
    of_these = among_given(dialect, _S.id, _SEEN)
    as_seen = or_(_S.wake_at <= bindparam(_SEEN_AT, type_=Number), among_given(dialect, _S.id, _OTHERS))
    most = bindparam(_MOST, type_=Number)
    due = SCHEDULES.select().where(of_these, as_seen).order_by(_S.wake_at.nulls_last(), _S.id).limit(most)
    locked = due.with_for_update(key_share=True, skip_locked=True).subquery("s")
    query = select(*locked.c, database_clock().label("clock"))
    if dialect == "postgresql":
        whole = func.set_config(_WHOLE, bindparam(_WHOLE, type_=Words), True)
        query = query.add_columns(func.set_config(_IDLE, bindparam(_IDLE, type_=Words), True), case((_CAN_LIMIT, whole)))
    return query


def turning_values(first: TurnFirst) -> dict[str, Any]:
    """The parameters of `select_turning`; SQLite leaves those aside that it has no use for."""
    others = sorted(row.id for row in first.seen if row.wake_at_us is None or row.wake_at_us > first.seen_at_us)
    return {
        _SEEN: sorted(row.id for row in first.seen),
        _SEEN_AT: first.seen_at_us,
        _OTHERS: others,
        _MOST: first.limit,
        _IDLE: _ms(first.silent_s),
        _WHOLE: _ms(first.silent_s * WHOLE_TIMES),
    }


def _ms(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"


@cache
def select_at_turn(dialect: str) -> AnyUnion:
    """Of schedules (IDS): ticks whose sagas have ended, each with how; ticks that wait; oldest
    first. And a row for each schedule whose sagas are open, with their ids; and one for each
    backfill that runs.

    Of a saga that is open a turn needs no more than its id, and there may be a hundred. With a row
    each, 40 of each schedule took two fifths of a turn's CPU.
    """
    s, t = schema.saga.c, schedule_tick.c
    sagas = schedule_tick.join(schema.saga, s.id == t.saga_id, isouter=True)
    ended = select_running_ticks(dialect).select_from(sagas).where(or_(s.id.is_(None), s.closed_at.is_not(None)))
    ended = ended.add_columns(s.phase.label("saga_phase"), s.closed_at.label("saga_closed_at"), _NO_IDS.label("sagas"))
    queued = select_queued_ticks(dialect).add_columns(_nothing(s.phase), _nothing(s.closed_at), _NO_IDS)
    marked: dict[str, ColumnElement[Any]] = {"schedule_id": t.schedule_id, "outcome": literal(OPEN, Words)}
    gathered = in_order(dialect, t.saga_id, t.at)
    opened = select(*_only(marked | {"sagas": gathered}, ended)).select_from(schedule_tick.join(schema.saga, s.id == t.saga_id))
    opened = opened.where(among_given(dialect, t.schedule_id, IDS), is_running(), s.closed_at.is_(None)).group_by(t.schedule_id)
    given: dict[str, ColumnElement[Any]] = {"schedule_id": _B.schedule_id, "outcome": literal(BACKFILL, Words)}
    backfills = select(*_only(given, ended)).where(among_given(dialect, _B.schedule_id, IDS), runs_backfill())
    return union_all(ended, queued, opened, backfills).order_by("schedule_id", "at")


def _only(given: Mapping[str, ColumnElement[Any]], like: AnySelect) -> list[ColumnElement[Any]]:
    """The columns of another query, empty but for these."""
    return [given.get(column.name, _nothing(column)) for column in like.selected_columns]


def _nothing(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return cast(null(), column.type)


_NO_IDS: Final = cast(null(), Ids())


def at_turn_of(rows: Sequence[AnyRow], backfills: Mapping[UUID, BackfillRow]) -> dict[UUID, AtTurn]:
    """What `select_at_turn` found, by schedule."""
    running: dict[UUID, tuple[UUID, ...]] = {}
    ended: dict[UUID, list[EndedTick]] = {}
    queued: dict[UUID, list[TickRow]] = {}
    for row in rows:
        if row.outcome == OPEN:
            running[row.schedule_id] = row.sagas
        elif row.outcome == TickOutcome.QUEUED:
            queued.setdefault(row.schedule_id, []).append(TICKS.of(row))
        else:
            one = EndedTick(tick=TICKS.of(row), phase=row.saga_phase, closed_at_us=row.saga_closed_at)
            ended.setdefault(row.schedule_id, []).append(one)
    return {
        id: AtTurn(
            running=running.get(id, ()),
            queued=tuple(queued.get(id, ())),
            ended=tuple(ended.get(id, ())),
            backfill=backfills.get(id),
        )
        for id in running.keys() | queued.keys() | ended.keys() | backfills.keys()
    }
