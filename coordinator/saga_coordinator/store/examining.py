"""Reads about the system itself: its instances, and what stands beside a saga in other tables."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Executable, case, delete, func, or_, select

from saga_coordinator.store import schema
from saga_coordinator.store.columns import database_clock
from saga_coordinator.store.dialect import AnyRow, Insert, insert_or
from saga_coordinator.store.examining_port import FORGOTTEN_AFTER_S, MADE_NAME, InstanceRow, InstanceState, Standing
from saga_coordinator.store.processes import is_gone
from saga_coordinator.store.rows import read

_I: Final = schema.instance.c
_SECOND_US: Final = 1_000_000
_LEADING_MS: Final = 80
"""Bits of a UUIDv7 behind its time."""
_MOST_PROBLEMS: Final = 20
_PROBLEM_CHARS: Final = 500


class ExaminingReads(ABC):
    """The port's `Examined`, and the entries of instances."""

    dialect: str
    _token: str

    @abstractmethod
    async def _rows(self, statement: Executable, values: Mapping[str, Any] | None = None) -> list[AnyRow]: ...

    @abstractmethod
    async def _write(self, statement: Executable, rows: Sequence[Mapping[str, Any]] | None = None) -> int: ...

    async def claim_instance(self, name: str, *, stale_s: float, state: InstanceState | None = None) -> bool:
        return await self._write(_claim(self.dialect, self._token, name, stale_s, state)) == 1

    async def release_instance(self, name: str) -> None:
        await self._write(delete(schema.instance).where(_I.name == name, _I.token == self._token))

    async def forget_instances(self) -> None:
        old = _I.seen_at < database_clock() - FORGOTTEN_AFTER_S * _SECOND_US
        await self._write(delete(schema.instance).where(_I.name.startswith(MADE_NAME), old))

    async def instances(self) -> list[InstanceRow]:
        columns = (_I.name, _I.since, _I.seen_at, _I.feature_level, _I.roles, _I.problems)
        return [read(_instance, row, "instance") for row in await self._rows(select(*columns).order_by(_I.name))]

    async def standing(self, saga_id: UUID) -> Standing:
        w, line, a, e = schema.wakeup.c, schema.saga_listing.c, schema.attention.c, schema.inbox_event.c
        parts = (
            select(w.due_at).where(w.saga_id == saga_id),
            select(line.phase).where(line.saga_id == saga_id),
            select(line.attention).where(line.saga_id == saga_id),
            select(func.count()).select_from(schema.attention).where(a.saga_id == saga_id),
            select(func.count()).select_from(schema.inbox_event).where(e.saga_id == saga_id),
            select(e.id).where(e.saga_id == saga_id).order_by(e.id).limit(1),
        )
        ((due, phase, listed, attention, inbox, oldest),) = await self._rows(select(*(part.scalar_subquery() for part in parts)))
        return Standing(
            due_at_us=due,
            listed_phase=phase,
            listed_attention=listed or 0,
            attention=attention,
            inbox=inbox,
            inbox_oldest_us=None if oldest is None else (oldest.int >> _LEADING_MS) * 1000,
        )


def _claim(dialect: str, token: str, name: str, stale_s: float, state: InstanceState | None) -> Insert:
    """A process keeps the time of its first entry. One that takes a name over begins anew."""
    now: ColumnElement[int] = database_clock()
    seen = {"name": name, "token": token, "seen_at": now, "since": now, "feature_level": schema.FEATURE_LEVEL}
    said = {"roles": None, "problems": None} if state is None else _said(state)
    new = insert_or(dialect, schema.instance, seen | said)
    ours = _I.token == token
    kept = case((ours, func.coalesce(_I.since, new.excluded.since)), else_=new.excluded.since)
    changed = {column: new.excluded[column] for column in ("token", "seen_at", "feature_level", "roles", "problems")}
    return new.on_conflict_do_update(
        index_elements=["name"],
        set_={**changed, "since": kept},
        where=or_(ours, _I.seen_at < now - int(stale_s * _SECOND_US), is_gone(dialect, _I.token)),
    )


def _said(state: InstanceState) -> dict[str, str]:
    problems = [problem[:_PROBLEM_CHARS] for problem in state.problems[:_MOST_PROBLEMS]]
    return {"roles": ",".join(state.roles), "problems": json.dumps(problems)}


def _instance(row: Sequence[Any]) -> InstanceRow:
    name, since, seen_at, level, roles, problems = row
    state = None
    if roles is not None:
        state = InstanceState(roles=tuple(filter(None, roles.split(","))), problems=tuple(map(str, json.loads(problems or "[]"))))
    return InstanceRow(name=name, since_us=since, seen_at_us=seen_at, feature_level=level, state=state)
