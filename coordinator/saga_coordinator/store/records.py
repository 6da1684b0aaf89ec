"""What passes through the store port: the rows as the service sees them, and the errors.

State and facts are opaque bytes; times are microseconds since 1970, UTC, by the database's clock.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from saga_coordinator.engine.copying import copyable
from saga_coordinator.store.schedule_records import TurnFirst
from saga_schemas.labels import LabelValue
from saga_schemas.record_class import record


class StoreError(Exception):
    """The database did not do as asked; the transaction had no effect.

    Trying again later may work.
    """


class CommitUnknown(StoreError):
    """The connection failed while committing: nobody knows yet whether the transaction took effect.

    Ask `has_journal`.
    """


class CountMismatch(StoreError):
    """A statement touched another number of rows than it must: a bug or rows edited by hand.

    The transaction was rolled back.
    """


class RowsMoved(StoreError):
    """The rows are not as the caller knew them, or were not free at once: nothing happened.

    Begin again, and lock them first.
    """


class BadRow(StoreError):
    """A row is not one this release writes or reads: a bug, or rows edited by hand.

    The message names table, column and key.
    """


class StoreBusy(Exception):
    """Another process has this SQLite file open; the message names the file."""


class SchemaTooOld(Exception):
    """The database's schema is older or newer than this release.

    The message names the command that mends it.
    """


class SchemaCollision(StoreError):
    """Two different schemas have the same id."""


SHARDS: Final = 8
"""Parts of the outbox, each swept by one instance at a time."""


SPANS_DUE_MOST: Final = 1_000_000
"""Owed transitions are counted up to here. While there are so many, no further saga is sampled."""


def shard_of(saga_id: UUID) -> int:
    """The shard of all outbox rows of a saga."""
    return zlib.crc32(saga_id.bytes) % SHARDS


@copyable
class SagaRow:
    """One saga as stored."""

    id: UUID
    tenant: str
    definition_id: int
    version: int
    phase: str
    engine_rev: int
    state_format: int
    incarnation: int
    state: bytes
    """As it was at `state_version`; the journal's later records lead from it to `version`."""
    state_version: int
    """0: no state is stored yet, and the whole journal gives it."""
    facts_print: int
    """Fingerprint of the journal's facts up to `version`."""
    business_key: str | None
    wake_at_us: int | None
    """What the wake-up row holds; None when the saga is closed."""
    trace_id: str
    """32 hex digits."""
    parent_span: str | None
    """16 hex digits: the caller's span, when the start carried one."""
    trace_flags: int
    tracestate: str | None
    baggage: str | None
    max_expiry_us: int
    """The latest expiry of any command ever sent."""
    started_at_us: int
    closed_at_us: int | None


@record
class JournalRow:
    """One transition: its facts, as one opaque document."""

    saga_id: UUID
    version: int
    at_us: int
    kind: str
    """The kind of the event that caused it, for readers."""
    engine_rev: int
    format: int
    facts: bytes
    actor: str | None = None


@record
class OutboxRow:
    """A pointer to one message inside a journal record.

    `id` is made by the writer (UUIDv7) and known before the commit.
    """

    id: UUID
    shard: int
    saga_id: UUID
    version: int
    ord: int


@record
class AttentionRow:
    """One reason why a person must look. `step` is empty for the saga as a whole."""

    saga_id: UUID
    step: str
    reason: str
    since_us: int
    note: str


