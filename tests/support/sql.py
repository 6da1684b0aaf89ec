"""Questions to a PostgreSQL of a test, each on a connection of its own: nothing to keep alive while
servers are killed."""

from __future__ import annotations

from typing import Any

import asyncpg

LIMIT_S = 20.0
AWAY = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)
"""What an answer looks like while the server is down or starting."""


async def rows(url: str, statement: str, *arguments: object) -> list[Any]:
    connection = await asyncpg.connect(url.replace("+asyncpg", "", 1), timeout=LIMIT_S, ssl=False)
    try:
        found: list[Any] = await connection.fetch(statement, *arguments, timeout=LIMIT_S)
        return found
    finally:
        await connection.close(timeout=LIMIT_S)


async def value(url: str, statement: str, *arguments: object) -> Any:
    return (await rows(url, statement, *arguments))[0][0]
