"""A connection pooler before the coordinator's database is told in one line: it would keep the
session's settings from the server."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from saga_coordinator.store.open import open_store
from saga_coordinator.store.port import StoreError

REFUSAL = b"SERROR\0C08P01\0Munsupported startup parameter: default_transaction_isolation\0\0"


@asynccontextmanager
async def pgbouncer() -> AsyncIterator[str]:
    """What PgBouncer answers to a client that sends session settings; the URL of it."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (size,) = struct.unpack("!i", await reader.readexactly(4))
        await reader.readexactly(size - 4)
        writer.write(b"E" + struct.pack("!i", len(REFUSAL) + 4) + REFUSAL)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"postgresql+asyncpg://saga@127.0.0.1:{port}/coordinator?ssl=disable"


async def test_a_pooler_before_the_coordinators_database_is_named() -> None:
    async with pgbouncer() as url:
        store = open_store(url)
        with pytest.raises(StoreError, match="a connection pooler such as PgBouncer stands before the database"):
            await store.start()
        await store.stop()


@pytest.mark.parametrize("option", ["statement_cache_size=0", "prepared_statement_cache_size=0"])
def test_options_for_poolers_are_refused_in_one_line(option: str) -> None:
    with pytest.raises(ValueError, match=r"_cache_size in the database URL is for poolers; .* name PostgreSQL itself"):
        open_store(f"postgresql+asyncpg://saga@127.0.0.1/coordinator?{option}")
