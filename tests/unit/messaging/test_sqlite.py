"""Connections to SQLite that two close at once, or that end within a statement."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiosqlite
import pytest

from saga_messaging.sqlite import SqliteConnection, connect_args, end_transaction, sqlite_connection

LIMIT_S = 10.0


@pytest.fixture
async def connection(tmp_path: Path) -> SqliteConnection:
    made = sqlite_connection(str(tmp_path / "a.sqlite"))
    await made
    return made


async def ended(*tasks: asyncio.Task[None]) -> bool:
    return not (await asyncio.wait(tasks, timeout=LIMIT_S))[1]


async def test_a_close_that_is_cancelled_after_another_stopped_it_ends(connection: SqliteConnection) -> None:
    closing = asyncio.create_task(connection.close())
    await asyncio.sleep(0)
    connection.stop()
    closing.cancel()
    assert await ended(closing)


async def test_two_closes_at_once_both_end(connection: SqliteConnection) -> None:
    assert await ended(*(asyncio.create_task(connection.close()) for _ in range(2)))


READS: dict[str, Callable[[sqlite3.Connection], sqlite3.Cursor]] = {
    "by a cursor": lambda connection: connection.cursor().execute("SELECT * FROM t"),
    "by the connection": lambda connection: connection.execute("SELECT * FROM t"),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
@pytest.mark.parametrize("ends", [aiosqlite.Connection.close, end_transaction], ids=["closed", "rolled back"])
async def test_what_has_ended_holds_no_lock_though_somebody_holds_its_cursor(
    tmp_path: Path,
    read: Callable[[sqlite3.Connection], sqlite3.Cursor],
    ends: Callable[[aiosqlite.Connection], Awaitable[None]],
) -> None:
    async with sqlite_connection(str(tmp_path / "a.sqlite"), isolation_level=None) as connection:
        await connection.execute("CREATE TABLE t (a)")
        await connection.executemany("INSERT INTO t VALUES (?)", [(1,), (2,)])
        await connection.execute("BEGIN IMMEDIATE")
        cursor = await connection._execute(lambda: read(connection._conn))  # type: ignore[no-untyped-call]
        await ends(connection)
        other = sqlite3.connect(tmp_path / "a.sqlite", timeout=0, isolation_level=None)
        other.execute("INSERT INTO t VALUES (3)")
        assert other.execute("SELECT count(*) FROM t").fetchone() == (3,)
        other.close()
        del cursor


async def test_two_ends_at_once_are_one_though_somebody_holds_a_cursor(connection: SqliteConnection) -> None:
    cursor = await connection.execute("SELECT 1 UNION SELECT 2")
    closing = asyncio.create_task(connection.close())
    await asyncio.sleep(0)
    connection.stop()
    assert await ended(closing)
    await asyncio.to_thread(connection._thread.join, LIMIT_S)
    assert not connection._thread.is_alive()
    del cursor


async def test_it_works_as_any_other(tmp_path: Path) -> None:
    async with sqlite_connection(str(tmp_path / "a.sqlite"), timeout=1) as connection:
        assert [tuple(row) for row in await connection.execute_fetchall("SELECT 1")] == [(1,)]


def test_only_engines_on_sqlite_open_them() -> None:
    assert connect_args("sqlite+aiosqlite:///a.sqlite")
    assert not connect_args("postgresql+asyncpg://h/d")
