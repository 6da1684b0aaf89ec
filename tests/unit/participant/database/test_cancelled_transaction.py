"""Who is cancelled within a transaction on SQLite ends cancelled, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from saga_participant.database.database import Database

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
    database, begun = Database(engine if given else url), asyncio.Event()

    async def read() -> None:
        async with database.transaction() as connection:
            begun.set()
            await connection.exec_driver_sql("SELECT 1 UNION SELECT 2")
            await asyncio.Event().wait()

    gc.disable()
    try:
        for turns in range(20):
            begun.clear()
            reading = asyncio.create_task(read())
            await begun.wait()
            for _ in range(turns):
                await asyncio.sleep(0)
            reading.cancel()
            await asyncio.wait([reading])
            assert reading.cancelled()
            async with database.transaction() as connection:
                await connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS written (n INTEGER)")
    finally:
        gc.enable()
        await database.close()
        await engine.dispose()
