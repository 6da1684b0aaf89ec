"""The service's own database: where the barrier's transactions come from.

SQLite has one writer, so one transaction at a time, `BEGIN IMMEDIATE`. PostgreSQL has many, and two
ways to it: through SQLAlchemy, or asyncpg itself, for handlers that ask for the bare asyncpg
connection or for no connection at all. By asyncpg a command's transaction costs this process a
quarter of the CPU (240 us, 960 us through SQLAlchemy) and PostgreSQL nine tenths to seven tenths
(`benchmarks/barrier_transaction.py`, the ways `apart` and `SQLAlchemy`, 16 in flight).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from saga_messaging.errors import ConfigurationError
from saga_participant.database.asyncpg_transaction import AsyncpgTransaction
from saga_participant.database.bare_connection import BareConnection, bare_connection
from saga_participant.database.errors import out_of_reach
from saga_participant.database.guard import Watch
from saga_participant.database.sql_transaction import PostgresTransaction, SqliteTransaction
from saga_participant.database.transactions import CLEANUP_S, HANDLER_LIMIT_S, Transaction
from saga_participant.outcomes import Unavailable
from saga_schemas.limits import INT32_MAX

SINGLE_AT_ONCE: Final = 16
"""Commands that are served alone at the same time."""
POSTGRES_GROUPS: Final = 2
"""While one commits the other runs its handlers."""
_SPARE_CONNECTIONS: Final = 2
IDLE_MARGIN_S: Final = 60.0
"""A handler may leave its session idle for as long as it may take; PostgreSQL ends a session that
is idle for so much longer.
"""


def session_settings(limit_s: float) -> dict[str, str]:
    """Of our own PostgreSQL sessions, in ms: an instance that is stopped or cut off keeps no row
    locked for long.
    """
    idle_ms = int(max(limit_s, HANDLER_LIMIT_S) * 1000 + IDLE_MARGIN_S * 1000)
    return {
        "idle_in_transaction_session_timeout": str(min(idle_ms, INT32_MAX)),
        "lock_timeout": "30000",
        "tcp_user_timeout": "30000",
    }


@dataclass(slots=True, eq=False)
class _PooledConnection:
    """One connection of the engine, and asyncpg's connection under it.

    Finding asyncpg's connection costs as much as the rest of beginning a transaction.
    """

    connection: AsyncConnection
    pool: object
    """The engine's pool of then.

    A pool that was disposed since would keep the connection open for nobody.
    """
    _bare: BareConnection | None = None

    async def asyncpg(self) -> BareConnection:
        if self._bare is None:
            self._bare = await bare_connection(self.connection)
        return self._bare


class Database:
    """One engine, given or made from a URL. `limit_s`: how long a handler may take."""

    def __init__(self, target: AsyncEngine | str, limit_s: float = HANDLER_LIMIT_S) -> None:
        self._own = isinstance(target, str)
        self.engine = _engine(target, limit_s) if isinstance(target, str) else target
        self.dialect = self.engine.dialect.name
        if self.dialect not in ("sqlite", "postgresql"):
            raise ConfigurationError(f"a participant's database is SQLite or PostgreSQL, not {self.dialect}")
        self.has_asyncpg = self.engine.dialect.driver == "asyncpg"
        self.groups_at_once = POSTGRES_GROUPS if self.dialect == "postgresql" else 1
        """Groups of commands that are served at the same time, each in one transaction."""
        self._single = asyncio.Lock()
        self._idle: list[_PooledConnection] = []
        self._stop_watching = [Watch(self.engine).stop]
        if self.engine.dialect.driver == "aiosqlite":
            from saga_messaging.sqlite import SqliteWatch  # its driver comes with an extra

            self._stop_watching.append(SqliteWatch(self.engine).stop)

    @contextlib.asynccontextmanager
    async def begin(self, *, bare: bool) -> AsyncIterator[Transaction]:
        """A transaction, rolled back unless it was committed. `bare`: no handler in it wants
        SQLAlchemy.

        Raises:
            Unavailable: no connection, or the database does not begin a transaction.
        """
        async with self._single if self.dialect == "sqlite" else contextlib.nullcontext():
            pooled = await self._connect()
            transaction = await self._started(pooled, bare)
            try:
                yield transaction
            finally:
                if not self._kept(pooled, transaction):
                    await asyncio.shield(self._put_back(pooled, transaction))

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that is about no single command: committed at the block's end, rolled back
        when it raises.

        Raises:
            Unavailable: the database is away.
        """
        async with self._single if self.dialect == "sqlite" else contextlib.nullcontext():
            try:
                async with self.engine.connect() as connection:
                    if self.dialect == "sqlite":
                        async with _immediate(connection):
                            yield connection
                    else:
                        async with connection.begin():
                            yield connection
            except Exception as error:
                if out_of_reach(error):
                    raise Unavailable(f"the database is away ({type(error).__name__})") from error
                raise

    async def close(self) -> None:
        """Close idle connections, and the engine where it is the kit's own."""
        for stop in self._stop_watching:
            stop()
        idle, self._idle = self._idle, []
        for pooled in idle:
            await pooled.connection.close()
        if self._own:
            await self.engine.dispose()

    async def _connect(self) -> _PooledConnection:
        if self._idle:
            return self._idle.pop()
        try:
            pool = self.engine.pool
            return _PooledConnection(await self.engine.connect(), pool)
        except Exception as error:
            raise Unavailable(f"no connection to the database ({type(error).__name__})") from error

    async def _started(self, pooled: _PooledConnection, bare: bool) -> Transaction:
        transaction: Transaction
        try:
            if self.dialect == "sqlite":
                transaction = SqliteTransaction(pooled.connection)
            elif bare and self.has_asyncpg:
                transaction = AsyncpgTransaction(await pooled.asyncpg())
            else:
                transaction = PostgresTransaction(pooled.connection)
            await transaction.start()
        except BaseException as error:
            await asyncio.shield(self._lose(pooled))
            if out_of_reach(error):
                raise Unavailable(f"the database does not begin a transaction ({type(error).__name__})") from error
            raise
        return transaction

    async def _put_back(self, pooled: _PooledConnection, transaction: Transaction) -> None:
        """Roll back, and return the connection.

        What cannot be rolled back in time is thrown away.
        """
        try:
            async with asyncio.timeout(CLEANUP_S):
                await transaction.rollback()
        except Exception:
            await self._lose(pooled)
            return
        if transaction.lost():
            await self._lose(pooled)
            return
        if transaction.spoilt or pooled.pool is not self.engine.pool:
            await _discard(pooled.connection)
            return
        if not self._kept(pooled, transaction):
            await pooled.connection.close()

    def _kept(self, pooled: _PooledConnection, transaction: Transaction) -> bool:
        """Keep the connection for the next transaction, past SQLAlchemy's pool, where that can
        be."""
        keep = self._own and transaction.reusable and pooled.pool is self.engine.pool and len(self._idle) < SINGLE_AT_ONCE
        if keep:
            self._idle.append(pooled)
        return keep

    async def _lose(self, pooled: _PooledConnection) -> None:
        """Throw the connection away.

        The others in the pool are probably gone too: our own pool starts afresh.
        """
        await _discard(pooled.connection)
        if self._own and self.dialect == "postgresql" and pooled.pool is self.engine.pool:
            idle, self._idle = self._idle, []
            for other in idle:
                await _discard(other.connection)
            with contextlib.suppress(Exception):
                async with asyncio.timeout(CLEANUP_S):
                    await self.engine.dispose()


