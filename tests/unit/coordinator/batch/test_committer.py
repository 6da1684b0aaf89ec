"""One batch: what is sent, forgotten and remembered, and what not, however the transaction ends."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast
from uuid import UUID

import pytest

from saga_coordinator.batch.committer import Committer, PositionTaken
from saga_coordinator.batch.completion import CompletionWaiters
from saga_coordinator.batch.plan import Batch
from saga_coordinator.batch.refusals import Refusals
from saga_coordinator.batch.relay import Relay
from saga_coordinator.sagas.messages import Ticket
from saga_coordinator.store.port import (
    Advance,
    ClaimFirst,
    CommitUnknown,
    First,
    LockFirst,
    RowsMoved,
    SagaRow,
    SagaWrite,
    Store,
    StoreError,
)
from saga_coordinator.telemetry.committed import CommitTelemetry
from saga_coordinator.telemetry.instruments import Instruments
from saga_messaging.sender import Dispatch, Sender
from support.hand_clock import HandClock
from support.works import NOW, a_context, started

ACKED: Ticket = (3, UUID(int=7))
ADVANCE = Advance(topic="t", partition=0, from_offset=0, next_offset=1, last_print=None)


@dataclass
class OneTransaction:
    """A store whose transaction ends as the test says."""

    ends_with: Exception | None = None
    ends_hopeful_with: Exception | None = None
    """The same for one that takes something for granted."""
    moves: bool = True
    took_effect: bool = False
    now_us: int = NOW
    saved: list[SagaWrite] = field(default_factory=list)
    deleted: list[Ticket] = field(default_factory=list)
    begun_with: list[First | None] = field(default_factory=list)

    @asynccontextmanager
    async def transaction(self, first: First | None = None) -> AsyncIterator[OneTransaction]:
        self.begun_with.append(first)
        hopeful = first.known is not None if isinstance(first, LockFirst) else isinstance(first, ClaimFirst) and first.hopeful
        before = len(self.saved)
        yield self
        ends_with = self.ends_hopeful_with if hopeful else self.ends_with
        if ends_with is not None:
            if isinstance(ends_with, RowsMoved):
                del self.saved[before:]
            raise ends_with

    async def save(self, writes: Sequence[SagaWrite], *, acked: Collection[Ticket], advances: Sequence[Advance]) -> bool:
        self.saved += writes
        self.deleted += acked
        return self.moves

    async def has_journal(self, saga_id: UUID, version: int) -> bytes | None:
        return next(record.facts for write in self.saved for record in write.journal) if self.took_effect else None


class OneSender:
    """A sender with one acknowledged ticket."""

    def __init__(self) -> None:
        self.offered: list[Dispatch[Ticket]] = []
        self.forgotten: list[Ticket] = []
        self.given_back: list[Ticket] = []

    def take_acked(self, limit: int) -> list[Ticket]:
        return [ACKED]

    def offer(self, items: Sequence[Dispatch[Ticket]]) -> int:
        self.offered += items
        return len(items)

    def forget(self, tickets: Sequence[Ticket]) -> None:
        self.forgotten += tickets

    def give_back(self, tickets: Sequence[Ticket]) -> None:
        self.given_back += tickets


class Parts:
    """A committer, and what it acts on."""

    def __init__(self, store: OneTransaction) -> None:
        self.store, self.sender, self.context, self.waiters = store, OneSender(), a_context(), CompletionWaiters()
        clock = HandClock()
        relay = Relay(cast(Store, store), cast("Sender[Ticket]", self.sender), clock, Refusals())
        self.committer = Committer(
            store=cast(Store, store),
            relay=relay,
            states=self.context.states,
            waiters=self.waiters,
            telemetry=CommitTelemetry(Instruments()),
            clock=clock,
        )

    async def commit(self, fails_with: Exception | None = None) -> None:
        async with self.committer.batch() as batch:
            batch.works.append(started(self.context))
            batch.advances = [ADVANCE]
            if fails_with is not None:
                raise fails_with

    async def applied(self, first: LockFirst | ClaimFirst) -> SagaRow:
        """One start, begun so. Returns its row as it is written."""

        async def fold(batch: Batch) -> None:
            work = started(self.context)
            batch.works.append(work)

        await self.committer.apply(first, fold)
        return self.store.saved[-1].row

    @property
    def remembered(self) -> bool:
        """Whether the state is at hand without being read."""
        return self.context.states.of(self.store.saved[0].row) is not None


async def test_what_is_committed_is_sent_forgotten_and_remembered() -> None:
    parts = Parts(OneTransaction())
    await parts.commit()
    assert [(row.shard, row.id) for row in parts.store.saved[0].outbox] == [item.ticket for item in parts.sender.offered]
    assert (parts.store.deleted, parts.sender.forgotten, parts.sender.given_back) == ([ACKED], [ACKED], [])
    assert parts.remembered


@pytest.mark.parametrize(
    "store",
    [OneTransaction(StoreError("away")), OneTransaction(CommitUnknown("broke")), OneTransaction(moves=False)],
    ids=["rolled back", "an unknown commit that did not happen", "a position that is another's"],
)
async def test_what_is_not_committed_is_not_sent_and_its_rows_are_deleted_later(store: OneTransaction) -> None:
    parts = Parts(store)
    with pytest.raises(StoreError):
        await parts.commit()
    assert (parts.sender.offered, parts.sender.forgotten, parts.sender.given_back) == ([], [], [ACKED])
    assert not parts.remembered


async def test_an_unknown_commit_that_happened_is_sent() -> None:
    parts = Parts(OneTransaction(CommitUnknown("broke"), took_effect=True))
    await parts.commit()
    assert len(parts.sender.offered) == len(parts.store.saved[0].outbox)
    assert parts.sender.forgotten == [ACKED]


async def test_a_block_runs_again_with_locks_where_what_was_taken_for_granted_does_not_hold() -> None:
    parts = Parts(OneTransaction())
    row = await parts.applied(LockFirst([], wait=False))
    assert [first.known for first in parts.store.begun_with if isinstance(first, LockFirst)] == [{}]
    parts.store.begun_with.clear()
    parts.store.ends_hopeful_with = RowsMoved("moved")
    assert await parts.applied(LockFirst([row.id], wait=False)) == row
    hopeful, careful = parts.store.begun_with
    assert isinstance(hopeful, LockFirst) and isinstance(careful, LockFirst)
    assert hopeful.known is not None and list(hopeful.known) == [row.id]
    assert careful.known is None
    assert len(parts.sender.offered) == 2 * len(parts.store.saved[0].outbox), "once for each batch that was committed"


async def test_a_saga_that_was_not_written_here_is_locked_first() -> None:
    parts = Parts(OneTransaction())
    row = await parts.applied(LockFirst([UUID(int=9)], wait=False))
    await parts.applied(LockFirst([row.id, UUID(int=9)], wait=False))
    assert [first.known for first in parts.store.begun_with if isinstance(first, LockFirst)] == [None, None]


async def test_starts_are_taken_for_new_ones_first() -> None:
    parts = Parts(OneTransaction(ends_hopeful_with=RowsMoved("known")))
    await parts.applied(ClaimFirst([]))
    assert [first.hopeful for first in parts.store.begun_with if isinstance(first, ClaimFirst)] == [True, False]


async def test_a_position_that_is_anothers_has_its_own_name() -> None:
    with pytest.raises(PositionTaken):
        await Parts(OneTransaction(moves=False)).commit()


async def test_an_exception_of_the_fold_reaches_its_caller_and_saves_nothing() -> None:
    parts = Parts(OneTransaction())
    with pytest.raises(KeyError, match="a bug"):
        await parts.commit(fails_with=KeyError("a bug"))
    assert (parts.store.saved, parts.sender.offered, parts.sender.given_back) == ([], [], [ACKED])


async def test_an_unknown_commit_without_a_journal_record_is_done_again() -> None:
    parts = Parts(OneTransaction(CommitUnknown("broke"), took_effect=True))
    with pytest.raises(CommitUnknown):
        async with parts.committer.batch():
            pass
    assert parts.sender.given_back == [ACKED]