@record
class SagaWrite:
    """All that one batch changes of one saga. `expected_version` None inserts the saga."""

    expected_version: int | None
    row: SagaRow
    journal: tuple[JournalRow, ...]
    """Versions expected_version+1 .. row.version, without a gap."""
    outbox: tuple[OutboxRow, ...] = ()
    rewake: bool = False
    """Write the wake-up row to row.wake_at (None deletes it)."""
    relist: bool = False
    """The listing's columns (phase, closed_at, attention) may have changed."""
    attention_added: tuple[AttentionRow, ...] = ()
    attention_cleared: tuple[tuple[str, str], ...] = ()
    """(step, reason); clearing what is not there is no error."""
    spans_due: tuple[int, ...] = ()
    """Versions whose spans are owed (sampled sagas only)."""
    inbox_done: tuple[UUID, ...] = ()
    """Inbox events this write applied."""
    labels: tuple[tuple[str, LabelValue], ...] = ()
    """Of a new saga, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxEvent:
    """An event left for a saga by a transaction that could not lock it; `body` is opaque."""

    id: UUID
    saga_id: UUID
    kind: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How far one partition is applied. Prints are fingerprints of records (opaque bytes)."""

    topic: str
    partition: int
    next_offset: int
    last_print: bytes | None
    anchor_offset: int | None
    anchor_print: bytes | None
    caught_up_at_us: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """Move one position.

    Refused (False) when the stored next_offset is not `from_offset`... unless the topic was
    replaced (`restart`).
    """

    topic: str
    partition: int
    from_offset: int
    next_offset: int
    last_print: bytes | None
    anchor_offset: int | None = None
    """Set only when there is no anchor yet."""
    anchor_print: bytes | None = None
    restart: bool = False
    """The topic was replaced: overwrite whatever is stored, forget caught_up_at and the anchor."""


@record
class StartClaim:
    """What a start wants to be the only one of."""

    saga_id: UUID
    tenant: str
    source: str
    request_id: str
    body_hash: bytes
    """A repeat of the request id with another hash is `request_reused`."""
    definition_name: str
    business_key: str | None


@dataclass(frozen=True, slots=True)
class LockFirst:
    """Sagas that a transaction locks before its body begins, as `lock_sagas` does.

    None at all is a good number of them.
    """

    ids: Collection[UUID]
    wait: bool
    known: Mapping[UUID, SagaRow] | None = None
    """The rows of all of them, as this process wrote them last. They may be taken for locked until
    the end; if they have changed, or are not free, it raises RowsMoved.
    """


@dataclass(frozen=True, slots=True)
class ClaimFirst:
    """Starts that a transaction claims before its body begins, as `claim_starts` does.

    None at all is a good number of them.
    """

    claims: Sequence[StartClaim]
    replace_closed: Collection[UUID] = ()
    hopeful: bool = False
    """All may be taken for won until the end; if one is not, it raises RowsMoved."""


First = LockFirst | ClaimFirst | TurnFirst


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimResult:
    """What became of a StartClaim.

    Exactly one of: both claims fresh (won), the request was known, the key is held.
    """

    won: bool
    request_saga: UUID | None = None
    """Set when the request id was known before: the saga it started."""
    request_hash: bytes | None = None
    key_saga: UUID | None = None
    """Set when the request is fresh but the key is held: by this saga.

    The request id is then bound to that saga.
    """
    key_closed: bool = False
    """The saga that holds the key is finished."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A record that could not be read. `headers` and `value` as they came, cut to the limits."""

    id: UUID
    consumer: str
    topic: str
    partition: int
    offset: int
    at_us: int
    reason: str
    detail: str
    key: bytes | None
    value: bytes | None
    headers: bytes
    """Opaque, as encoded by the writer."""
    relayed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OrphanReply:
    """A reply for a saga this database does not have: after a restore the only proof."""

    id: UUID
    saga_id: UUID
    at_us: int
    topic: str
    partition: int
    offset: int
    headers: bytes
    value: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionRow:
    """One registered definition. `reader_schemas` pins schema ids by full record name."""

    id: int
    hash: str
    tenant: str
    name: str
    version: int
    document: bytes
    reader_schemas: Mapping[str, int]
    active: bool
    registered_at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaRow:
    id: int
    subject: str
    version: int
    document: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Meta:
    cluster_id: str
    kafka_cluster_id: str | None
    incarnation: int
    feature_level: int
    schema_rev: str
    token_key: bytes | None
    """SQLite only: the token key made with the store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What the gauges show; cheap enough for every few seconds."""

    sagas_by_phase: Mapping[tuple[str, str], int]
    """Open sagas by (definition, phase)."""
    outbox_depth: int
    outbox_oldest_at_us: int | None
    wakeup_earliest_due_us: int | None
    attention_by_reason: Mapping[str, int]
    dead_letters: int
    inbox: int
    spans_due: int
    """Transitions whose spans are owed."""
    spans_oldest_at_us: int | None
    now_us: int
    """By the database's clock."""
