"""Sagas that ran in another store and were imported, for reading only: their table, and what is
read of it.

They stand apart from the store's own sagas, so no loop, no start and no reply ever meets one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, ColumnElement, Insert, PrimaryKeyConstraint, Table, insert, select

from saga_coordinator.store import listing
from saga_coordinator.store.columns import Id, Number, Octets, Words, plain_uuid
from saga_coordinator.store.dialect import AnySelect
from saga_coordinator.store.imported_record import ImportedSaga
from saga_coordinator.store.label_tables import saga_label
from saga_coordinator.store.labels import label_columns
from saga_coordinator.store.query_conditions import matching
from saga_coordinator.store.query_records import Listed, ListFilter
from saga_coordinator.store.schema import FINAL_PHASES, metadata

TABLE: Final = Table(
    "imported",
    metadata,
    Column("tenant", Words, nullable=False),
    Column("saga_id", Id(), nullable=False),
    Column("definition_name", Words, nullable=False),
    Column("definition_version", Number, nullable=False, autoincrement=False),
    Column("business_key", Words, nullable=True),
    Column("trace_id", Words, nullable=False),
    Column("started_at", Number, nullable=False, autoincrement=False),
    Column("phase", Words, nullable=False),
    Column("closed_at", Number, nullable=False, autoincrement=False),
    Column("version", Number, nullable=False, autoincrement=False),
    Column("at", Number, nullable=False, autoincrement=False),
    Column("who", Words, nullable=False),
    Column("cluster_id", Words, nullable=False),
    Column("content", Octets, nullable=False),
    PrimaryKeyConstraint("tenant", "saga_id"),
    CheckConstraint(f"phase IN ({', '.join(repr(phase) for phase in FINAL_PHASES)})", name="phase"),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)
_T: Final = TABLE.c
_LINE: Final = 10
"""Its first columns are the line of a list."""


def page(wanted: ListFilter, dialect: str) -> AnySelect:
    """One page of a list and one line more, as `listing.page` has it."""
    query = select(*list(_T)[:_LINE]).where(*_conditions(wanted, dialect))
    return query.order_by(_T.saga_id.desc()).limit(min(wanted.limit, listing.MOST) + 1)


def _conditions(wanted: ListFilter, dialect: str) -> list[ColumnElement[bool]]:
    found = [_T.tenant == wanted.tenant]
    for column, value in (
        (_T.definition_name, wanted.definition),
        (_T.phase, wanted.phase),
        (_T.business_key, wanted.key),
    ):
        if value is not None:
            found.append(column == value)
    if wanted.query is not None:
        found.append(matching(wanted.query, TABLE, dialect, wanted.tenant))
    if wanted.cursor is not None:
        found.append(_T.saga_id < listing.read_cursor(wanted.cursor))
    return found


def listed(row: Sequence[Any]) -> Listed:
    """The line of a row: its columns in order, whatever follows."""
    tenant, id, definition, definition_version, key, trace_id, started_at, phase, closed_at, version = row[:_LINE]
    return Listed(
        id=plain_uuid(id),
        tenant=tenant,
        definition=definition,
        definition_version=definition_version,
        business_key=key,
        phase=phase,
        attention=(),
        started_at_us=started_at,
        closed_at_us=closed_at,
        version=version,
        trace_id=trace_id,
        imported=True,
    )


def of(tenant: str, saga_ids: list[UUID]) -> AnySelect:
    return select(TABLE).where(_T.tenant == tenant, _T.saga_id.in_(saga_ids))


def imported_saga(row: Sequence[Any]) -> ImportedSaga:
    at, who, cluster_id, content = row[_LINE:]
    return ImportedSaga(line=listed(row), at_us=at, who=who, cluster_id=cluster_id, content=content)


def insertions(sagas: Sequence[ImportedSaga]) -> list[tuple[Insert, list[dict[str, Any]]]]:
    """The statements that take them in, with the rows of each."""
    lines = [columns_of(saga) for saga in sagas]
    found = [label for saga in sagas for label in label_columns(saga.line.tenant, saga.line.id, saga.line.labels)]
    return [(insert(table), rows) for table, rows in ((TABLE, lines), (saga_label, found)) if rows]


def columns_of(saga: ImportedSaga) -> dict[str, Any]:
    line = saga.line
    return {
        "tenant": line.tenant,
        "saga_id": line.id,
        "definition_name": line.definition,
        "definition_version": line.definition_version,
        "business_key": line.business_key,
        "trace_id": line.trace_id,
        "started_at": line.started_at_us,
        "phase": line.phase,
        "closed_at": line.closed_at_us,
        "version": line.version,
        "at": saga.at_us,
        "who": saga.who,
        "cluster_id": saga.cluster_id,
        "content": saga.content,
    }
