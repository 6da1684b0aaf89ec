"""Rows of the database as the port's dataclasses. A row that cannot be one becomes `BadRow`, which names table and key."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
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

SAGA_COLUMNS: Final = (
    "id, tenant, definition_id, version, phase, engine_rev, state_format, incarnation, state, business_key, wake_at, trace_id,"
    " parent_span, trace_flags, tracestate, baggage, max_expiry, started_at, closed_at"
)
"""In the order `saga_row` reads them."""
JOURNAL_COLUMNS: Final = "saga_id, version, at, kind, engine_rev, format, facts, actor"


def read(make: Callable[[Sequence[Any]], Made], row: Sequence[Any], table: str) -> Made:
    """`make(row)`; what the row cannot hold is reported with its table and first column, never with its contents (S17)."""
    try:
        return make(row)
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise BadRow(f"table {table}, row {row[0]!r}: {type(error).__name__}; was it edited by hand?") from error


def saga_row(row: Sequence[Any]) -> SagaRow:
    phase = row[4]
    if phase not in PHASES:
        raise BadRow(f"table saga, row {plain_uuid(row[0])}: {str(phase)[:40]!r} is no phase; was it edited by hand?")
    return SagaRow(
        id=plain_uuid(row[0]),
        tenant=row[1],
        definition_id=row[2],
        version=row[3],
        phase=phase,
        engine_rev=row[5],
        state_format=row[6],
        incarnation=row[7],
        state=row[8],
        business_key=row[9],
        wake_at_us=row[10],
        trace_id=row[11],
        parent_span=row[12],
        trace_flags=row[13],
        tracestate=row[14],
        baggage=row[15],
        max_expiry_us=row[16],
        started_at_us=row[17],
        closed_at_us=row[18],
    )


def journal_row(row: Sequence[Any]) -> JournalRow:
    return JournalRow(
        saga_id=plain_uuid(row[0]),
        version=row[1],
        at_us=row[2],
        kind=row[3],
        engine_rev=row[4],
        format=row[5],
        facts=row[6],
        actor=row[7],
    )


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
