"""Reading finished sagas, and what else may be no longer kept, outside transactions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Executable, func, literal, select, tuple_

from saga_coordinator.store import schema
from saga_coordinator.store.columns import Id, Number
from saga_coordinator.store.dialect import AnyRow, AnySelect
from saga_coordinator.store.removal import old
from saga_coordinator.store.removal_port import RESTART_SOURCE, FinishedOf, FinishedSaga, OldRows
from saga_coordinator.store.rows import read
from saga_coordinator.store.schedule_removal import oldest_of_schedules

_T: Final = schema.saga_listing.c
_COLUMNS: Final = (
    *(_T.saga_id, _T.tenant, _T.definition_name, _T.definition_version, _T.business_key),
    *(_T.phase, _T.trace_id, _T.started_at, _T.closed_at, _T.shelf),
)
_YEAR_9999_US: Final = 253_402_300_799_000_000
_LEADING_MS: Final = 80
"""Bits of a UUIDv7 behind its time."""


class FinishedReads(ABC):
    """The port's `FinishedSagas`."""

    @abstractmethod
    async def _rows(self, statement: Executable, values: Mapping[str, Any] | None = None) -> list[AnyRow]: ...

    async def finished(self, which: FinishedOf, *, after: tuple[int, UUID] | None, limit: int) -> list[FinishedSaga]:
        query = select_finished(which, after).limit(limit)
        return [read(_finished, row, "saga_listing") for row in await self._rows(query)]

    async def restarted_as(self, tenant: str, saga_id: UUID) -> UUID | None:
        r = schema.start_request.c
        known = (r.tenant == tenant, r.source == RESTART_SOURCE, r.request_id == str(saga_id))
        rows = await self._rows(select(r.saga_id).where(*known))
        return rows[0][0] if rows else None

    async def count_finished(self, which: FinishedOf, most: int) -> int:
        some = select(literal(1)).select_from(schema.saga_listing).where(*_conditions(which)).limit(most).subquery()
        return int((await self._rows(select(func.count()).select_from(some)))[0][0])

    async def oldest(self, table: OldRows, tenant: str) -> int | None:
        match table:
            case "audit":
                a = schema.audit.c
                rows = await self._rows(select(a.at).where(a.tenant == tenant).order_by(a.id).limit(1))
            case "schedule_tick" | "schedule_tick_range" | "schedule_version":
                rows = await self._rows(oldest_of_schedules(table, tenant))
            case _:
                rows = await self._rows(old(table, tenant, _YEAR_9999_US).limit(1))
                return (rows[0][0].int >> _LEADING_MS) * 1000 if rows else None
        return rows[0][0] if rows else None

    async def give_back(self) -> int:
        return 0


def select_finished(which: FinishedOf, after: tuple[int, UUID] | None) -> AnySelect:
    """Finished sagas in order of their end: an index has them so."""
    query = select(*_COLUMNS).where(*_conditions(which)).order_by(_T.closed_at, _T.saga_id)
    if after is None:
        return query
    return query.where(tuple_(_T.closed_at, _T.saga_id) > tuple_(literal(after[0], Number), literal(after[1], Id())))


def _conditions(which: FinishedOf) -> list[ColumnElement[bool]]:
    return [
        _T.definition_name == which.definition,
        _T.definition_version == which.version,
        _T.shelf == which.shelf,
        _T.tenant == which.tenant,
        _T.closed_at < which.before_us,
    ]


def _finished(row: Any) -> FinishedSaga:
    id, tenant, definition, version, key, phase, trace_id, started_at, closed_at, shelf = row
    return FinishedSaga(
        id=id,
        tenant=tenant,
        definition=definition,
        definition_version=version,
        business_key=key,
        phase=phase,
        trace_id=trace_id,
        started_at_us=started_at,
        closed_at_us=closed_at,
        shelf=shelf,
    )
