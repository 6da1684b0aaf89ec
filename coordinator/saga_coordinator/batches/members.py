"""What a batch does to its next saga, and what it notes of it.

The act and the place that the batch has come to are one transaction. So a saga is acted on once,
whenever a process is killed and however many of them work on the batch; and from the moment at
which a stop is committed nothing more is done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal
from uuid import UUID

import structlog

from saga_coordinator.batches.acts import Act, By
from saga_coordinator.batches.jobs import events_of
from saga_coordinator.batches.operating import Audited, Operating
from saga_coordinator.batches.outcomes import Outcomes
from saga_coordinator.batches.pinning import pinned
from saga_coordinator.engine.events import Refused
from saga_coordinator.failures import comes_again, error_fields
from saga_coordinator.starts.requests import SagaUnknown, StartRefused
from saga_coordinator.starts.restarting import Restarts
from saga_coordinator.store.port import BatchRow, BatchStep, Store, StoreError, Transaction
from saga_coordinator.telemetry.log_fields import about_id

Outcome = Literal["done", "refused", "failed"]


class BatchMoved(Exception):
    """The batch was stopped, or is at another place than it was: look at it again."""


class BatchMembers:
    """Works on batches, a saga at a time."""

    def __init__(self, store: Store, operating: Operating, restarts: Restarts) -> None:
        self._store = store
        self._operating = operating
        self._restarts = restarts
        self._log = structlog.get_logger("batches")

    async def page(self, batch: BatchRow, limit: int) -> Sequence[UUID]:
        """The next sagas, as they match now. Raises QueryRefused, StoreError."""
        query = pinned(batch.query, batch.created_at_us)
        return await self._store.matching_ids(batch.tenant, query, after=batch.place, limit=limit)

    async def act(self, batch: BatchRow, act: Act, saga_id: UUID) -> tuple[BatchRow, Outcome]:
        """Act on one saga.

        Returns:
            The batch as it is then, and what became of the saga.

        Raises:
            BatchMoved: Nothing happened.
            StoreError: Nothing happened, or nobody knows.
        """
        why = f"{batch.why} (batch {batch.id})"
        done = BatchStep(after=batch.place, saga_id=saga_id, done=1)

        async def along(tx: Transaction) -> None:
            await _step(tx, batch, done)

        try:
            if act.events is None:
                await self._restarts.restart(saga_id, why, batch.who, along)
            else:
                events = events_of(act.events, By(actor=batch.who, reason=why))
                await self._operating.act(saga_id, events, Audited(act=act.name, who=batch.who, why=why), along)
        except (Refused, StartRefused) as refused:
            return await self._refused(batch, saga_id, refused.code), "refused"
        except SagaUnknown:
            return await self._refused(batch, saga_id, "saga_unknown"), "refused"
        except BatchMoved:
            raise
        except Exception as error:
            if not comes_again(error):
                raise
            return await self.failed(batch, saga_id, error), "failed"
        return _after(batch, done), "done"

    async def failed(self, batch: BatchRow, saga_id: UUID, error: Exception) -> BatchRow:
        """Pass a saga on which the act fails again and again. Raises BatchMoved, StoreError."""
        self._log.error("batch_saga_failed", batch=str(batch.id), **about_id(saga_id), **error_fields(error))
        code = "store_error" if isinstance(error, StoreError | TimeoutError) else type(error).__name__
        outcomes = _outcomes(batch).failing(code, saga_id).text()
        return await self._passed(batch, BatchStep(after=batch.place, saga_id=saga_id, failed=1, outcomes=outcomes))

    async def ended(self, batch: BatchRow) -> None:
        """Note that no saga is left. Raises StoreError."""
        async with self._store.transaction() as tx:
            await tx.end_batch(batch.id)

    async def _refused(self, batch: BatchRow, saga_id: UUID, code: str) -> BatchRow:
        outcomes = _outcomes(batch).refusing(code, saga_id).text()
        return await self._passed(batch, BatchStep(after=batch.place, saga_id=saga_id, refused=1, outcomes=outcomes))

    async def _passed(self, batch: BatchRow, step: BatchStep) -> BatchRow:
        async with self._store.transaction() as tx:
            await _step(tx, batch, step)
        return _after(batch, step)


async def _step(tx: Transaction, batch: BatchRow, step: BatchStep) -> None:
    if not await tx.step_batch(batch.id, step):
        raise BatchMoved


def _after(batch: BatchRow, step: BatchStep) -> BatchRow:
    """The batch after this step, without reading it again."""
    return replace(
        batch,
        place=step.saga_id,
        done=batch.done + step.done,
        refused=batch.refused + step.refused,
        failed=batch.failed + step.failed,
        outcomes=batch.outcomes if step.outcomes is None else step.outcomes,
    )


def _outcomes(batch: BatchRow) -> Outcomes:
    return Outcomes.read(batch.outcomes)
