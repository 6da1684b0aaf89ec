"""The store port: every statement the coordinator may make, in its own words.

Two adapters stand behind it, SQLite (embedded) and PostgreSQL (deployed), held to one contract suite. State and facts are opaque
bytes here: the store knows identities, versions, times and pointers, never what a saga means. Times are integers: microseconds
since 1970, UTC, by the database's clock.

Rules every adapter keeps (docs/ARCHITECTURE.md, "Storage"): saga rows are locked first and in id order; every write asserts its row
counts; nothing is deleted but by known key; a transaction never writes a saga it has not locked (it leaves an inbox event).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol
from uuid import UUID

from saga_coordinator.store.records import (
    SHARDS,
    SPANS_DUE_MOST,
    Advance,
    AttentionRow,
    BadRow,
    ClaimFirst,
    ClaimResult,
    CommitUnknown,
    CountMismatch,
    DeadLetter,
    DefinitionRow,
    Figures,
    First,
    InboxEvent,
    JournalRow,
    Listed,
    ListFilter,
    LockFirst,
    Meta,
    OrphanReply,
    OutboxRow,
    Position,
    SagaRow,
    SagaWrite,
    SchemaCollision,
    SchemaRow,
    SchemaTooOld,
    StartClaim,
    StoreBusy,
    StoreError,
    shard_of,
)

__all__ = [
    "SHARDS",
    "SPANS_DUE_MOST",
    "Advance",
    "AttentionRow",
    "BadRow",
    "ClaimFirst",
    "ClaimResult",
    "CommitUnknown",
    "CountMismatch",
    "DeadLetter",
    "DefinitionRow",
    "Figures",
    "First",
    "InboxEvent",
    "JournalRow",
    "ListFilter",
    "Listed",
    "LockFirst",
    "Meta",
    "OrphanReply",
    "OutboxRow",
    "Position",
    "SagaRow",
    "SagaWrite",
    "SchemaCollision",
    "SchemaRow",
    "SchemaTooOld",
    "StartClaim",
    "Store",
    "StoreBusy",
    "StoreError",
    "Transaction",
    "shard_of",
]


class Transaction(Protocol):
    """One database transaction. Leaving the context commits; an exception rolls back."""

    @property
    def now_us(self) -> int:
        """The database's clock, read after the last lock was taken (before any: at the beginning)."""
        ...

    @property
    def locked(self) -> Mapping[UUID, SagaRow]:
        """Every saga locked so far, as it was then or as it was saved since."""
        ...

    @property
    def claimed(self) -> Mapping[UUID, ClaimResult]:
        """What became of the claims that the transaction began with (ClaimFirst), by saga_id."""
        ...

    async def lock_sagas(self, ids: Collection[UUID], *, wait: bool) -> dict[UUID, SagaRow]:
        """Lock in id order, refresh `now`. wait=False skips what somebody else holds; the caller tells "absent" by `exists`.
        wait=True waits up to lock_timeout."""
        ...

    async def exists(self, ids: Collection[UUID]) -> set[UUID]: ...

    async def save(
        self, writes: Sequence[SagaWrite], *, acked: Collection[tuple[int, UUID]] = (), advances: Sequence[Advance] = ()
    ) -> bool:
        """Write all that a batch changes, in as few statements as can be; every row count is checked.

        Sagas, journal, outbox, wake-ups, attention, listing, span_due and inbox are inserted or updated. Of a saga's row change
        version, phase, incarnation, engine_rev, state_format, state, wake_at (with `rewake`), max_expiry and closed_at; the rest
        never does. Other writes without a result (`put_inbox`, `delete_outbox`, …) may wait for the next read, for a save or
        for the end, to go to the database together with it.

        Args:
            writes: One for each saga.
            acked: Outbox rows to delete, as `delete_outbox` does.
            advances: Positions to move, as `advance` does.

        Returns:
            What `advance` returns; True where no position moves.

        Raises:
            CountMismatch: A statement touched more or fewer rows than it must.
        """
        ...

    async def journal_facts(self, keys: Collection[tuple[UUID, int]]) -> dict[tuple[UUID, int], JournalRow]:
        """Journal records by (saga, version)."""
        ...

    async def put_inbox(self, events: Sequence[InboxEvent]) -> None: ...

    async def inbox_of(self, ids: Collection[UUID]) -> list[InboxEvent]:
        """In id order (ids are UUIDv7: order of arrival)."""
        ...

    async def unread_replies(self, ids: Collection[UUID], *, since_us: int) -> list[DeadLetter]:
        """Replies of these sagas that became dead letters since then because their schema is unknown. Reads all letters since then."""
        ...

    async def claim_starts(
        self, claims: Sequence[StartClaim], *, replace_closed: Collection[UUID] = ()
    ) -> dict[UUID, ClaimResult]:
        """By saga_id. Inserts request ids, then keys, each in sorted order, waiting for concurrent inserters.
        For a saga_id in `replace_closed` (on_closed: allow) a key held by a finished saga is taken over."""
        ...

    async def advance(self, advances: Sequence[Advance]) -> bool:
        """True when all moved. False: somebody else was faster (the caller rolls back; a commit would raise StoreError)."""
        ...

    async def caught_up(
        self, topic: str, partition: int, at_us: int, next_offset: int, anchor_offset: int | None, anchor_print: bytes | None
    ) -> bool:
        """Store caught_up_at = at if next_offset is still what is stored; anchors are renewed to the given record."""
        ...

    async def delete_outbox(self, rows: Collection[tuple[int, UUID]]) -> None:
        """(shard, id) by known key. Rows that are gone already are no error."""
        ...

    async def delete_spans_due(self, rows: Collection[tuple[UUID, int]]) -> None:
        """(saga, version) by known key. Rows that are gone already are no error."""
        ...

    async def delete_inbox(self, ids: Collection[UUID]) -> None: ...

    async def add_dead_letters(self, letters: Sequence[DeadLetter]) -> None: ...

    async def mark_relayed(self, ids: Collection[UUID]) -> None: ...

    async def add_orphans(self, orphans: Sequence[OrphanReply]) -> None: ...

    async def add_audit(self, *, tenant: str, act: str, target: str, who: str, why: str, at_us: int) -> None: ...

    async def add_schemas(self, rows: Sequence[tuple[int, str, bytes]]) -> None:
        """(id, subject, document): the same again is no error; another document under a known id raises SchemaCollision;
        versions are numbered per subject."""
        ...

    async def add_definition(
        self, *, hash: str, tenant: str, name: str, version: int, document: bytes, reader_schemas: Mapping[str, int], now_us: int
    ) -> DefinitionRow | None:
        """None when (tenant, name, version) exists with another hash; the existing row when the hash is the same."""
        ...

    async def activate(self, tenant: str, name: str, version: int) -> bool:
        """Make this the only active version of the name. False when there is no such version."""
        ...

    async def bind_to_kafka(self, kafka_cluster_id: str) -> bool:
        """Bind a store that belongs to no Kafka cluster yet. False: it does, perhaps since a moment ago."""
        ...

    async def set_control(self, *, scope: str, tenant: str, name: str, value: str, who: str, why: str) -> None: ...


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

    def transaction(self, first: First | None = None) -> AbstractAsyncContextManager[Transaction]:
        """`first`: what it locks or claims before its body begins; the body finds it in `locked` or `claimed`. It may be of nothing.
        Saying it here saves PostgreSQL a round trip: the clock is read by the same statement."""
        ...

    async def now_us(self) -> int: ...

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

    async def outbox_shards(self, before_us: int) -> list[int]:
        """The shards that hold a row whose id's time is before `before`: usually none."""
        ...

    async def outbox_older_than(self, shard: int, before_us: int, limit: int) -> list[OutboxRow]:
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

    async def dead_letters_of(self, key: bytes, *, since_us: int, limit: int) -> list[DeadLetter]:
        """The latest with this record key, newest first. Reads all letters since then: `since` bounds what it costs."""
        ...

    async def dead_letter(self, id: UUID) -> DeadLetter | None: ...

    async def figures(self) -> Figures: ...

    async def claim_instance(self, name: str, *, stale_s: float) -> bool:
        """Register or refresh the instance; False when another live process holds the name (told by a token made at start)."""
        ...

    async def release_instance(self, name: str) -> None: ...

    async def spans_due(self, *, after: UUID | None, limit: int) -> list[tuple[UUID, int]]:
        """(saga, version) of transitions whose spans are owed, in this order, of sagas behind `after`."""
        ...

    async def sagas(self, ids: Collection[UUID]) -> dict[UUID, SagaRow]: ...

    async def journals(self, ids: Collection[UUID]) -> dict[UUID, list[JournalRow]]:
        """Whole journals, in order of version. For few sagas and short journals: see `journal` for the others."""
        ...

    def projector_lock(self) -> AbstractAsyncContextManager[bool]:
        """Try to be the one who exports owed spans (advisory, efficiency only)."""
        ...
