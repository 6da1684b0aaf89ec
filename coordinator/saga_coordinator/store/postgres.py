"""The store on PostgreSQL.

SQLAlchemy owns the connections (in autocommit, so that BEGIN and COMMIT are said here and nowhere
else) and the statements that are not hot; hot ones go to the asyncpg connection inside. READ
COMMITTED is enough: what is decided upon is locked first, and every count is checked. Shown by
tests/contract/test_store*.py.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final
from uuid import UUID

from sqlalchemy import event, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from saga_coordinator.store import postgres_statements as sql
from saga_coordinator.store.clock_estimate import ClockEstimate
from saga_coordinator.store.connections import Connected, Connections
from saga_coordinator.store.faults import POOLER, translated
from saga_coordinator.store.partition_port import Partitions
from saga_coordinator.store.partitions import journal_partitions
from saga_coordinator.store.port import First, StoreError
from saga_coordinator.store.postgres_at_once import TransactionAtOnce, knows_enough
from saga_coordinator.store.postgres_transaction import PostgresTransaction, end
from saga_coordinator.store.processes import new_token
from saga_coordinator.store.reads import SqlStore

SESSION: Final = {
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
# Queries are planned for their values, by what the tables hold: no two are alike, and what one of
# them costs depends on how rare its values are.
_QUERYING: Final = (
    "BEGIN READ ONLY; SET LOCAL statement_timeout = {limit_ms}; SET LOCAL plan_cache_mode = force_custom_plan;"
    " SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on; SET LOCAL enable_memoize = on"
)
_KEPT_STATEMENTS: Final = 300
_SHARD_LOCK: Final = 0x5A6A
_PROJECTOR_LOCK: Final = 0x5A6B
_RETENTION_LOCK: Final = 0x5A6C
_BATCHES_LOCK: Final = 0x5A6F


class PostgresStore(SqlStore):
    dialect = "postgresql"

    def __init__(self, url: URL, *, pool_size: int, reader: str | None = None) -> None:
        token = new_token()
        super().__init__(_engine(url, pool_size, _named(token) if reader is None else _reading(reader)), token)
        self._connections = Connections(self._engine, pool_size, POOL_WAIT_S)
        self._clock = ClockEstimate()

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
            transaction = self._transaction(connected, first)
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

    def _transaction(self, connected: Connected, first: First | None) -> PostgresTransaction:
        now_us = self._clock.now_us()
        if first is None or now_us is None or not knows_enough(first):
            return PostgresTransaction(connected, self._clock)
        return TransactionAtOnce(connected, self._clock, first, now_us)

    async def has_journal(self, saga_id: UUID, version: int) -> bytes | None:
        async with self._connections.taken() as connected:
            transaction, driver = PostgresTransaction(connected, self._clock), connected.driver
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

    @asynccontextmanager
    async def _bounded(self) -> AsyncIterator[AsyncConnection]:
        async with self._connections.taken() as connected:
            try:
                with translated():
                    await connected.driver.execute(_QUERYING.format(limit_ms=max(1, round(self.query_limit_s * 1000))))
                yield connected.core
            finally:
                await end(connected, "ROLLBACK")

    async def starts_under_way(self) -> frozenset[str]:
        return frozenset(row[0] for row in await self._rows(text(sql.UNDER_WAY)))

    def shard_lock(self, shard: int) -> AbstractAsyncContextManager[bool]:
        return self._advisory_lock(_SHARD_LOCK, shard)

    def projector_lock(self) -> AbstractAsyncContextManager[bool]:
        return self._advisory_lock(_PROJECTOR_LOCK, 0)

    def retention_lock(self) -> AbstractAsyncContextManager[bool]:
        return self._advisory_lock(_RETENTION_LOCK, 0)

    def batches_lock(self) -> AbstractAsyncContextManager[bool]:
        return self._advisory_lock(_BATCHES_LOCK, 0)

    def partitions(self) -> AbstractAsyncContextManager[Partitions | None]:
        self._must_be_open()
        return journal_partitions(self._engine.url)

    @asynccontextmanager
    async def _advisory_lock(self, purpose: int, number: int) -> AsyncIterator[bool]:
        async with self._connections.taken() as connected:
            with translated():
                ours = bool(await connected.driver.fetchval("SELECT pg_try_advisory_lock($1, $2)", purpose, number))
            try:
                yield ours
            finally:
                if ours:
                    await end(connected, f"SELECT pg_advisory_unlock({purpose:d}, {number:d})")


def _named(name: str) -> Mapping[str, str]:
    return {**SESSION, "application_name": name}


def _reading(name: str) -> Mapping[str, str]:
    return {**_named(name), "default_transaction_read_only": "on"}


def _engine(url: URL, pool_size: int, session: Mapping[str, str]) -> AsyncEngine:
    settings: Mapping[str, Any] = {
        "server_settings": dict(session),
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
