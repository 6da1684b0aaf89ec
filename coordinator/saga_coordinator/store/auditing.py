"""Reads of `saga doctor`: rows page by page, each with what stands beside it in other tables.

A page is chosen by its key first, and joined then, so that its cost does not grow with the tables.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Column, ColumnElement, Executable, and_, exists, func, literal, or_, select, tuple_

from saga_coordinator.store import imported, schema
from saga_coordinator.store.auditing_port import Key, Pointer, SagaLook, Table
from saga_coordinator.store.columns import plain_uuid
from saga_coordinator.store.dialect import AnyRow, AnySelect, among
from saga_coordinator.store.port import Position, shard_of
from saga_coordinator.store.rows import position, read

_S: Final = schema.saga.c
_J: Final = schema.journal.c
_CHOSEN: Final = [
    *(_S.id, _S.tenant, _S.business_key, _S.phase, _S.closed_at, _S.wake_at, _S.version, _S.state_version, _S.definition_id)
]
_KEYED: Final = frozenset({Table.REQUESTS, Table.KEYS, Table.FORMER_KEYS})
"""Rows that may outlive their saga: `removed_saga` has it then."""
_OF_RECORDS: Final = frozenset({Table.OUTBOX, Table.SPANS})
"""Rows that name a journal record by saga and version."""
_NEEDED: Final = {Table.OUTBOX: ("version",), Table.SPANS: ("version",), Table.LABELS: ("tenant",)}
"""Columns that are no part of a key, and are joined by."""


class AuditingReads(ABC):
    """The port's `Audited`."""

    dialect: str

    @abstractmethod
    async def _rows(self, statement: Executable, values: Mapping[str, Any] | None = None) -> list[AnyRow]: ...

    async def saga_looks(
        self, *, after: UUID | None = None, limit: int = 1, ids: Collection[UUID] | None = None
    ) -> list[SagaLook]:
        if ids is not None and not ids:
            return []
        chosen = select(*_CHOSEN).order_by(_S.id)
        if ids is not None:
            chosen = chosen.where(among(self.dialect, _S.id, ids))
        else:
            chosen = chosen.limit(limit) if after is None else chosen.where(_S.id > after).limit(limit)
        return [read(_saga_look, row, "saga") for row in await self._rows(_beside(chosen))]

    async def pointers(
        self, table: Table, *, after: Key | None = None, limit: int = 1, saga_id: UUID | None = None
    ) -> list[Pointer]:
        conditions = [] if after is None else [_above(table, after)]
        if saga_id is not None:
            conditions.append(_column(table, "saga_id") == saga_id)
            if table is Table.OUTBOX:  # its key begins with the shard
                conditions.append(_column(table, "shard") == shard_of(saga_id))
        return await self._pointers(table, conditions, limit)

    async def pointers_at(self, table: Table, keys: Sequence[Key]) -> list[Pointer]:
        if not keys:
            return []
        return await self._pointers(table, [or_(*(_equal(table, key) for key in keys))], len(keys))

    async def _pointers(self, table: Table, conditions: Sequence[ColumnElement[bool]], limit: int) -> list[Pointer]:
        rows = await self._rows(_joined(table, conditions, limit))
        return [read(lambda row: _pointer(table, row), row, table) for row in rows]

    async def all_positions(self, *, after: tuple[str, int] | None, limit: int) -> list[Position]:
        c = schema.consumed.c
        query = select(schema.consumed).order_by(c.topic, c.part).limit(limit)
        if after is not None:
            query = query.where(or_(c.topic > after[0], and_(c.topic == after[0], c.part > after[1])))
        return [read(position, row, "consumed") for row in await self._rows(query)]


# --- rows that name a saga ------------------------------------------------------------------------


def key_of(table: Table) -> list[Column[Any]]:
    """The columns of a table's key."""
    return list(schema.metadata.tables[table].primary_key.columns)


def _column(table: Table, name: str) -> Column[Any]:
    return schema.metadata.tables[table].c[name]


def _above(table: Table, after: Key) -> ColumnElement[bool]:
    columns = key_of(table)
    return tuple_(*columns) > tuple_(*(literal(value, column.type) for value, column in zip(after, columns, strict=True)))


def _equal(table: Table, key: Key) -> ColumnElement[bool]:
    return and_(*(column == value for column, value in zip(key_of(table), key, strict=True)))


