"""The store port: every statement the coordinator may make, in its own words.

Two adapters stand behind it, SQLite (embedded) and PostgreSQL (deployed), held to one contract suite. State and facts are opaque
bytes here: the store knows identities, versions, times and pointers, never what a saga means. Times are integers: microseconds
since 1970, UTC, by the database's clock.

Rules every adapter keeps (docs/ARCHITECTURE.md, "Storage"): saga rows are locked first and in id order; every write asserts its row
counts; nothing is deleted but by known key; a transaction never writes a saga it has not locked (it leaves an inbox event).
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID


class StoreError(Exception):
    """The database did not do as asked; the transaction had no effect. Trying again later may work."""


class CommitUnknown(StoreError):
    """The connection failed while committing: nobody knows yet whether the transaction took effect. Ask `has_journal`."""


class CountMismatch(StoreError):
    """A statement touched another number of rows than it must: a bug or rows edited by hand. The transaction was rolled back."""


class BadRow(StoreError):
    """A row is not one this release writes or reads: a bug, or rows edited by hand. The message names table, column and key."""


class StoreBusy(Exception):
    """Another process has this SQLite file open; the message names the file."""


class SchemaTooOld(Exception):
    """The database's schema is older or newer than this release; the message names the command that mends it."""


SHARDS: Final = 8
"""Parts of the outbox, each swept by one instance at a time."""


def shard_of(saga_id: UUID) -> int:
    """The shard of all outbox rows of a saga."""
    return zlib.crc32(saga_id.bytes) % SHARDS


@dataclass(frozen=True, slots=True, kw_only=True)
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
    business_key: str | None
    wake_at: int | None
    """What the wake-up row holds; None when the saga is closed."""
    trace_id: str
    """32 hex digits."""
    parent_span: str | None
    """16 hex digits: the caller's span, when the start carried one."""
    trace_flags: int
    tracestate: str | None
    baggage: str | None
    max_expiry: int
    """The latest expiry of any command ever sent."""
    started_at: int
    closed_at: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalRow:
    """One transition: its facts, as one opaque document."""

    saga_id: UUID
    version: int
    at: int
    kind: str
    """The kind of the event that caused it, for readers."""
    engine_rev: int
    format: int
    facts: bytes
    actor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxRow:
    """A pointer to one message inside a journal record. `id` is made by the writer (UUIDv7) and known before the commit."""

    id: UUID
    shard: int
    saga_id: UUID
    version: int
    ord: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionRow:
    """One reason why a person must look. `step` is empty for the saga as a whole."""

    saga_id: UUID
    step: str
    reason: str
    since: int
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
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
    caught_up_at: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """Move one position. Refused (False) when the stored next_offset is not `from_offset`... unless the topic was replaced (`restart`)."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimResult:
    """What became of a StartClaim. Exactly one of: both claims fresh (won), the request was known, the key is held."""

    won: bool
    request_saga: UUID | None = None
    """Set when the request id was known before: the saga it started."""
    request_hash: bytes | None = None
    key_saga: UUID | None = None
    """Set when the request is fresh but the key is held: by this saga. The request id is then bound to that saga."""
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
    at: int
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
    at: int
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
    registered_at: int


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
class Listed:
    """One line of a list of sagas."""

    id: UUID
    tenant: str
    definition: str
    definition_version: int
    business_key: str | None
    phase: str
    attention: tuple[str, ...]
    """Reasons, `step: reason` or `reason`."""
    started_at: int
    closed_at: int | None
    version: int
    trace_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListFilter:
    tenant: str
    definition: str | None = None
    phase: str | None = None
    attention: bool | None = None
    key: str | None = None
    limit: int = 50
    cursor: str | None = None
    """Opaque: as given by the page before. Newest first. A bad one raises ValueError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What the gauges show; cheap enough for every few seconds."""

    sagas_by_phase: Mapping[tuple[str, str], int]
    """Open sagas by (definition, phase)."""
    outbox_depth: int
    outbox_oldest_at: int | None
    wakeup_earliest_due: int | None
    attention: int
    dead_letters: int
    inbox: int


class Transaction(Protocol):
    """One database transaction. Leaving the context commits; an exception rolls back."""

    @property
    def now(self) -> int:
        """The database's clock, read after the last lock was taken (before any: at the beginning)."""
        ...

    async def lock_sagas(self, ids: Collection[UUID], *, wait: bool) -> dict[UUID, SagaRow]:
        """Lock in id order, refresh `now`. wait=False skips what somebody else holds; the caller tells "absent" by `exists`.
        wait=True waits up to lock_timeout."""
        ...

    async def exists(self, ids: Collection[UUID]) -> set[UUID]: ...

    async def save(self, writes: Sequence[SagaWrite]) -> None:
        """Insert or update sagas, journal, outbox, wake-ups, attention, listing, span_due, inbox; set-based; every count asserted.

        A save, and the other writes without a result, may wait for the next read, for `advance` or for the end, to go to the database
        together: a wrong count raises CountMismatch there at the latest. Updated are version, phase, incarnation, engine_rev,
        state_format, state, wake_at (with `rewake`), max_expiry and closed_at; the rest of a row never changes.
        """
        ...

    async def put_inbox(self, events: Sequence[InboxEvent]) -> None: ...

    async def inbox_of(self, ids: Collection[UUID]) -> list[InboxEvent]:
        """In id order (ids are UUIDv7: order of arrival)."""
        ...

    async def claim_starts(
        self, claims: Sequence[StartClaim], *, replace_closed: Collection[UUID] = ()
    ) -> dict[UUID, ClaimResult]:
        """By saga_id. Inserts request ids, then keys, each in sorted order, waiting for concurrent inserters.
        For a saga_id in `replace_closed` (on_closed: allow) a key held by a finished saga is taken over."""
        ...

    async def advance(self, advances: Sequence[Advance]) -> bool:
        """True when all moved. False: somebody else was faster (the caller rolls back)."""
        ...

    async def caught_up(
        self, topic: str, partition: int, at: int, next_offset: int, anchor_offset: int | None, anchor_print: bytes | None
    ) -> bool:
        """Store caught_up_at = at if next_offset is still what is stored; anchors are renewed to the given record."""
        ...

    async def delete_outbox(self, rows: Collection[tuple[int, UUID]]) -> None:
        """(shard, id) by known key. Rows that are gone already are no error."""
        ...

    async def delete_inbox(self, ids: Collection[UUID]) -> None: ...

    async def add_dead_letters(self, letters: Sequence[DeadLetter]) -> None: ...

    async def mark_relayed(self, ids: Collection[UUID]) -> None: ...

    async def add_orphans(self, orphans: Sequence[OrphanReply]) -> None: ...

    async def add_audit(self, *, tenant: str, act: str, target: str, who: str, why: str, at: int) -> None: ...

    async def add_schemas(self, rows: Sequence[tuple[int, str, bytes]]) -> None:
        """(id, subject, document): the same again is no error; another document under a known id raises SchemaCollision;
        versions are numbered per subject."""
        ...

    async def add_definition(
        self, *, hash: str, tenant: str, name: str, version: int, document: bytes, reader_schemas: Mapping[str, int], now: int
    ) -> DefinitionRow | None:
        """None when (tenant, name, version) exists with another hash; the existing row when the hash is the same."""
        ...

    async def activate(self, tenant: str, name: str, version: int) -> bool:
        """Make this the only active version of the name. False when there is no such version."""
        ...

    async def set_control(self, *, scope: str, tenant: str, name: str, value: str, who: str, why: str) -> None: ...


