"""The store on PostgreSQL.

SQLAlchemy owns the connections (in autocommit, so that BEGIN and COMMIT are said here and nowhere
else) and the statements that are not hot; hot ones go to the asyncpg connection inside. READ
COMMITTED is enough: what is decided upon is locked first, and every count is checked. Shown by
tests/contract/test_store*.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final
from uuid import UUID

import asyncpg
from sqlalchemy import event, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from saga_coordinator.store import postgres_statements as sql
from saga_coordinator.store.connections import Connected, Connections
from saga_coordinator.store.faults import POOLER, fault_of, sqlstate, translated
from saga_coordinator.store.port import CommitUnknown, First, SagaRow, StoreError
from saga_coordinator.store.reads import SqlStore
from saga_coordinator.store.rows import read, saga_row
from saga_coordinator.store.statements import Write
from saga_coordinator.store.transaction import SqlTransaction

SESSION: Final = {
    "application_name": "saga-coordinator",
    "default_transaction_isolation": "read committed",
    "idle_in_transaction_session_timeout": "15s",
    "lock_timeout": "5s",
    "statement_timeout": "30s",
    "tcp_user_timeout": "20s",
    "jit": "off",
    # A generic plan made while a table was empty must not become a scan of the full one (and
    # planning each time costs more than running): every hot statement is an index look-up a row, so
    # plans are kept and the alternatives ruled out.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    # A batch looks up each row once: there is nothing to remember.
    "enable_memoize": "off",
}
COMMAND_LIMIT_S: Final = 40.0
"""For a server that has vanished: longer than its own statement_timeout."""
CONNECT_LIMIT_S: Final = 10.0
POOL_WAIT_S: Final = 10.0
END_LIMIT_S: Final = 5.0
"""For a ROLLBACK; the connection is dropped when it takes longer."""
_KEPT_STATEMENTS: Final = 300
_SHARD_LOCK: Final = 0x5A6A
_PROJECTOR_LOCK: Final = 0x5A6B
_ROLLED_BACK: Final = ("40", "23")
"""Classes of errors which, said in answer to COMMIT, mean that nothing was committed."""


class PostgresStore(SqlStore):
    dialect = "postgresql"

    def __init__(self, url: URL, *, pool_size: int) -> None:
        super().__init__(_engine(url, pool_size))
        self._connections = Connections(self._engine, pool_size, POOL_WAIT_S)

    async def _open(self) -> None:
        self._connections.keep()
        async with self._connected() as connection:
            kept = await connection.execute(text("SELECT current_setting('lock_timeout'), current_setting('plan_cache_mode')"))
        if tuple(kept.one()) != (SESSION["lock_timeout"], SESSION["plan_cache_mode"]):
            raise StoreError(
                POOLER
            )  # it was told to ignore startup parameters: without them a lock would be waited for without end

    async def stop(self) -> None:
        await self._connections.close()
        await super().stop()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncConnection]:
        async with self._connections.taken() as connected:
            yield connected.core

    @asynccontextmanager
    async def transaction(self, first: First | None = None) -> AsyncIterator[PostgresTransaction]:
        connected = await self._connections.take()  # not `taken()`: this is every batch's way, and a context less is measurable
        try:
            transaction = PostgresTransaction(connected)
            try:
                await transaction.begin()
                await transaction.open(first)
                yield transaction
                await transaction.finish()
            except BaseException:
                await transaction.rollback()
                raise
            await transaction.commit()
        finally:
            await self._connections.give(connected)

    async def has_journal(self, saga_id: UUID, version: int) -> bytes | None:
        async with self._connections.taken() as connected:
            transaction, driver = PostgresTransaction(connected), connected.driver
            try:
                await transaction.begin()
                with translated():
                    if await driver.fetchval(sql.LOCK_ONE, saga_id) is None:
                        await driver.execute(sql.PROBE_JOURNAL, saga_id, version)
                        await transaction.rollback()
                    facts: bytes | None = await driver.fetchval(sql.READ_FACTS, saga_id, version)
                    return facts
            finally:
                await transaction.rollback()

    def shard_lock(self, shard: int) -> AbstractAsyncContextManager[bool]:
        return self._advisory_lock(_SHARD_LOCK, shard)

    def projector_lock(self) -> AbstractAsyncContextManager[bool]:
        return self._advisory_lock(_PROJECTOR_LOCK, 0)

    @asynccontextmanager
    async def _advisory_lock(self, purpose: int, number: int) -> AsyncIterator[bool]:
        async with self._connections.taken() as connected:
            with translated():
                ours = bool(await connected.driver.fetchval("SELECT pg_try_advisory_lock($1, $2)", purpose, number))
            try:
                yield ours
            finally:
                if ours:
                    await _end(connected, f"SELECT pg_advisory_unlock({purpose:d}, {number:d})")


class PostgresTransaction(SqlTransaction):
    def __init__(self, connected: Connected) -> None:
        super().__init__(connected.core)
        self._connected = connected
        self._driver = connected.driver

    async def begin(self) -> None:
        with translated():
            await self._driver.execute("BEGIN")

    async def refresh_clock(self) -> None:
        with translated():
            self._now_us = await self._driver.fetchval(sql.CLOCK)

    async def lock_sagas(self, ids: Collection[UUID], *, wait: bool) -> dict[UUID, SagaRow]:
        await self.settled("saga")
        if not ids:
            await self.refresh_clock()
            return {}
        with translated():
            rows = await self._driver.fetch(sql.LOCK_WAITING if wait else sql.LOCK_SKIPPING, list(ids))
        if rows:
            self._now_us = rows[-1][-1]
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
        new_requests, new_keys, self._now_us = made
        return new_requests, new_keys

    async def rollback(self) -> None:
        await _end(self._connected, "ROLLBACK")

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


async def _end(connected: Connected, statement: str) -> None:
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


def _engine(url: URL, pool_size: int) -> AsyncEngine:
    settings: Mapping[str, Any] = {
        "server_settings": dict(SESSION),
        "statement_cache_size": _KEPT_STATEMENTS,
        "command_timeout": COMMAND_LIMIT_S,
        "timeout": CONNECT_LIMIT_S,
    }
    engine = create_async_engine(
        url,
        isolation_level="AUTOCOMMIT",
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=POOL_WAIT_S,
        pool_reset_on_return=None,
        connect_args=settings,
    )
    event.listen(engine.sync_engine, "checkout", _refuse_dead)
    return engine


def _refuse_dead(connection: Any, _record: Any, _proxy: Any) -> None:
    """After a restart of the server, connections that are known to be closed are replaced and not
    handed out.
    """
    if connection.driver_connection.is_closed():
        raise DisconnectionError
