"""One transaction on PostgreSQL: its locks, its hot statements, its end."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Final
from uuid import UUID

import asyncpg

from saga_coordinator.store import postgres_statements as sql
from saga_coordinator.store.clock_estimate import ClockEstimate
from saga_coordinator.store.connections import Connected
from saga_coordinator.store.faults import fault_of, sqlstate, translated
from saga_coordinator.store.port import CommitUnknown, SagaRow, StoreError
from saga_coordinator.store.rows import read, saga_row
from saga_coordinator.store.statements import Write
from saga_coordinator.store.transaction import SqlTransaction

END_LIMIT_S: Final = 5.0
"""For a ROLLBACK; the connection is dropped when it takes longer."""
_ROLLED_BACK: Final = ("40", "23")
"""Classes of errors which, said in answer to COMMIT, mean that nothing was committed."""


class PostgresTransaction(SqlTransaction):
    def __init__(self, connected: Connected, clock: ClockEstimate) -> None:
        super().__init__(connected.core)
        self._connected = connected
        self._driver = connected.driver
        self._clock = clock

    def read_clock(self, now_us: int) -> None:
        super().read_clock(now_us)
        self._clock.read(now_us)

    async def begin(self) -> None:
        with translated():
            await self._driver.execute("BEGIN")

    async def refresh_clock(self) -> None:
        with translated():
            self.read_clock(await self._driver.fetchval(sql.CLOCK))

    async def lock_sagas(self, ids: Collection[UUID], *, wait: bool) -> dict[UUID, SagaRow]:
        return await self._lock(sql.LOCK_WAITING if wait else sql.LOCK_SKIPPING, ids)

    async def lock_finished(self, ids: Collection[UUID]) -> dict[UUID, SagaRow]:
        return await self._lock(sql.LOCK_ALONE, ids)

    async def _lock(self, statement: str, ids: Collection[UUID]) -> dict[UUID, SagaRow]:
        await self.settled("saga")
        if not ids:
            await self.refresh_clock()
            return {}
        with translated():
            rows = await self._driver.fetch(statement, list(ids))
        if rows:
            self.read_clock(rows[-1][-1])
        else:
            await self.refresh_clock()
        locked = {saga.id: saga for saga in (read(saga_row, tuple(row), "saga") for row in rows)}
        self._locked.update(locked)
        return locked

    async def run(self, writes: Sequence[Write]) -> list[int]:
        query = sql.folded(tuple(write.statement for write in writes))
        counts = await self._driver.fetchrow(query, *sql.arguments(writes))
        return list(counts or ())

    async def run_claim(self, requests: Write, keys: Write) -> tuple[int, int]:
        made = await self._driver.fetchrow(sql.CLAIM, *sql.arguments((requests, keys)))
        assert made is not None
        new_requests, new_keys, now_us = made
        self.read_clock(now_us)
        return new_requests, new_keys

    async def rollback(self) -> None:
        await end(self._connected, "ROLLBACK")

    async def commit(self) -> None:
        """Commit; only what the server itself says it rolled back is a plain error, everything else
        leaves it open (CommitUnknown).
        """
        try:
            done = await self._driver.execute("COMMIT")
        except asyncpg.PostgresError as error:
            if sqlstate(error)[:2] in _ROLLED_BACK:
                raise fault_of(error) from error
            await self._connected.drop()
            raise CommitUnknown(f"the commit was answered by {fault_of(error)}") from error
        except (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError) as error:
            await self._connected.drop()
            raise CommitUnknown(f"the connection failed while committing ({type(error).__name__})") from error
        except BaseException:
            await self._connected.drop()
            raise
        if done != "COMMIT":
            raise StoreError("the transaction had failed before its end, and was rolled back")


async def end(connected: Connected, statement: str) -> None:
    """Say the last word on a connection, or drop it.

    It never goes back to the pool in the middle of something.
    """
    if connected.driver.is_closed():
        return
    try:
        async with asyncio.timeout(END_LIMIT_S):
            await connected.driver.execute(statement)
    except BaseException as error:
        await connected.drop()
        if not isinstance(error, Exception):
            raise
