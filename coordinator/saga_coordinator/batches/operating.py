"""One saga acted on by a person, or by a batch in a person's name: one transaction, audited.

Whoever acts may have something done in that transaction: then both happen, or neither.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from uuid import UUID

from saga_coordinator.batch.committer import Committer
from saga_coordinator.batch.fold import EventFold
from saga_coordinator.batch.loader import SagaLoader
from saga_coordinator.engine.events import Env, Event, Refused
from saga_coordinator.sagas.work import SagaWork
from saga_coordinator.starts.requests import SagaUnknown
from saga_coordinator.store.port import LockFirst, Transaction
from saga_schemas.record_class import record

EventsOf = Callable[[SagaWork], Sequence[Event]]
"""What a saga is given, as it is now. Raises Refused."""
Along = Callable[[Transaction], Awaitable[None]]
"""What else is done in the transaction. It raises to undo all of it."""


@record
class Audited:
    """What the audit says of an act."""

    act: str
    who: str
    why: str


@record
class Changes:
    """What an act would change of a saga."""

    phase: tuple[str, str]
    """Before and after."""
    steps: Mapping[str, tuple[str, str]]
    """The same, of steps that would change."""


class _Rehearsed(Exception):
    """Rolls a rehearsal back."""


class Operating:
    """Acts on sagas of one tenant; for whoever acts there are no others."""

    def __init__(self, committer: Committer, loader: SagaLoader, events: EventFold, tenant: str) -> None:
        self._committer = committer
        self._loader = loader
        self._events = events
        self._tenant = tenant

    async def act(self, saga_id: UUID, events: EventsOf, audited: Audited, along: Along | None = None) -> None:
        """Give a saga these events.

        Raises:
            SagaUnknown, Refused, StoreError: Nothing happened.
        """
        async with self._committer.batch(LockFirst([saga_id], wait=True)) as batch:
            work = await self._given(batch.tx, saga_id, events, audited.who)
            await batch.tx.add_audit(
                tenant=work.row.tenant,
                act=audited.act,
                target=str(saga_id),
                who=audited.who,
                why=audited.why,
                at_us=batch.tx.now_us,
            )
            if along is not None:
                await along(batch.tx)
            batch.works.append(work)

    async def rehearse(self, saga_id: UUID, events: EventsOf, who: str) -> Changes:
        """What these events would do, from the very transaction that does it; it is rolled back.

        Raises:
            SagaUnknown, Refused: What the act would raise.
            StoreError: The store is away.
        """
        seen: list[Changes] = []
        try:
            async with self._committer.batch(LockFirst([saga_id], wait=True)) as batch:
                seen.append(await self._changes(batch.tx, saga_id, events, who))
                raise _Rehearsed
        except _Rehearsed:
            return seen[0]

    async def _changes(self, tx: Transaction, saga_id: UUID, events: EventsOf, who: str) -> Changes:
        before: dict[str, str] = {}

        def noted(work: SagaWork) -> Sequence[Event]:
            before.update(_statuses(work))
            return events(work)

        work = await self._given(tx, saga_id, noted, who)
        assert work.saga is not None, "a saga that is acted on has begun"
        steps = {name: (before[name], after) for name, after in _statuses(work).items() if before[name] != after}
        return Changes(phase=(work.row.phase, work.saga.phase.value), steps=steps)

    async def _given(self, tx: Transaction, saga_id: UUID, events: EventsOf, who: str) -> SagaWork:
        row = tx.locked.get(saga_id)
        if row is None or row.tenant != self._tenant:
            raise SagaUnknown(saga_id)
        works = await self._loader.open(tx)
        if saga_id not in works:
            raise Refused("unreadable", "this instance cannot read the saga's state or definition: see its log")
        work = works[saga_id]
        for event in events(work):
            await self._events.act(tx, work, event, Env(now_us=tx.now_us), who)
        return work


def _statuses(work: SagaWork) -> dict[str, str]:
    assert work.saga is not None, "a saga that is acted on has begun"
    return {name: step.status.value for name, step in work.saga.steps.items()}
