"""Prepared starts are carried out, in batches, from HTTP and from `saga.start`.

A start is idempotent twice over: by its request id always, by its business key while that is held.
Both are rows that are inserted before the saga, in the same transaction and in sorted order. Two
instances that start the same thing meet at such a row, and one of them sees the other's saga.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, TypeVar
from uuid import UUID

from saga_coordinator.batch.committer import Committer
from saga_coordinator.batch.loader import PORTION_SAGAS
from saga_coordinator.batch.plan import Batch
from saga_coordinator.engine.events import Env, Start
from saga_coordinator.engine.pauses import NO_PAUSES, Pauses
from saga_coordinator.failures import comes_again
from saga_coordinator.sagas.work import FoldContext, SagaWork
from saga_coordinator.starts.preparation import Prepared
from saga_coordinator.starts.requests import KEY_HELD, REQUEST_REUSED, StartRefused, StartResult
from saga_coordinator.store.identifiers import first_id, new_id
from saga_coordinator.store.port import BelowHorizon, ClaimFirst, ClaimResult, Store, StoreError
from saga_coordinator.store.removal_port import SCHEDULE_SOURCE
from saga_messaging.background import in_portions

Result = TypeVar("Result")
Outcomes = list[StartResult | StartRefused]

_TRIES: Final = 3


class BeingUndone(StoreError):
    """What a saga that was to begin again left at participants is being undone: not now."""


class StartExecution:
    """Carries prepared starts out."""

    def __init__(
        self,
        committer: Committer,
        context: FoldContext,
        store: Store,
        tenant: str,
        pauses: Callable[[], Pauses] = lambda: NO_PAUSES,
    ) -> None:
        """`pauses`: of definitions and participants, as this instance knows them."""
        self._pauses = pauses
        self._committer = committer
        self._context = context
        self._store = store
        self._tenant = tenant

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
        results: dict[int, StartResult | Exception] = {}
        together = [place for place, start in enumerate(starts) if not start.alone]
        alone = [place for place, start in enumerate(starts) if start.alone]
        try:
            results |= zip(together, await self._run([starts[place] for place in together]), strict=True)
        except Exception as error:
            if not comes_again(error):
                raise
            alone = [*together, *alone]
        for place in alone:
            results[place] = await self._alone(starts[place])
        return [results[place] for place in range(len(starts))]

    async def _alone(self, start: Prepared) -> StartResult | Exception:
        try:
            return (await self._run([start]))[0]
        except Exception as error:
            if not comes_again(error):
                raise
            return error

    async def _run(self, starts: Sequence[Prepared]) -> Outcomes:
        return await self.apply(starts, self.begin) if starts else []

    async def apply(self, starts: Sequence[Prepared], fold: Callable[[Batch, Sequence[Prepared]], Awaitable[Result]]) -> Result:
        """One transaction with this block, which begins these starts or what became of them.

        A start that waited for so long that the horizon has passed its id takes a new one: below
        the horizon no saga starts.

        Raises:
            StoreError: Nothing happened, or nobody knows.
            StartRefused: As the block does.
        """
        for _ in range(_TRIES - 1):
            try:
                return await self._apply_once(starts, fold)
            except BelowHorizon:
                starts = await self._renewed(starts)
        return await self._apply_once(starts, fold)

    async def _apply_once(
        self, starts: Sequence[Prepared], fold: Callable[[Batch, Sequence[Prepared]], Awaitable[Result]]
    ) -> Result:
        async def begin(batch: Batch) -> Result:
            return await fold(batch, starts)

        return await self._committer.apply(claims_of(starts), begin)

    async def _renewed(self, starts: Sequence[Prepared]) -> list[Prepared]:
        """The same starts. Those below the horizon have ids of now, by the database's clock, or of
        the horizon where that clock was set back.
        """
        from_us = (await self._store.horizon(self._tenant)).starts_from_ms * 1000
        at_us = max(await self._store.now_us(), from_us)
        return [start if start.claim.saga_id >= first_id(from_us) else start.with_id(new_id(at_us)) for start in starts]

    async def begin(self, batch: Batch, starts: Sequence[Prepared]) -> Outcomes:
        """Start the winners in this batch, whose transaction began with `claims_of(starts)`.

        Returns:
            What became of each start, in their order.

        Raises:
            StartRefused: The claim of one that is alone is refused: all is rolled back.
        """
        await self.begin_won(batch, starts, batch.tx.claimed)
        return [_result(start, batch.tx.claimed[start.claim.saga_id]) for start in starts]

    async def begin_won(self, batch: Batch, starts: Sequence[Prepared], claimed: Mapping[UUID, ClaimResult]) -> None:
        """Start those of which the claims are won."""
        env = Env(now_us=batch.tx.now_us, pauses=self._pauses())
        won = [start for start in starts if claimed[start.claim.saga_id].won]
        async for start in in_portions(won, PORTION_SAGAS):
            batch.works.append(self._begin(start, env))

    def _begin(self, start: Prepared, env: Env) -> SagaWork:
        row = start.row
        work = SagaWork.begin(row, start.compiled, self._context, started_at_us=env.now_us, labels=start.labels)
        event = Start(
            id=str(row.id),
            tenant=row.tenant,
            key=row.business_key,
            input=start.input,
            incarnation=row.incarnation,
            message_id=start.claim.request_id,
            recovered=start.recovered,
            restarted_from=start.restarted_from,
            start_at_us=start.start_at_us,
            tick=start.claim.request_id if start.claim.source == SCHEDULE_SOURCE else None,
        )
        work.apply(event, env)
        return work


def claims_of(starts: Sequence[Prepared]) -> ClaimFirst:
    """What the transaction that carries them out begins with."""
    takes_over = [start.claim.saga_id for start in starts if start.on_closed == "allow"]
    return ClaimFirst([start.claim for start in starts], takes_over)


async def own_again(batch: Batch, starts: Sequence[Prepared]) -> None:
    """What sagas that begin again left at participants is theirs from now on.

    Raises BeingUndone where somebody undid it: asked again, the start takes a new id.
    """
    begun = {work.row.id for work in batch.works}
    again = [start.claim.saga_id for start in starts if start.recovered and start.claim.saga_id in begun]
    if again and await batch.tx.undone_of(again):
        raise BeingUndone("effects of a saga that was to begin again are being undone")


def _result(start: Prepared, result: ClaimResult) -> StartResult | StartRefused:
    if result.won:
        return StartResult(saga_id=start.claim.saga_id, created=True)
    if result.request_saga is not None:
        if result.request_hash != start.claim.body_hash:
            return StartRefused(REQUEST_REUSED, "this request id was used before with another body: use a fresh one")
        return StartResult(saga_id=result.request_saga, created=False)
    assert result.key_saga is not None, "a claim is won, or lost to a request, or lost to a key"
    if not result.key_closed and start.on_open == "reject":
        raise StartRefused(KEY_HELD, "an open saga holds this business key", {"saga_id": str(result.key_saga)})
    return StartResult(saga_id=result.key_saga, created=False)
