"""Who is cancelled within a transaction on SQLite ends cancelled, and leaves nothing behind."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from saga_participant.database.database import Database
from support.cancelling import MOMENTS, cancelled_at_each_moment

LONG = "WITH RECURSIVE up(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM up WHERE n < 3000000) SELECT count(*) FROM up"


async def test_a_cancellation_within_a_statement_is_not_taken_for_an_error(tmp_path: Path) -> None:
    database, begun = Database(f"sqlite+aiosqlite:///{tmp_path}/till.db"), asyncio.Event()

    async def write() -> None:
        async with database.transaction() as connection:
            await connection.exec_driver_sql("CREATE TABLE left_behind (n INTEGER)")
            begun.set()
            await connection.exec_driver_sql(LONG)

    writing = asyncio.create_task(write())
    await begun.wait()
    await asyncio.sleep(0.01)
    writing.cancel()
    await asyncio.wait([writing])
    assert writing.cancelled()

    async with database.transaction() as connection:
        tables = (await connection.exec_driver_sql("SELECT name FROM sqlite_master")).all()
    await database.close()
    assert tables == []


@pytest.mark.parametrize("given", [False, True], ids=["an engine of the kit", "an engine of the service"])
async def test_a_cancellation_within_a_read_holds_nobody_up(tmp_path: Path, given: bool) -> None:
    """The error's traceback holds the cursor, which has rows left, until garbage is collected."""
    url = f"sqlite+aiosqlite:///{tmp_path}/till.db"
    engine = create_async_engine(url, connect_args={"timeout": 1})
    database = Database(engine if given else url)

    async def read(begun: asyncio.Event) -> None:
        async with database.transaction() as connection:
            begun.set()
            await connection.exec_driver_sql("SELECT 1 UNION SELECT 2")
            await asyncio.Event().wait()

    async def write() -> None:
        async with database.transaction() as connection:
            await connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS written (n INTEGER)")
            await connection.exec_driver_sql("INSERT INTO written VALUES (1)")

    await cancelled_at_each_moment(read, write)
    async with database.transaction() as connection:
        assert (await connection.exec_driver_sql("SELECT count(*) FROM written")).scalar_one() == MOMENTS
    await database.close()
    await engine.dispose()
