"""One batch, one transaction, in four steps: fold, plan the writes, commit, publish.

Relay rule 1: after an ambiguous commit the saga is looked up again under its row lock and compared
byte for byte. Nothing is sent before the answer is known. Relay rule 3: acknowledged outbox rows
are deleted by known key in the next batch's transaction, and forgotten only when that is committed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Final, TypeVar

from saga_coordinator.batch.completion import CompletionWaiters
from saga_coordinator.batch.plan import Batch, Plan, facts_bytes_after, plan_writes
from saga_coordinator.batch.relay import Relay
from saga_coordinator.sagas.state_cache import StateCache
from saga_coordinator.store.port import ClaimFirst, CommitUnknown, First, LockFirst, RowsMoved, Store, StoreError, Transaction
from saga_coordinator.telemetry.committed import CommitTelemetry
from saga_messaging.clock import Clock

Result = TypeVar("Result")

_LOOK_AGAIN_S: Final = 0.5


class PositionTaken(StoreError):
    """Another instance moved the position: this batch was, or will be, applied there."""


class Committer:
    """Opens batches, and commits and publishes what was folded in them."""

    def __init__(
        self,
        *,
        store: Store,
        relay: Relay,
        states: StateCache,
        waiters: CompletionWaiters,
        telemetry: CommitTelemetry,
        clock: Clock,
        committed: Callable[[], None] = lambda: None,
    ) -> None:
        """`committed`: is called after each commit; it must not wait."""
        self._store = store
        self._relay = relay
        self._states = states
        self._waiters = waiters
        self._telemetry = telemetry
        self._clock = clock
        self._committed = committed

    async def apply(self, first: LockFirst | ClaimFirst, fold: Callable[[Batch], Awaitable[Result]]) -> Result:
        """One batch with this block, in as few round trips as can be.

        Rows that this process wrote last are not read again, and new starts are taken for new ones.
        Where that does not hold, the block runs once more, with locks.

        Args:
            first: The sagas that are locked, or the starts that are claimed.
            fold: Folds events into the batch. What an earlier run of it left is forgotten.

        Returns:
            What the block returned.

        Raises:
            As `batch` does.
        """
        hopeful = self._hopeful(first)
        if hopeful is not None:
            try:
                async with self.batch(hopeful) as batch:
                    return await fold(batch)
            except RowsMoved:
                pass
        async with self.batch(first) as batch:
            return await fold(batch)

    def _hopeful(self, first: LockFirst | ClaimFirst) -> First | None:
        if isinstance(first, ClaimFirst):
            return replace(first, hopeful=True)
        known = self._states.rows(first.ids)
        return None if known is None else replace(first, known=known)

    @asynccontextmanager
    async def batch(self, first: First | None = None) -> AsyncIterator[Batch]:
        """A batch to fold into. When the block ends, it is planned, saved, committed and published.

        An exception rolls everything back, whether the block raises it or the store does.

            async with committer.batch(LockFirst(ids, wait=False)) as batch:
                works = await loader.open(batch.tx)
                ...  # fold their events
                batch.works.extend(works.values())

        Args:
            first: The sagas that are locked, or the starts that are claimed, before the block
                begins.

        Raises:
            PositionTaken: Another instance has moved a position; nothing happened here.
            CommitUnknown: The commit's fate is unknown, and nothing was written by which to tell.
                The batch may be done again.
            StoreError: Nothing happened.
        """
        plan: Plan | None = None
        saving_s = 0.0
        with self._relay.deleting_acked() as acked:
            try:
                async with self._store.transaction(first) as tx:
                    batch = Batch(tx)
                    yield batch
                    plan = plan_writes(batch, acked, tx.now_us)
                    saving_s = self._clock.monotonic_s()
                    await _save(tx, plan)
            except CommitUnknown:
                if plan is None or not await self._took_effect(plan):
                    raise
        assert plan is not None
        self._telemetry.saved(self._clock.monotonic_s() - saving_s, batch.tx.now_us)
        self._publish(batch, plan)

    async def _took_effect(self, plan: Plan) -> bool:
        """Whether a commit of unknown fate happened. It is asked until somebody knows.

        One journal record speaks for the whole transaction. Without one there is nothing to tell
        by; the batch is then done again, and its positions and keys make that harmless.
        """
        record = next((record for _, write in plan.sagas for record in write.journal), None)
        if record is None:
            return False
        while True:
            try:
                return await self._store.has_journal(record.saga_id, record.version) == record.facts
            except StoreError:
                await self._clock.sleep(_LOOK_AGAIN_S)

    def _publish(self, batch: Batch, plan: Plan) -> None:
        """Hand over what is known to be committed. Nothing here waits."""
        self._relay.offer([message for work in batch.works for message in work.messages])
        for work, write in plan.sagas:
            assert work.saga is not None
            self._states.wrote(write.row, work.saga, facts_bytes_after(work, write))
        self._waiters.closed(work.row.id for work in batch.works if work.saga is not None and work.saga.final)
        self._telemetry.committed(batch.works, plan.attention_raised, batch.dead_letters, len(batch.orphans))
        self._committed()


async def _save(tx: Transaction, plan: Plan) -> None:
    if plan.dead_letters:
        await tx.add_dead_letters(plan.dead_letters)
    if plan.orphans:
        await tx.add_orphans(plan.orphans)
    if plan.inbox:
        await tx.put_inbox(plan.inbox)
    if plan.recovering:
        await tx.note_recovering(plan.recovering)
    if plan.heard:
        await tx.note_heard(plan.heard)
    if not await tx.save(plan.writes, acked=plan.acked, advances=plan.advances):
        raise PositionTaken("another instance has moved a position of this batch")
