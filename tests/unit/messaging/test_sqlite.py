"""A connection to SQLite that two close at once: aiosqlite's own waits for ever."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from saga_messaging.sqlite import SqliteConnection, connect_args, sqlite_connection

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


async def test_it_works_as_any_other(tmp_path: Path) -> None:
    async with sqlite_connection(str(tmp_path / "a.sqlite"), timeout=1) as connection:
        assert [tuple(row) for row in await connection.execute_fetchall("SELECT 1")] == [(1,)]


def test_only_engines_on_sqlite_open_them() -> None:
    assert connect_args("sqlite+aiosqlite:///a.sqlite")
    assert not connect_args("postgresql+asyncpg://h/d")
