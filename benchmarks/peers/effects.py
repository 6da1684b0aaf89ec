"""What a step does at a peer's participants: one row, committed on its own, as the floor's do."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import asyncpg

SESSIONS: Final = 16
TABLE: Final = "CREATE TABLE effect (id bigserial PRIMARY KEY, service text, saga text, operation text)"
_INSERT: Final = "INSERT INTO effect (service, saga, operation) VALUES ($1, $2, $3)"


class Effects:
    """Sessions, opened at the first effect: only then is the server's loop there."""

    def __init__(self, database: str) -> None:
        self._database = database
        self._opening = asyncio.Lock()
        self._pool: Any = None

    async def write(self, service: str, saga: str, operation: str) -> None:
        pool = self._pool or await self._opened()
        async with pool.acquire() as connection:
            await connection.execute(_INSERT, service, saga, operation)

    async def _opened(self) -> Any:
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(self._database, min_size=SESSIONS, max_size=SESSIONS, reset=_nothing)
        return self._pool


async def _nothing(_: Any) -> None:
    """No round trip when a session is given back."""
