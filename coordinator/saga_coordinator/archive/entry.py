"""One archived saga with all that is needed to read it elsewhere, and its form as an Avro record.

The record's schema is `saga.v1.ArchivedSaga.avsc` beside this module. A field that a later release
adds has a default.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from importlib import resources
from typing import Any, Final
from uuid import UUID

import fastavro

from saga_coordinator.archive.port import ArchivedSaga
from saga_coordinator.store.port import AttentionRow, JournalRow, SagaRow
from saga_schemas.record_class import record
from saga_schemas.times import FIRST_US, LAST_US, from_datetime, to_datetime

RECORD: Final = "saga.v1.ArchivedSaga"
SCHEMA: Final[Any] = fastavro.parse_schema(
    json.loads((resources.files("saga_coordinator.archive") / f"{RECORD}.avsc").read_bytes())
)
_ROW: Final = (
    "engine_rev",
    "incarnation",
    "state_format",
    "state_version",
    "state",
    "facts_print",
    "parent_span",
    "trace_flags",
    "tracestate",
    "baggage",
)
"""What the record has of the saga's row under the row's own names."""


@record
class Entry:
    """One archived saga."""

    saga: ArchivedSaga
    """Its row names no definition and no wake-up: both are of the store that it was in."""
    attention: tuple[AttentionRow, ...]
    view: str
    """JSON: what `saga show -o json` said."""
    definition_hash: str
    document: str
    """JSON: the definition."""
    reader_schemas: Mapping[str, int]
    schemas: tuple[tuple[int, str], ...]
    """The schemas of its payloads: id and JSON."""
    cluster_id: str
    """The store that it ran in."""
    archived_at_us: int

    @property
    def id(self) -> UUID:
        return self.saga.row.id

    @property
    def closed_at_us(self) -> int:
        return self.saga.closed_at_us


def to_avro(entry: Entry) -> dict[str, Any]:
    """The record of an entry, but for its check."""
    row = entry.saga.row
    return {
        "id": row.id,
        "tenant": row.tenant,
        "definition": entry.saga.definition,
        "definition_version": entry.saga.definition_version,
        "definition_hash": entry.definition_hash,
        "key": row.business_key,
        "phase": row.phase,
        "started_at": _time(row.started_at_us),
        "closed_at": _time(entry.closed_at_us),
        "version": row.version,
        "trace_id": row.trace_id,
        "attention": [_attention(one) for one in entry.attention],
        "cluster_id": entry.cluster_id,
        "archived_at": _time(entry.archived_at_us),
        "view": entry.view,
        "journal": [_transition(one) for one in entry.saga.journal],
        "row": {**{name: getattr(row, name) for name in _ROW}, "max_expiry": row.max_expiry_us},
        "document": entry.document,
        "reader_schemas": dict(entry.reader_schemas),
        "schemas": [{"id": id, "document": document} for id, document in entry.schemas],
        "check": b"",
    }


def from_avro(found: Mapping[str, Any]) -> Entry:
    """The entry of a record. Raises LookupError, TypeError, ValueError where it is none of ours."""
    saga_id = found["id"]
    if not isinstance(saga_id, UUID):
        raise TypeError("id is no UUID")
    row = _saga_row(saga_id, found)
    return Entry(
        saga=ArchivedSaga(
            row=row,
            journal=tuple(_journal_row(saga_id, one) for one in found["journal"]),
            definition=found["definition"],
            definition_version=found["definition_version"],
            business_key=row.business_key,
            phase=row.phase,
            trace_id=row.trace_id,
            started_at_us=row.started_at_us,
            closed_at_us=_us(found["closed_at"]),
        ),
        attention=tuple(_attention_row(saga_id, one) for one in found["attention"]),
        view=found["view"],
        definition_hash=found["definition_hash"],
        document=found["document"],
        reader_schemas=dict(found["reader_schemas"]),
        schemas=tuple((one["id"], one["document"]) for one in found["schemas"]),
        cluster_id=found["cluster_id"],
        archived_at_us=_us(found["archived_at"]),
    )


def _attention(row: AttentionRow) -> dict[str, Any]:
    return {"step": row.step, "reason": row.reason, "since": _time(row.since_us), "note": row.note}


def _attention_row(saga_id: UUID, found: Mapping[str, Any]) -> AttentionRow:
    since_us = _us(found["since"])
    return AttentionRow(saga_id=saga_id, step=found["step"], reason=found["reason"], since_us=since_us, note=found["note"])


def _transition(row: JournalRow) -> dict[str, Any]:
    return {
        "version": row.version,
        "at": _time(row.at_us),
        "kind": row.kind,
        "actor": row.actor,
        "engine_rev": row.engine_rev,
        "format": row.format,
        "facts": row.facts,
    }


def _journal_row(saga_id: UUID, found: Mapping[str, Any]) -> JournalRow:
    return JournalRow(
        saga_id=saga_id,
        version=found["version"],
        at_us=_us(found["at"]),
        kind=found["kind"],
        engine_rev=found["engine_rev"],
        format=found["format"],
        facts=found["facts"],
        actor=found["actor"],
    )


def _saga_row(saga_id: UUID, found: Mapping[str, Any]) -> SagaRow:
    row = found["row"]
    return SagaRow(
        id=saga_id,
        tenant=found["tenant"],
        definition_id=0,
        version=found["version"],
        phase=found["phase"],
        business_key=found["key"],
        wake_at_us=None,
        trace_id=found["trace_id"],
        started_at_us=_us(found["started_at"]),
        closed_at_us=_us(found["closed_at"]),
        max_expiry_us=row["max_expiry"],
        **{name: row[name] for name in _ROW},
    )


def _time(us: int) -> datetime:
    """As Avro has it. A row edited by hand may say any number: it becomes the first time or the
    last."""
    return to_datetime(min(max(us, FIRST_US), LAST_US))


def _us(value: object) -> int:
    if not isinstance(value, datetime):
        raise TypeError("no time")
    return from_datetime(value)
