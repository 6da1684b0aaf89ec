"""A transaction that asks nothing before its end: one statement, one round trip, no BEGIN.

Its rows are taken as the caller knows them, its claims for won, its time is estimated. What is
saved goes as one statement in autocommit, which does all of it, or nothing where something does not
hold. The caller is told so (`RowsMoved`) and begins again, with locks.

What reads, or writes in several steps, begins an ordinary transaction then and there. The rows that
this one locks must be those that were taken for granted.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, TypeGuard
from uuid import UUID

import asyncpg

from saga_coordinator.store import postgres_statements as sql
from saga_coordinator.store.claims import new_claims
from saga_coordinator.store.clock_estimate import ClockEstimate
from saga_coordinator.store.connections import Connected
from saga_coordinator.store.faults import sqlstate
from saga_coordinator.store.port import (
    Advance,
    ClaimFirst,
    ClaimResult,
    CommitUnknown,
    First,
    LockFirst,
    RowsMoved,
    SagaRow,
    SagaWrite,
    StoreError,
)
from saga_coordinator.store.postgres_transaction import PostgresTransaction
from saga_coordinator.store.schedule_records import TurnFirst
from saga_coordinator.store.statements import Write
from saga_coordinator.store.writes import groups_of, moves, outbox_deletions

_NOTHING_DONE: Final = ("22", "23", "40", "54", "55")
"""Classes of errors after which a statement has done nothing: a check of ours, a constraint, a
rollback, a limit of the server, a lock."""


Known = LockFirst | ClaimFirst
"""What asks nothing, where the caller knows the rows or hopes to win."""


def knows_enough(first: First | None) -> TypeGuard[Known]:
    """Whether a transaction that begins with this needs to ask nothing."""
    match first:
        case LockFirst():
            return first.known is not None
        case ClaimFirst():
            return first.hopeful
        case TurnFirst() | None:
            return False


class TransactionAtOnce(PostgresTransaction):
    def __init__(self, connected: Connected, clock: ClockEstimate, first: Known, now_us: int) -> None:
        super().__init__(connected, clock)
        self._now_us = now_us
        self._first = first
        self._begun = False
        self._whole: list[Write] = []
        match first:
            case LockFirst():
                self._locked.update(first.known or {})
            case ClaimFirst():
                self._claimed = {claim.saga_id: ClaimResult(won=True) for claim in first.claims}

    async def begin(self) -> None:
        """Not yet."""

    async def open(self, first: First | None) -> None:
        """Not yet."""

    async def asking(self) -> None:
        if self._begun:
            return
        if self._whole:
            raise StoreError("nothing follows the save of a transaction that goes at once")
        self._begun = True
        self._locked.clear()
        await super().begin()
        await super().open(self._first)
        if not self._is_as_known():
            raise RowsMoved("the rows have changed since they were written here")

    def _is_as_known(self) -> bool:
        match self._first:
            case LockFirst():
                return self._locked == self._first.known
            case ClaimFirst():
                return all(claim.won for claim in self._claimed.values())

    async def refresh_clock(self) -> None:
        await self.asking()
        await super().refresh_clock()

    async def lock_sagas(self, ids: Collection[UUID], *, wait: bool) -> dict[UUID, SagaRow]:
        await self.asking()
        return await super().lock_sagas(ids, wait=wait)

    async def save(
        self, writes: Sequence[SagaWrite], *, acked: Collection[tuple[int, UUID]] = (), advances: Sequence[Advance] = ()
    ) -> bool:
        """Keep it for the end. Whether the positions move shows only there."""
        groups = groups_of(writes, self._locked)
        if self._begun or self._pending or len(groups) > 1 or any(one.restart for one in advances):
            await self.asking()
            return await super().save(writes, acked=acked, advances=advances)
        claims = new_claims(self._first.claims) if isinstance(self._first, ClaimFirst) else ()
        # Sagas before positions, as where they are locked first: two such batches never wait for
        # each other in a circle.
        self._whole = [*claims, *groups[0], *outbox_deletions(acked), *moves(advances)]
        return True

    async def commit(self) -> None:
        if self._begun:
            await super().commit()
        elif self._whole:
            await self._go()

    async def _go(self) -> None:
        query = sql.at_once(tuple(write.statement for write in self._whole))
        try:
            done = await self._driver.fetchrow(query, *sql.arguments(self._whole), self._now_us)
        except (OverflowError, UnicodeError) as error:
            raise RowsMoved("a value cannot be sent") from error
        except asyncpg.PostgresError as error:
            if sqlstate(error)[:2] in _NOTHING_DONE:
                self._clock.forget()
                raise RowsMoved("the rows or the clock are not as they were taken to be") from error
            await self._lost(error)
        except (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError) as error:
            await self._lost(error)
        except BaseException:
            await self._connected.drop()
            raise
        else:
            assert done is not None
            self._clock.read(done[1])

    async def _lost(self, error: Exception) -> None:
        await self._connected.drop()
        raise CommitUnknown(f"the connection failed while committing ({type(error).__name__})") from error

    async def rollback(self) -> None:
        if self._begun:
            await super().rollback()
