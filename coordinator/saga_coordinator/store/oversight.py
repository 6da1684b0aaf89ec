"""The reads of operators, the same on both databases."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, Executable, func, select

from saga_coordinator.store import schema
from saga_coordinator.store.columns import plain_uuid
from saga_coordinator.store.dialect import AnyRow, AnySelect
from saga_coordinator.store.oversight_port import (
    ATTENTION_LOOKED_AT,
    AUDIT_LOOKED_AT,
    OPEN_LOOKED_AT,
    AlikeAttention,
    AuditFilter,
    AuditPage,
    AuditRow,
)

_L: Final = schema.saga_listing.c


class OversightReads(ABC):
    """The port's `Oversight`."""

    @abstractmethod
    async def _rows(self, statement: Executable, values: Mapping[str, Any] | None = None) -> list[AnyRow]: ...

    async def audit(self, wanted: AuditFilter) -> AuditPage:
        looked_at = _acts(wanted).subquery()
        some = select(looked_at).where(*_wanted(looked_at.c, wanted)).order_by(looked_at.c.id.desc()).limit(wanted.limit + 1)
        found = [
            AuditRow(id=row.id, at_us=row.at, act=row.act, target=row.target, who=row.who, why=row.why)
            for row in await self._rows(some)
        ]
        if len(found) > wanted.limit:
            return AuditPage(rows=found[: wanted.limit], next=found[wanted.limit - 1].id)
        count, lowest = (await self._rows(select(func.count(), func.min(looked_at.c.id))))[0]
        return AuditPage(rows=found, next=lowest if count == AUDIT_LOOKED_AT else None)

    async def alike_attention(self, tenant: str, *, of_each: int, limit: int) -> list[AlikeAttention]:
        return [_alike(row) for row in await self._rows(_longest_of_each(tenant, of_each).limit(limit))]

    async def open_by_version(self, tenant: str, definition: str) -> Mapping[int, int]:
        some = (
            select(_L.definition_version)
            .where(
                _L.tenant == tenant,
                _L.phase.in_(schema.OPEN_PHASES),
                _L.definition_name == definition,
                _L.closed_at.is_(None),
            )
            .limit(OPEN_LOOKED_AT)
            .subquery()
        )
        rows = await self._rows(select(some.c.definition_version, func.count()).group_by(some.c.definition_version))
        return {row[0]: row[1] for row in rows}


def _acts(wanted: AuditFilter) -> AnySelect:
    t = schema.audit
    query = select(t).where(t.c.tenant == wanted.tenant).order_by(t.c.id.desc()).limit(AUDIT_LOOKED_AT)
    return query if wanted.before is None else query.where(t.c.id < wanted.before)


def _wanted(columns: Any, wanted: AuditFilter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [] if wanted.who is None else [columns.who == wanted.who]
    for column, begins in ((columns.act, wanted.act), (columns.target, wanted.target)):
        if begins is not None:
            # Not LIKE: SQLite's does not tell a from A.
            found.append(func.substr(column, 1, len(begins)) == begins)
    return found


def _longest_of_each(tenant: str, of_each: int) -> AnySelect:
    t = schema.attention
    few = select(t).order_by(t.c.saga_id).limit(ATTENTION_LOOKED_AT).subquery()
    alike = (_L.definition_name, _L.definition_version, few.c.step, few.c.reason)
    place = func.row_number().over(partition_by=alike, order_by=(few.c.since, few.c.saga_id))
    numbered = (
        select(
            *few.c,
            _L.definition_name,
            _L.definition_version,
            _L.business_key,
            _L.phase,
            func.count().over(partition_by=alike).label("alike"),
            place.label("place"),
        )
        .join(schema.saga_listing, (_L.saga_id == few.c.saga_id) & (_L.tenant == tenant))
        .subquery()
    )
    n = numbered.c
    order = (n.alike.desc(), n.definition_name, n.definition_version, n.step, n.reason, n.place)
    return select(numbered).where(n.place <= of_each).order_by(*order)


def _alike(row: AnyRow) -> AlikeAttention:
    return AlikeAttention(
        saga_id=plain_uuid(row.saga_id),
        step=row.step,
        reason=row.reason,
        since_us=row.since,
        note=row.note,
        definition=row.definition_name,
        definition_version=row.definition_version,
        business_key=row.business_key,
        phase=row.phase,
        alike=row.alike,
    )
