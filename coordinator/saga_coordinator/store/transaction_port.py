"""What one transaction of the store may do: half of the store port, whose other half is `port.py`.

The rules that both databases keep stand there.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol
from uuid import UUID

from saga_coordinator.store.batch_records import Batching
from saga_coordinator.store.horizon_port import RaisingHorizon
from saga_coordinator.store.imported_record import ImportedSaga
from saga_coordinator.store.pause_port import Pausing
from saga_coordinator.store.records import (
    Advance,
    ClaimResult,
    DeadLetter,
    DefinitionRow,
    InboxEvent,
    JournalRow,
    OrphanReply,
    SagaRow,
    SagaWrite,
    StartClaim,
)
from saga_coordinator.store.removal_port import Removing
from saga_coordinator.store.saved_view_port import SavingViews
from saga_coordinator.store.schedule_port import Scheduling
from saga_coordinator.store.sweep_records import Sweeping


class Transaction(Removing, RaisingHorizon, SavingViews, Sweeping, Pausing, Batching, Scheduling, Protocol):
    """One database transaction. Leaving its context commits it; an exception rolls it back.

    Every method raises StoreError when the database does not do as asked. The transaction is then
    rolled back, even if its body goes on.
    """

    @property
    def now_us(self) -> int:
        """The database's clock, read after the last lock was taken.

        Before any lock it is the time of the beginning.
        """
        ...

    @property
    def locked(self) -> Mapping[UUID, SagaRow]:
        """Every saga locked so far, as it was then or as it was saved since."""
        ...

    @property
    def claimed(self) -> Mapping[UUID, ClaimResult]:
        """What became of the claims that the transaction began with (ClaimFirst), by saga id."""
        ...

    async def lock_sagas(self, ids: Collection[UUID], *, wait: bool) -> dict[UUID, SagaRow]:
        """Lock sagas in order of their id, and read the clock anew.

        Args:
            ids: The sagas to lock.
            wait: Whether to wait, up to the lock timeout, for sagas that another transaction has
                locked. Without it they are left out.

        Returns:
            The locked sagas. A saga that is left out is absent or locked; `exists` tells which.
        """
        ...

    async def exists(self, ids: Collection[UUID]) -> set[UUID]:
        """Return those of the sagas that are stored."""
        ...

    async def save(
        self, writes: Sequence[SagaWrite], *, acked: Collection[tuple[int, UUID]] = (), advances: Sequence[Advance] = ()
    ) -> bool:
        """Write all that a batch changes, in as few statements as can be.

        Every row count is checked.

        Sagas, journal, outbox, wake-ups, attention, listing, span_due and inbox are inserted or
        updated. Of a saga's row change version, facts_print, phase, incarnation, wake_at (with
        `rewake`), max_expiry and closed_at, and with `state_version` the state and its format; the
        rest never does. Other writes
        without a result (`put_inbox`, `delete_outbox`, …) may wait for the next read, for a save or
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
        """Return the journal records of these (saga id, version).

        A record that is absent is left out.
        """
        ...

    async def journal_tails(self, ids: Collection[UUID]) -> dict[UUID, list[JournalRow]]:
        """Return the journal records of these sagas after their stored states, in order.

        A saga without such records is left out.
        """
        ...

    async def put_inbox(self, events: Sequence[InboxEvent]) -> None:
        """Leave events for sagas that this transaction could not lock."""
        ...

    async def inbox_of(self, ids: Collection[UUID]) -> list[InboxEvent]:
        """Return the events left for these sagas, in order of arrival (their ids are UUIDv7)."""
        ...

    async def unread_replies(self, ids: Collection[UUID], *, since_us: int) -> list[DeadLetter]:
        """Return replies of these sagas that are dead letters because their schema is unknown.

        Args:
            ids: The sagas.
            since_us: Only letters since then count. All of them are read, so this bounds the cost.
        """
        ...

    async def claim_starts(
        self, claims: Sequence[StartClaim], *, replace_closed: Collection[UUID] = ()
    ) -> dict[UUID, ClaimResult]:
        """Claim request ids and then business keys, each in sorted order.

        A claim waits for another transaction that is inserting the same id or key.

        Args:
            claims: What the starts want to be the only ones of.
            replace_closed: Ids of new sagas that take over a key which a finished saga holds
                (`on_closed: allow`).

        Returns:
            What became of each claim, by the id of the saga that was to start.
        """
        ...

    async def advance(self, advances: Sequence[Advance]) -> bool:
        """Move positions.

        Returns:
            True when all moved. False when another instance moved one first: the caller rolls back,
            and a commit would raise StoreError.
        """
        ...

    async def caught_up(
        self, topic: str, partition: int, at_us: int, next_offset: int, anchor_offset: int | None, anchor_print: bytes | None
    ) -> bool:
        """Store that a partition is read up to a time, and renew its anchor.

        Args:
            topic: The topic.
            partition: The partition.
            at_us: All records of the partition up to then have been read.
            next_offset: The position that was compared with the topic.
            anchor_offset: Offset of the record that becomes the anchor.
            anchor_print: Fingerprint of that record.

        Returns:
            False, with nothing stored, when the stored position is another one by now.
        """
        ...

    async def delete_outbox(self, rows: Collection[tuple[int, UUID]]) -> None:
        """Delete outbox rows by (shard, id). A row that is gone already is no error."""
        ...

    async def delete_spans_due(self, rows: Collection[tuple[UUID, int]]) -> None:
        """Delete owed spans by (saga id, version). A row that is gone already is no error."""
        ...

    async def delete_inbox(self, ids: Collection[UUID]) -> None:
        """Delete events that cannot be applied. An event that is gone already is no error."""
        ...

    async def add_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Insert records that could not be read."""
        ...

    async def mark_relayed(self, ids: Collection[UUID]) -> None:
        """Note that these dead letters are on the dead-letter topic."""
        ...

    async def add_orphans(self, orphans: Sequence[OrphanReply]) -> None:
        """Insert replies for sagas that this database does not have."""
        ...

    async def add_imported(self, sagas: Sequence[ImportedSaga]) -> None:
        """Insert sagas that ran in another store. One that is there already is an error."""
        ...

    async def add_audit(self, *, tenant: str, act: str, target: str, who: str, why: str, at_us: int) -> None:
        """Insert what an operator did."""
        ...

    async def add_schemas(self, rows: Sequence[tuple[int, str, bytes]]) -> None:
        """Insert schemas, each numbered as the next version of its subject.

        Args:
            rows: (id, subject, document). A schema that is stored already is no error.

        Raises:
            SchemaCollision: Another document is stored under one of the ids.
        """
        ...

    async def add_definition(
        self, *, hash: str, tenant: str, name: str, version: int, document: bytes, reader_schemas: Mapping[str, int], now_us: int
    ) -> DefinitionRow | None:
        """Insert a definition.

        Returns:
            The stored row, new or with the same hash. None when this version of the name is stored
            with another hash.
        """
        ...

    async def activate(self, tenant: str, name: str, version: int) -> bool:
        """Make a version the only active one of its name.

        Return False when there is no such version.
        """
        ...

    async def bind_to_kafka(self, kafka_cluster_id: str) -> bool:
        """Bind the store to a Kafka cluster. Return False when it belongs to one already."""
        ...

    async def note_recovering(self, waits: Mapping[UUID, str | None]) -> None:
        """Write which participants recovering sagas wait for, by comma; None: the saga has
        recovered.
        """
        ...

    async def set_control(self, *, scope: str, tenant: str, name: str, value: str, who: str, why: str) -> None:
        """Insert or replace a value of the control table."""
        ...
