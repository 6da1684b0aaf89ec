"""The store port: every statement the coordinator may make, in its own words.

Two adapters implement it, for SQLite (embedded) and PostgreSQL (deployed). One contract suite tests
both. State and facts are opaque bytes here: the store knows identities, versions, times and
pointers, never what a saga means. Times are microseconds since 1970, UTC, by the database's clock.

Rules that every adapter keeps (docs/ARCHITECTURE.md, "Storage"):

- Saga rows are locked first, in order of their id.
- Every write checks how many rows it touched.
- Rows are deleted by a known key only.
- A transaction never writes a saga that it has not locked. It leaves an inbox event instead.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol
from uuid import UUID

from saga_coordinator.store.auditing_port import Audited
from saga_coordinator.store.batch_records import BatchRow, BatchStep, BatchStore, ConfirmationRow, RedriveRow
from saga_coordinator.store.examining_port import Examined, InstanceRow, InstanceState, Standing
from saga_coordinator.store.horizon_port import BelowHorizon, Horizons
from saga_coordinator.store.imported_record import ImportedSaga
from saga_coordinator.store.look import Look
from saga_coordinator.store.oversight_port import AlikeAttention, AuditFilter, AuditPage, AuditRow, Oversight
from saga_coordinator.store.overview_port import Overviews
from saga_coordinator.store.partition_port import Partitioned
from saga_coordinator.store.pause_port import PausedScopes
from saga_coordinator.store.query_port import Queried
from saga_coordinator.store.query_records import Listed, ListFilter, QueryTooSlow
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
    LockFirst,
    Meta,
    OrphanReply,
    OutboxRow,
    Position,
    RowsMoved,
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
from saga_coordinator.store.removal_port import FinishedSagas
from saga_coordinator.store.schedule_port import ScheduleStore
from saga_coordinator.store.sweep_records import LostEffect, ParticipantSweep, StartIds, SweptStore
from saga_coordinator.store.transaction_port import Transaction

__all__ = [
    "SHARDS",
    "SPANS_DUE_MOST",
    "Advance",
    "AlikeAttention",
    "AttentionRow",
    "AuditFilter",
    "AuditPage",
    "AuditRow",
    "BadRow",
    "BatchRow",
    "BatchStep",
    "BelowHorizon",
    "ClaimFirst",
    "ClaimResult",
    "CommitUnknown",
    "ConfirmationRow",
    "CountMismatch",
    "DeadLetter",
    "DefinitionRow",
    "Figures",
    "First",
    "ImportedSaga",
    "InboxEvent",
    "InstanceRow",
    "InstanceState",
    "JournalRow",
    "ListFilter",
    "Listed",
    "LockFirst",
    "LostEffect",
    "Meta",
    "OrphanReply",
    "OutboxRow",
    "ParticipantSweep",
    "Position",
    "QueryTooSlow",
    "RedriveRow",
    "RowsMoved",
    "SagaRow",
    "SagaWrite",
    "SchemaCollision",
    "SchemaRow",
    "SchemaTooOld",
    "Standing",
    "StartClaim",
    "StartIds",
    "Store",
    "StoreBusy",
    "StoreError",
    "Transaction",
    "shard_of",
]


class Store(
    FinishedSagas,
    Horizons,
    Oversight,
    Overviews,
    Partitioned,
    PausedScopes,
    Queried,
    SweptStore,
    BatchStore,
    ScheduleStore,
    Examined,
    Audited,
    Protocol,
):
    """One coordinator database.

    Every method that reads or writes raises StoreError when the database does not do as asked, and
    BadRow for a row that this release cannot read.
    """

    dialect: str
    """`sqlite` or `postgresql`."""

    async def start(self) -> None:
        """Connect, and check the schema revision. SQLite upgrades itself.

        Raises:
            SchemaTooOld: The database's schema is not the one of this release.
            StoreBusy: Another process has this SQLite file open.
        """
        ...

    async def stop(self) -> None:
        """Close all connections."""
        ...

    async def upgrade(self) -> str:
        """Run the migrations. Return the revision that they reached."""
        ...

    def transaction(self, first: First | None = None) -> AbstractAsyncContextManager[Transaction]:
        """Begin a transaction.

        Args:
            first: What the transaction locks or claims before its body begins. The body finds it in
                `locked` or `claimed`. PostgreSQL is saved a round trip by it: the same statement
                reads the clock.

        Raises:
            CommitUnknown: The connection failed while committing; `has_journal` tells the outcome.
            RowsMoved: What `first` took for granted does not hold.
        """
        ...

    async def now_us(self) -> int:
        """Return the database's clock, in microseconds since 1970."""
        ...

    async def has_journal(self, saga_id: UUID, version: int) -> bytes | None:
        """Return the facts stored for this version, or None, under the saga's lock: see
        CommitUnknown.
        """
        ...

    async def meta(self) -> Meta:
        """Return what identifies this database."""
        ...

    async def set_kafka_cluster(self, kafka_cluster_id: str) -> None:
        """Bind the store to a Kafka cluster, whichever it belonged to before."""
        ...

    async def due(self, limit: int) -> list[UUID]:
        """Return sagas that have inbox events, and then those whose wake-up is due, earliest
        first."""
        ...

    async def earliest_due_in_s(self) -> float | None:
        """Return the seconds until the earliest wake-up.

        None when there is none; 0 when something is due or in the inbox.
        """
        ...

    async def outbox_shards(self, before_us: int) -> list[int]:
        """Return the shards with messages that were made before then: usually none."""
        ...

    async def outbox_older_than(self, shard: int, before_us: int, limit: int) -> list[OutboxRow]:
        """Return the oldest messages of a shard that were made before then."""
        ...

    async def journal_facts(self, keys: Collection[tuple[UUID, int]]) -> dict[tuple[UUID, int], JournalRow]:
        """Return the journal records of these (saga id, version)."""
        ...

    def shard_lock(self, shard: int) -> AbstractAsyncContextManager[bool]:
        """Try to be this shard's sweeper, for as long as the context lasts.

        The lock saves work; nothing relies on it. The context's value says whether it was taken.
        """
        ...

    async def positions(self, topics: Collection[str]) -> dict[tuple[str, int], Position]:
        """Return the stored positions of these topics, by (topic, partition)."""
        ...

    async def control(self, scope: str, tenant: str) -> Mapping[str, str]:
        """Return the values of a scope of the control table, by name."""
        ...

    async def recovering(self) -> dict[str, int]:
        """Return how many open sagas are being recovered, by the participants they wait for.

        Those stand in one text, by comma; it is empty for sagas that have not been asked yet.
        """
        ...

    async def end_recovery(self, tenant: str, incarnation: int) -> bool:
        """Note that all have answered. Return False when that is noted already."""
        ...

    async def note(self, scope: str, tenant: str, values: Mapping[str, str], *, who: str, why: str) -> None:
        """Write values of a scope of the control table, by name, in one statement."""
        ...

    async def look(self, tenant: str, scopes: frozenset[str]) -> Look:
        """Return what the background loops wait for, with these scopes of the control table."""
        ...

    async def saga(self, saga_id: UUID) -> SagaRow | None:
        """Return one saga, or None."""
        ...

    async def sagas_by_key(self, tenant: str, key: str, definition: str | None) -> list[Listed]:
        """Return the sagas that hold or held a business key, newest first."""
        ...

    async def imported(self, tenant: str, ids: Collection[UUID]) -> dict[UUID, ImportedSaga]:
        """Return those of these sagas that were imported."""
        ...

    async def journal(self, saga_id: UUID, *, after: int, limit: int) -> list[JournalRow]:
        """Return journal records of versions above `after`, in order."""
        ...

    async def attention_of(self, saga_id: UUID) -> list[AttentionRow]:
        """Return the reasons why a person must look at a saga."""
        ...

    async def attentions(self, ids: Collection[UUID]) -> dict[UUID, list[AttentionRow]]:
        """Return the same of many sagas; one without a reason is left out."""
        ...

    async def definitions(self, tenant: str) -> list[DefinitionRow]:
        """Return all definitions, by name and version."""
        ...

    async def definition_rows(self, ids: Collection[int]) -> list[DefinitionRow]:
        """Return the definitions with these ids."""
        ...

    async def open_definition_ids(self) -> set[int]:
        """Return the ids of definitions that open sagas are pinned to."""
        ...

    async def schemas(self) -> list[SchemaRow]:
        """Return all schemas, by subject and version."""
        ...

    async def dead_letters(self, *, before: UUID | None, limit: int) -> list[DeadLetter]:
        """Return dead letters with ids below `before`, newest first, as people read them."""
        ...

    async def unrelayed_dead_letters(self, *, after: UUID | None, limit: int) -> list[DeadLetter]:
        """Return dead letters that wait for the relay, with ids above `after`, oldest first."""
        ...

    async def dead_letters_of(self, key: bytes, *, since_us: int, limit: int) -> list[DeadLetter]:
        """Return the latest dead letters with this record key, newest first.

        All letters since `since_us` are read, so this bounds the cost.
        """
        ...

    async def dead_letter(self, id: UUID) -> DeadLetter | None:
        """Return one dead letter, or None."""
        ...

    async def figures(self) -> Figures:
        """Return what the gauges show."""
        ...

    async def claim_instance(self, name: str, *, stale_s: float, state: InstanceState | None = None) -> bool:
        """Register this process under an instance's name, or refresh its entry.

        Args:
            name: The instance's name.
            stale_s: An entry that was not refreshed for so long may be taken over. One whose
                process is known to be gone may be at once (`store/processes.py`).
            state: What it says of itself.

        Returns:
            False when another live process has the name: each process makes a token at its start.
        """
        ...

    async def release_instance(self, name: str) -> None:
        """Delete this process's entry."""
        ...

    async def forget_instances(self) -> None:
        """Delete entries under made names that were seen long ago."""
        ...

    async def spans_due(self, *, after: UUID | None, limit: int) -> list[tuple[UUID, int]]:
        """Return (saga id, version) of owed spans, in this order, of sagas with ids above
        `after`."""
        ...

    async def sagas(self, ids: Collection[UUID]) -> dict[UUID, SagaRow]:
        """Return these sagas; a saga that is absent is left out."""
        ...

    async def saga_ids(self, tenant: str, definitions: Collection[int], *, after: UUID | None, limit: int) -> list[UUID]:
        """Return a page of the ids of these definitions' sagas, in order."""
        ...

    async def journals(self, ids: Collection[UUID]) -> dict[UUID, list[JournalRow]]:
        """Return whole journals, in order of version.

        Long journals are read by pages: see `journal`.
        """
        ...

    def retention_lock(self) -> AbstractAsyncContextManager[bool]:
        """Try to be the one instance that removes what is no longer kept, in the same way."""
        ...

    def batches_lock(self) -> AbstractAsyncContextManager[bool]:
        """Try to be the one instance that works on batches of acts, in the same way."""
        ...

    def projector_lock(self) -> AbstractAsyncContextManager[bool]:
        """Try to be the one instance that exports owed spans, as `shard_lock` does for a shard."""
        ...