@contextlib.asynccontextmanager
async def _immediate(connection: AsyncConnection) -> AsyncIterator[None]:
    """A transaction on SQLite that is a writer from its beginning."""
    await connection.execution_options(isolation_level="AUTOCOMMIT")
    await connection.exec_driver_sql("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        with contextlib.suppress(Exception):  # a cancellation has cut the connection off: that is told, and the pool rolls back
            await connection.exec_driver_sql("ROLLBACK")
        raise
    await connection.exec_driver_sql("COMMIT")


async def _discard(connection: AsyncConnection) -> None:
    with contextlib.suppress(Exception):
        async with asyncio.timeout(CLEANUP_S):
            await connection.invalidate()
    with contextlib.suppress(Exception):
        async with asyncio.timeout(CLEANUP_S):
            await connection.close()


def _engine(url: str, limit_s: float) -> AsyncEngine:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() != "sqlite":
            session = {"server_settings": session_settings(limit_s)} if parsed.get_driver_name() == "asyncpg" else {}
            size = SINGLE_AT_ONCE + POSTGRES_GROUPS + _SPARE_CONNECTIONS
            return create_async_engine(parsed, pool_size=size, max_overflow=0, hide_parameters=True, connect_args=session)
        engine = create_async_engine(parsed, hide_parameters=True)
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise ConfigurationError(f"the participant's database URL cannot be used: {type(error).__name__}") from None
    event.listen(engine.sync_engine, "connect", _durable)
    return engine


def _durable(connection: Any, _: Any) -> None:
    """SQLite as we recommend it: readers do not wait for the writer, and what is committed survives
    a power cut.
    """
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
