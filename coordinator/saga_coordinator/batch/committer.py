"""One batch, one transaction: save what was folded, delete what was published, and hand over only what is known to be committed.

Relay rule 1: an ambiguous commit is looked up again under the saga's row lock and compared byte for byte; nothing is sent before it is
known. Rule 3: acknowledged outbox rows are deleted by known key in the next batch's transaction and forgotten only when that is committed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

from saga_coordinator.batch.completion import CompletionWaiters
from saga_coordinator.batch.relay import Relay
from saga_coordinator.sagas.work import SagaWork
from saga_coordinator.store.port import (
    Advance,
    CommitUnknown,
    DeadLetter,
    First,
    OrphanReply,
    SagaWrite,
    Store,
    StoreError,
    Transaction,
)
from saga_coordinator.telemetry.committed import Telemetry
from saga_messaging.clock import Clock

_DELETE_AT_ONCE = 2_000
_LOOK_AGAIN_S = 0.5


class PositionTaken(StoreError):
    """Another instance moved the position: this batch was, or will be, applied there."""


@dataclass(slots=True)
class Batch:
    """What a body leaves for the committer to save."""

    works: list[SagaWork] = field(default_factory=list)
    writes: list[SagaWrite] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    orphans: list[OrphanReply] = field(default_factory=list)
    advances: Sequence[Advance] = ()


B = TypeVar("B", bound=Batch)


class Committer:
    """Runs bodies in transactions."""

    def __init__(self, store: Store, relay: Relay, closings: CompletionWaiters, telemetry: Telemetry, clock: Clock) -> None:
        self._store = store
        self._relay = relay
        self._closings = closings
        self._telemetry = telemetry
        self._clock = clock

    async def run(self, body: Callable[[Transaction], Awaitable[B]], first: First | None = None) -> B:
        """The body's batch, committed and handed over. Raises StoreError (nothing happened) and whatever the body raises.

        `first`: the sagas that are locked, or the starts that are claimed, before the body begins (`Store.transaction`).
        """
        acked = self._relay.take_acked(_DELETE_AT_ONCE)
        batch: B | None = None
        committed = False
        try:
            async with self._store.transaction(first) as tx:
                batch = await body(tx)
                await _save(tx, batch, acked)
            committed = True
        except CommitUnknown:
            committed = batch is not None and await self._took_effect(batch)
            if not committed:
                raise
        finally:
            self._relay.deleted(acked) if committed else self._relay.keep(acked)
        assert batch is not None
        self._relay.offer([pending for work in batch.works for pending in work.pending])
        self._closings.closed(work.row.id for work in batch.works if work.saga is not None and work.saga.final)
        self._telemetry.committed(batch.works, batch.dead_letters, len(batch.orphans))
        return batch

    async def _took_effect(self, batch: Batch) -> bool:
        """Ask until somebody knows. One journal record speaks for the whole transaction."""
        record = next((record for write in batch.writes for record in write.journal), None)
        if record is None:
            return False  # nothing to tell by: done again, positions and keys make that harmless
        while True:
            try:
                return await self._store.has_journal(record.saga_id, record.version) == record.facts
            except StoreError:
                await self._clock.sleep(_LOOK_AGAIN_S)


async def _save(tx: Transaction, batch: Batch, acked: Collection[tuple[int, UUID]]) -> None:
    """Positions last: they go in one statement with all that waits."""
    batch.writes += [write for work in batch.works if (write := work.write(tx.now)) is not None]
    if batch.dead_letters:
        await tx.add_dead_letters(batch.dead_letters)
    if batch.orphans:
        await tx.add_orphans(batch.orphans)
    if batch.writes:
        await tx.save(batch.writes)
    if acked:
        await tx.delete_outbox(acked)
    if batch.advances and not await tx.advance(batch.advances):
        raise PositionTaken("another instance has moved a position of this batch")
