"""The store on SQLite: one process, one writing connection, WAL, every commit synced.

The process is kept alone by an operating-system lock on a file beside the database, which a kill -9
frees. Writers take turns at one connection, each in BEGIN IMMEDIATE, so a saga that exists can
always be locked; readers have connections of their own.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar, cast
from uuid import UUID

import aiosqlite
from sqlalchemy import Executable, event
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from saga_coordinator.store.columns import SQLITE_CLOCK
from saga_coordinator.store.faults import CLOSED, closed, invalidated, translated
from saga_coordinator.store.port import CommitUnknown, First, SagaRow, StoreBusy, StoreError
from saga_coordinator.store.processes import new_token
from saga_coordinator.store.reads import SqlStore
from saga_coordinator.store.rows import SAGA_COLUMNS, read, saga_row
from saga_coordinator.store.statements import Statement, Write
from saga_coordinator.store.transaction import SqlTransaction
from saga_messaging.sqlite import SqliteWatch

WRITER_WAIT_S: Final = 10.0
BUSY_WAIT_S: Final = 5
"""For somebody with a SQLite shell on the file; our own writers wait for each other before."""
CONNECTIONS: Final = 5
"""One writes, the others read."""

FREE_PAGES_KEPT: Final = 500
"""Two megabytes that new rows fill again."""
FREED_AT_ONCE: Final = 1_000
"""Pages. Nobody else writes meanwhile."""
_LOCKED_AT_ONCE: Final = 500
"""Ids in one SELECT."""

_SETTINGS: Final = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA fullfsync = ON",
    f"PRAGMA busy_timeout = {BUSY_WAIT_S * 1000}",
    "PRAGMA cache_size = -16000",
)
_READING: Final = ("PRAGMA query_only = ON", f"PRAGMA busy_timeout = {BUSY_WAIT_S * 1000}")


Answer = TypeVar("Answer")


class SqliteStore(SqlStore):
    dialect = "sqlite"

    def __init__(self, url: URL, *, only_read: bool = False) -> None:
        super().__init__(_engine(url, only_read), new_token())
        self._only_read = only_read
        self._path = Path(url.database or "")
        self._file_lock: int | None = None
        self._turn = asyncio.Lock()
        self._writer: AsyncConnection | None = None

    async def _open(self) -> None:
        if not self._only_read:
            self._file_lock = lock_file(self._path)
            await super().upgrade()

    async def stop(self) -> None:
        self._stopped = True
        async with self._last_turn():
            if self._writer is not None:
                await self._writer.close()
                self._writer = None
            await super().stop()
        if self._file_lock is not None:
            os.close(self._file_lock)
            self._file_lock = None

    async def upgrade(self) -> str:
        """Bring the file up to date; refused (StoreBusy) while another process has it open."""
        if self._file_lock is not None:
            return await super().upgrade()
        with translated():
            descriptor = lock_file(self._path)
        try:
            return await super().upgrade()
        finally:
            os.close(descriptor)

    @asynccontextmanager
    async def _last_turn(self) -> AsyncIterator[None]:
        """The driver waits for ever where one connection is closed twice at the same time: by us,
        and by a transaction that ends badly. Who does not end in time loses its connection."""
        try:
            async with asyncio.timeout(WRITER_WAIT_S):
                await self._turn.acquire()
        except TimeoutError:
            yield
            return
        try:
            yield
        finally:
            self._turn.release()

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[AsyncConnection]:
        """The writing connection, when it is this task's turn."""
        with translated():
            async with asyncio.timeout(WRITER_WAIT_S):
                await self._turn.acquire()
        try:
            self._must_be_open()
            if self._writer is None:
                with translated():
                    self._writer = await self._engine.connect()
            yield self._writer
        finally:
            self._turn.release()

    @asynccontextmanager
    async def transaction(self, first: First | None = None) -> AsyncIterator[SqliteTransaction]:
        async with self._writing() as connection:
            transaction = SqliteTransaction(connection, await _driver(connection))
            try:
                await transaction.begin()
                await transaction.open(first)
                yield transaction
                await transaction.finish()
                await transaction.commit()
            except BaseException:
                if not await transaction.rollback():
                    self._writer = None
                    await invalidated(connection)
                    await closed(connection)
                raise

    @asynccontextmanager
    async def _bounded(self) -> AsyncIterator[AsyncConnection]:
        async with self._connected() as connection:
            driver = await _driver(connection)
            given_up = asyncio.get_running_loop().call_later(self.query_limit_s, driver._conn.interrupt)
            try:
                yield connection
            finally:
                given_up.cancel()

    async def _write(self, statement: Executable, rows: Sequence[Mapping[str, Any]] | None = None) -> int:
        async with self.transaction() as transaction:
            return (await transaction.execute(statement, rows)).rowcount

    async def has_journal(self, saga_id: UUID, version: int) -> bytes | None:
        # A turn at the writing connection is the row lock.
        async with self.transaction() as transaction:
            return await transaction.facts(saga_id, version)

    @asynccontextmanager
    async def shard_lock(self, shard: int) -> AsyncIterator[bool]:
        yield shard >= 0  # one process, one sweeper

    @asynccontextmanager
    async def projector_lock(self) -> AsyncIterator[bool]:
        yield True

    @asynccontextmanager
    async def partitions(self) -> AsyncIterator[None]:
        yield None

    @asynccontextmanager
    async def retention_lock(self) -> AsyncIterator[bool]:
        yield True

    @asynccontextmanager
    async def batches_lock(self) -> AsyncIterator[bool]:
        yield True

    async def give_back(self) -> int:
        async with self._writing() as connection:
            with translated():
                driver = await _driver(connection)
                return cast(int, await driver._execute(_vacuum_some, driver._conn))  # type: ignore[no-untyped-call]


