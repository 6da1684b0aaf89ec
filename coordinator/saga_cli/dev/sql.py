"""One statement to a PostgreSQL from synchronous code: to create a database, ask its version, see whether it is up."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

from saga_cli.dev.process import ServiceFailed

_TIMEOUT_S = 10.0


def ask(url: str, statement: str) -> object:
    """Run the statement outside any transaction; the first column of its first row, or None. `ServiceFailed` is one line."""
    # A thread of its own: the caller may be inside a running event loop, where a second one cannot be started.
    with ThreadPoolExecutor(max_workers=1) as thread:
        try:
            return thread.submit(asyncio.run, _ask(url, statement)).result()
        except Exception as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ServiceFailed(f"PostgreSQL at {shown(url)}: {reason}") from error


async def _ask(url: str, statement: str) -> object:
    import asyncpg

    async with asyncio.timeout(_TIMEOUT_S):
        connection = await asyncpg.connect(url.replace("+asyncpg", "", 1), timeout=_TIMEOUT_S, ssl=_ssl(url))
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close(timeout=_TIMEOUT_S)


def _ssl(url: str) -> Literal["disable"] | None:
    """Loopback needs no TLS handshake tried first; anything else is left to the driver and the URL."""
    return "disable" if "@127.0.0.1" in url or "@localhost" in url else None


def shown(url: str) -> str:
    """The URL without its credentials."""
    return url.rpartition("@")[2] or url


def sibling(url: str, database: str) -> str:
    """The same server's other database; what follows `?` is kept."""
    server, mark, options = url.partition("?")
    return f"{server.rpartition('/')[0]}/{database}{mark}{options}"
