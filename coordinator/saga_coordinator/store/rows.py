"""Rows of the database as the port's dataclasses.

A row that cannot be one becomes `BadRow`, which names table and key.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, Final, TypeVar

from saga_coordinator.store.columns import plain_uuid
from saga_coordinator.store.port import (
    AttentionRow,
    BadRow,
    DeadLetter,
    DefinitionRow,
    InboxEvent,
    JournalRow,
    OutboxRow,
    Position,
    SagaRow,
    SchemaRow,
)
from saga_coordinator.store.schema import PHASES

Made = TypeVar("Made")


def column_of(field: str) -> str:
    """The column that holds a row's field: a time's field names its unit, its column does not."""
    return field.removesuffix("_us")


SAGA_FIELDS: Final = tuple(field.name for field in fields(SagaRow))
SAGA_COLUMNS: Final = tuple(map(column_of, SAGA_FIELDS))
"""The columns of a saga, in the order in which `saga_row` reads them."""
JOURNAL_FIELDS: Final = tuple(field.name for field in fields(JournalRow))
JOURNAL_COLUMNS: Final = tuple(map(column_of, JOURNAL_FIELDS))
"""The columns of a journal record, in the order in which `journal_row` reads them."""


def read(make: Callable[[Sequence[Any]], Made], row: Sequence[Any], table: str) -> Made:
    """`make(row)`; what the row cannot hold is reported with its table and first column, never with
    its contents (S17).
    """
    try:
        return make(row)
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise BadRow(f"table {table}, row {row[0]!r}: {type(error).__name__}; was it edited by hand?") from error


def saga_row(row: Sequence[Any]) -> SagaRow:
    saga = SagaRow(**dict(zip(SAGA_FIELDS, (plain_uuid(row[0]), *row[1 : len(SAGA_FIELDS)]), strict=True)))
    if saga.phase not in PHASES:
        raise BadRow(f"table saga, row {saga.id}: {str(saga.phase)[:40]!r} is no phase; was it edited by hand?")
    return saga


def journal_row(row: Sequence[Any]) -> JournalRow:
    return JournalRow(**dict(zip(JOURNAL_FIELDS, (plain_uuid(row[0]), *row[1:]), strict=True)))


def outbox_row(row: Sequence[Any]) -> OutboxRow:
    return OutboxRow(shard=row[0], id=plain_uuid(row[1]), saga_id=plain_uuid(row[2]), version=row[3], ord=row[4])


def inbox_event(row: Sequence[Any]) -> InboxEvent:
    return InboxEvent(saga_id=plain_uuid(row[0]), id=plain_uuid(row[1]), kind=row[2], body=row[3])


def attention_row(row: Sequence[Any]) -> AttentionRow:
    return AttentionRow(saga_id=plain_uuid(row[0]), step=row[1], reason=row[2], since_us=row[3], note=row[4])


def position(row: Sequence[Any]) -> Position:
    return Position(
        topic=row[0],
        partition=row[1],
        next_offset=row[2],
        last_print=row[3],
        anchor_offset=row[4],
        anchor_print=row[5],
        caught_up_at_us=row[6],
    )


def definition_row(row: Sequence[Any]) -> DefinitionRow:
    schemas = json.loads(row[6])
    if not isinstance(schemas, dict):
        raise TypeError("reader_schemas is no object")
    return DefinitionRow(
        id=row[0],
        hash=row[1],
        tenant=row[2],
        name=row[3],
        version=row[4],
        document=row[5],
        reader_schemas={str(name): int(schema) for name, schema in schemas.items()},
        active=bool(row[7]),
        registered_at_us=row[8],
    )


def schema_row(row: Sequence[Any]) -> SchemaRow:
    return SchemaRow(id=row[0], subject=row[1], version=row[2], document=row[3])


def dead_letter(row: Sequence[Any]) -> DeadLetter:
    return DeadLetter(
        id=plain_uuid(row[0]),
        consumer=row[1],
        topic=row[2],
        partition=row[3],
        offset=row[4],
        at_us=row[5],
        reason=row[6],
        detail=row[7],
        key=row[8],
        value=row[9],
        headers=row[10],
        relayed=bool(row[11]),
    )