def _joined(table: Table, conditions: Sequence[ColumnElement[bool]], limit: int) -> AnySelect:
    """A row's key, its saga, and what there is of that."""
    columns = key_of(table)
    named = [column.label(f"key_{n}") for n, column in enumerate(columns)]
    more = [_column(table, name).label(name) for name in _NEEDED.get(table, ())]
    page = select(*named, _column(table, "saga_id").label("of_saga"), *more).where(*conditions)
    p = page.order_by(*columns).limit(limit).subquery()
    has_record = exists().where(_J.saga_id == p.c.of_saga, _J.version == p.c.version) if table in _OF_RECORDS else literal(True)
    kept = _kept(table, p.c)
    keys = [p.c[f"key_{n}"] for n in range(len(columns))]
    beside = (_S.id.label("there"), _S.closed_at, has_record.label("has_record"), kept.label("kept"))
    return select(*keys, p.c.of_saga, *beside).select_from(p.outerjoin(schema.saga, _S.id == p.c.of_saga)).order_by(*keys)


def _kept(table: Table, row: Any) -> ColumnElement[bool]:
    """Whether a row whose saga is not there is right all the same."""
    if table in _KEYED:
        return exists().where(schema.removed_saga.c.saga_id == row.of_saga)
    if table is Table.LABELS:
        t = imported.TABLE.c
        return exists().where(t.tenant == row.tenant, t.saga_id == row.of_saga)
    return literal(False)


def _pointer(table: Table, row: Sequence[Any]) -> Pointer:
    *key, saga_id, there, closed_at, has_record, kept = row
    return Pointer(
        table=table,
        key=tuple(key),
        saga_id=plain_uuid(saga_id),
        saga=there is not None,
        open=there is not None and closed_at is None,
        record=bool(has_record),
        kept=bool(kept),
    )


# --- sagas ----------------------------------------------------------------------------------------


def _beside(chosen: AnySelect) -> AnySelect:
    page = chosen.subquery()
    s = page.c
    d, w, r = schema.definition.c, schema.wakeup.c, schema.recovering.c
    line, a = schema.saga_listing.c, schema.attention.c
    of_journal = [
        select(made).select_from(schema.journal).where(_J.saga_id == s.id).scalar_subquery()
        for made in (func.count(), func.min(_J.version), func.max(_J.version))
    ]
    columns = (
        *(s[name] for name in ("id", "tenant", "business_key", "phase", "closed_at", "wake_at", "version", "state_version")),
        *(d.name, w.due_at, line.phase, line.closed_at, func.coalesce(line.attention, 0)),
        select(func.count()).select_from(schema.attention).where(a.saga_id == s.id).scalar_subquery(),
        r.waits_for,
        or_(s.business_key.is_(None), _holds(schema.saga_key, s, d.name), _holds(schema.saga_key_former, s, d.name)),
        *of_journal,
    )
    tables = page.outerjoin(schema.definition, d.id == s.definition_id)
    tables = tables.outerjoin(schema.wakeup, w.saga_id == s.id).outerjoin(schema.recovering, r.saga_id == s.id)
    tables = tables.outerjoin(schema.saga_listing, and_(line.tenant == s.tenant, line.saga_id == s.id))
    return select(*columns).select_from(tables).order_by(s.id)


def _holds(keys: Any, s: Any, definition: ColumnElement[str]) -> ColumnElement[bool]:
    k = keys.c
    return exists().where(
        k.tenant == s.tenant, k.business_key == s.business_key, k.definition_name == definition, k.saga_id == s.id
    )


def _saga_look(row: Sequence[Any]) -> SagaLook:
    id, tenant, key, phase, closed_at, wake_at, version, state_version, definition, due_at, *rest = row
    listed_phase, listed_closed_at, listed_attention, attention, waits_for, holds_key, records, first, last = rest
    return SagaLook(
        id=plain_uuid(id),
        tenant=tenant,
        business_key=key,
        phase=phase,
        closed_at_us=closed_at,
        wake_at_us=wake_at,
        version=version,
        state_version=state_version,
        definition=definition,
        due_at_us=due_at,
        listed_phase=listed_phase,
        listed_closed_at_us=listed_closed_at,
        listed_attention=listed_attention,
        attention=attention,
        waits_for=waits_for,
        holds_key=bool(holds_key),
        records=records,
        first=first,
        last=last,
    )
