"""Who is cancelled within a transaction on SQLite ends cancelled, and leaves nothing behind."""

from __future__ import annotations

import asyncio
from pathlib import Path

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
