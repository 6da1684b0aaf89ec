"""Prepared starts are carried out, in batches, from HTTP and from `saga.start`.

A start is idempotent twice over: by its request id always, by its business key while that is held.
Both are rows that are inserted before the saga, in the same transaction and in sorted order. Two
instances that start the same thing meet at such a row, and one of them sees the other's saga.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from saga_coordinator.batch.committer import Committer
from saga_coordinator.batch.plan import Batch
from saga_coordinator.engine.events import Env, Start
from saga_coordinator.failures import comes_again
from saga_coordinator.sagas.work import FoldContext, SagaWork
from saga_coordinator.starts.preparation import Prepared
from saga_coordinator.starts.requests import KEY_HELD, REQUEST_REUSED, StartRefused, StartResult
from saga_coordinator.store.port import ClaimFirst, ClaimResult


class StartExecution:
    """Carries prepared starts out."""

    def __init__(self, committer: Committer, context: FoldContext) -> None:
        self._committer = committer
        self._context = context

    async def carry_out(self, starts: Sequence[Prepared]) -> list[StartResult | Exception]:
        """One transaction for all that cannot be refused by their claim, one for each of the
        others.

        Returns:
            What became of each start, in their order. A start that makes the database refuse its
                rows, or that meets a bug, has
            the exception as its own answer, and costs no other start its own.

        Raises:
            StoreError: The store is away.
        """
        results: dict[UUID, StartResult | Exception] = {}
        together = [start for start in starts if not start.alone]
        alone = [start for start in starts if start.alone]
        try:
            results |= await self._run(together)
        except Exception as error:
            if not comes_again(error):
                raise
            alone = [*together, *alone]
        for start in alone:
            results[start.claim.saga_id] = await self._alone(start)
        return [results[start.claim.saga_id] for start in starts]

    async def _alone(self, start: Prepared) -> StartResult | Exception:
        try:
            return (await self._run([start]))[start.claim.saga_id]
        except Exception as error:
            if not comes_again(error):
                raise
            return error

    async def _run(self, starts: Sequence[Prepared]) -> dict[UUID, StartResult | StartRefused]:
        if not starts:
            return {}

        async def begin(batch: Batch) -> dict[UUID, StartResult | StartRefused]:
            return self.begin(batch, starts)

        return await self._committer.apply(claims_of(starts), begin)

    def begin(self, batch: Batch, starts: Sequence[Prepared]) -> dict[UUID, StartResult | StartRefused]:
        """Start the winners in this batch, whose transaction began with `claims_of(starts)`.

        Returns:
            What became of each start, by the id of its saga.

        Raises:
            StartRefused: The claim of one that is alone is refused: all is rolled back.
        """
        env = Env(now_us=batch.tx.now_us)
        results: dict[UUID, StartResult | StartRefused] = {}
        for start in starts:
            saga_id = start.claim.saga_id
            claimed = batch.tx.claimed[saga_id]
            if claimed.won:
                batch.works.append(self._begin(start, env))
                results[saga_id] = StartResult(saga_id=saga_id, created=True)
            else:
                results[saga_id] = _lost(start, claimed)
        return results

    def _begin(self, start: Prepared, env: Env) -> SagaWork:
        row = start.row
        work = SagaWork.begin(row, start.compiled, self._context, started_at_us=env.now_us)
        event = Start(
            id=str(row.id),
            tenant=row.tenant,
            key=row.business_key,
            input=start.input,
            incarnation=row.incarnation,
            message_id=start.claim.request_id,
            recovered=start.recovered,
        )
        work.apply(event, env)
        return work


def claims_of(starts: Sequence[Prepared]) -> ClaimFirst:
    """What the transaction that carries them out begins with."""
    takes_over = [start.claim.saga_id for start in starts if start.on_closed == "allow"]
    return ClaimFirst([start.claim for start in starts], takes_over)


def _lost(start: Prepared, result: ClaimResult) -> StartResult | StartRefused:
    if result.request_saga is not None:
        if result.request_hash != start.claim.body_hash:
            return StartRefused(REQUEST_REUSED, "this request id was used before with another body: use a fresh one")
        return StartResult(saga_id=result.request_saga, created=False)
    assert result.key_saga is not None, "a claim is won, or lost to a request, or lost to a key"
    if not result.key_closed and start.on_open == "reject":
        raise StartRefused(KEY_HELD, "an open saga holds this business key", {"saga_id": str(result.key_saga)})
    return StartResult(saga_id=result.key_saga, created=False)