class SqliteTransaction(SqlTransaction):
    def __init__(self, connection: AsyncConnection, driver: aiosqlite.Connection) -> None:
        super().__init__(connection)
        self._driver = driver

    async def begin(self) -> None:
        def talk(connection: sqlite3.Connection) -> int:
            connection.execute("BEGIN IMMEDIATE")
            return _clock(connection)

        self._now_us = await self._hop(talk)

    async def refresh_clock(self) -> None:
        self._now_us = await self._hop(_clock)

    async def lock_sagas(self, ids: Collection[UUID], *, wait: bool) -> dict[UUID, SagaRow]:
        """All are locked since BEGIN IMMEDIATE: nothing is ever waited for or skipped."""
        await self.settled("saga")

        def talk(connection: sqlite3.Connection) -> tuple[list[Any], int]:
            rows: list[Any] = []
            for part in _parts(sorted(ids), _LOCKED_AT_ONCE):
                rows += connection.execute(_select_sagas(len(part)), [id.bytes for id in part])
            return rows, _clock(connection)

        rows, self._now_us = await self._hop(talk)
        locked = {saga.id: saga for saga in (read(saga_row, row, "saga") for row in rows)}
        self._locked.update(locked)
        return locked

    async def lock_finished(self, ids: Collection[UUID]) -> dict[UUID, SagaRow]:
        return await self.lock_sagas(ids, wait=False)

    async def run(self, writes: Sequence[Write]) -> list[int]:
        def talk(connection: sqlite3.Connection) -> list[int]:
            return [connection.executemany(_text(write.statement), _values(write)).rowcount for write in writes]

        return await self._hop(talk)

    async def run_claim(self, requests: Write, keys: Write) -> tuple[int, int]:
        def talk(connection: sqlite3.Connection) -> tuple[int, int, int]:
            new_requests = connection.executemany(_text(requests.statement), _values(requests)).rowcount
            all_new = keys.rows and new_requests == len(requests.rows)
            new_keys = connection.executemany(_text(keys.statement), _values(keys)).rowcount if all_new else 0
            return new_requests, new_keys, _clock(connection)

        new_requests, new_keys, self._now_us = await self._hop(talk)
        return new_requests, new_keys

    async def facts(self, saga_id: UUID, version: int) -> bytes | None:
        def talk(connection: sqlite3.Connection) -> bytes | None:
            query = "SELECT facts FROM journal WHERE saga_id = ? AND version = ?"
            found = connection.execute(query, (saga_id.bytes, version)).fetchone()
            return found[0] if found else None

        return await self._hop(talk)

    async def commit(self) -> None:
        try:
            await self._hop(lambda connection: connection.execute("COMMIT"))
        except StoreError as error:
            if self._driver.in_transaction:
                raise  # SQLite kept the transaction open: it had no effect, and is rolled back
            raise CommitUnknown(f"the commit failed: {error}") from error

    async def rollback(self) -> bool:
        """False when the connection is of no more use."""
        try:
            await self._driver.execute_fetchall("ROLLBACK")
        except sqlite3.OperationalError as error:
            return "no transaction is active" in str(error)
        except (sqlite3.Error, ValueError):
            return False
        return True

    async def _hop(self, talk: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """Run several statements in the connection's thread at once: a hop to it and back costs
        more than a statement.
        """
        with translated():
            try:
                return cast(Answer, await self._driver._execute(talk, self._driver._conn))  # type: ignore[no-untyped-call]
            except ValueError as error:
                if isinstance(error, UnicodeError):
                    raise
                raise StoreError(f"{CLOSED} ({error})") from error  # aiosqlite's own error after close


def _vacuum_some(connection: sqlite3.Connection) -> int:
    """Free pages at the file's end, but for some that new rows will need. How many bytes."""
    (free,), (size,) = (connection.execute(f"PRAGMA {what}").fetchone() for what in ("freelist_count", "page_size"))
    if free <= FREE_PAGES_KEPT:
        return 0
    connection.execute(f"PRAGMA incremental_vacuum({min(free - FREE_PAGES_KEPT, FREED_AT_ONCE)})").fetchall()
    return int(size * (free - connection.execute("PRAGMA freelist_count").fetchone()[0]))


def _clock(connection: sqlite3.Connection) -> int:
    return int(connection.execute(f"SELECT {SQLITE_CLOCK}").fetchone()[0])


def _values(write: Write) -> list[tuple[Any, ...]]:
    """A statement's rows as SQLite takes them: ids as 16 bytes."""
    ids = [at for at, (_, kind) in enumerate(write.statement.columns) if kind == "uuid"]
    rows = [list(row) for row in write.rows]
    for row in rows:
        for at in ids:
            if row[at] is not None:
                row[at] = row[at].bytes
    return [tuple(row) for row in rows]


def lock_file(path: Path) -> int:
    """The lock that keeps other processes away, as an open file; StoreBusy when another has it.

    Closing frees it, and so does dying.
    """
    descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise StoreBusy(f"{path} is in use by another process; SQLite serves one coordinator, PostgreSQL several") from None
    return descriptor


@lru_cache(maxsize=256)
def _text(statement: Statement) -> str:
    """A hot statement for one row."""
    row = ", ".join(f"? AS {name}" for name, _ in statement.columns)
    return statement.text.format(rows=f"(SELECT {row}) AS i")


@lru_cache(maxsize=_LOCKED_AT_ONCE)
def _select_sagas(count: int) -> str:
    return f"SELECT {', '.join(SAGA_COLUMNS)} FROM saga WHERE id IN ({', '.join('?' * count)}) ORDER BY id"


def _parts(ids: list[UUID], size: int) -> list[list[UUID]]:
    return [ids[start : start + size] for start in range(0, len(ids), size)]


async def _driver(connection: AsyncConnection) -> aiosqlite.Connection:
    with translated():
        pooled = await connection.get_raw_connection()
    driver = pooled.driver_connection
    assert isinstance(driver, aiosqlite.Connection)
    return driver


def _engine(url: URL, only_read: bool) -> AsyncEngine:
    engine = create_async_engine(
        url,
        isolation_level="AUTOCOMMIT",
        pool_size=CONNECTIONS,
        max_overflow=0,
        pool_timeout=WRITER_WAIT_S,
        pool_reset_on_return=None,
    )
    settings = _READING if only_read else _SETTINGS

    def configure(connection: Any, _record: Any) -> None:
        _configure(connection, settings)

    event.listen(engine.sync_engine, "connect", configure)
    SqliteWatch(engine)
    return engine


def _configure(connection: Any, settings: Sequence[str]) -> None:
    cursor = connection.cursor()
    for setting in settings:
        cursor.execute(setting)
    cursor.close()