class SchemaCollision(StoreError):
    """Two different schemas have the same id."""


class Store(Protocol):
    """One coordinator database."""

    dialect: str
    """`sqlite` or `postgresql`."""

    async def start(self) -> None:
        """Connect and check the schema revision (SchemaTooOld). SQLite upgrades itself and refuses a second process (StoreBusy)."""
        ...

    async def stop(self) -> None: ...

    async def upgrade(self) -> str:
        """Run the migrations; returns the revision reached."""
        ...

    def transaction(self, *, locks_first: bool = False) -> AbstractAsyncContextManager[Transaction]:
        """`locks_first`: the first call will be lock_sagas or claim_starts, which read the clock; until then `now` may not be read.
        It saves PostgreSQL a round trip."""
        ...

    async def now(self) -> int: ...

    async def has_journal(self, saga_id: UUID, version: int) -> bytes | None:
        """After CommitUnknown: under the saga's row lock, the facts stored for this version, or None."""
        ...

    async def meta(self) -> Meta: ...

    async def set_kafka_cluster(self, kafka_cluster_id: str) -> None: ...

    async def due(self, limit: int) -> list[UUID]:
        """Sagas whose wake-up is due by the database's clock, or that have inbox events; earliest first."""
        ...

    async def earliest_due_in_s(self) -> float | None:
        """Seconds until the earliest wake-up; None when there is none; 0 when something is due or in the inbox."""
        ...

    async def outbox_older_than(self, shard: int, before: int, limit: int) -> list[OutboxRow]:
        """From the beginning of the shard: whose id's time is before `before`."""
        ...

    async def journal_facts(self, keys: Collection[tuple[UUID, int]]) -> dict[tuple[UUID, int], JournalRow]: ...

    def shard_lock(self, shard: int) -> AbstractAsyncContextManager[bool]:
        """Try to be this shard's sweeper (advisory, efficiency only)."""
        ...

    async def positions(self, topics: Collection[str]) -> dict[tuple[str, int], Position]: ...

    async def control(self, scope: str, tenant: str) -> Mapping[str, str]: ...

    async def saga(self, saga_id: UUID) -> SagaRow | None: ...

    async def sagas_by_key(self, tenant: str, key: str, definition: str | None) -> list[Listed]: ...

    async def list_sagas(self, wanted: ListFilter) -> tuple[list[Listed], str | None]: ...

    async def journal(self, saga_id: UUID, *, after: int, limit: int) -> list[JournalRow]: ...

    async def attention_of(self, saga_id: UUID) -> list[AttentionRow]: ...

    async def definitions(self, tenant: str) -> list[DefinitionRow]: ...

    async def definition_rows(self, ids: Collection[int]) -> list[DefinitionRow]: ...

    async def open_definition_ids(self) -> set[int]:
        """Definitions that open sagas are pinned to."""
        ...

    async def schemas(self) -> list[SchemaRow]: ...

    async def dead_letters(self, *, after: UUID | None, limit: int, unrelayed: bool = False) -> list[DeadLetter]: ...

    async def dead_letter(self, id: UUID) -> DeadLetter | None: ...

    async def figures(self) -> Figures: ...

    async def claim_instance(self, name: str, *, stale_s: float) -> bool:
        """Register or refresh the instance; False when another live process holds the name (told by a token made at start)."""
        ...

    async def release_instance(self, name: str) -> None: ...

    def spans_due(self) -> AsyncIterator[tuple[UUID, int]]:
        """What the projector owes (empty while sampling is off)."""
        ...
