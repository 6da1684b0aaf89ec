"""Runs one statement on a PostgreSQL from synchronous code, to create a database, read its version,
or see whether it is up."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

from saga_cli.dev.process import ServiceFailed

_TIMEOUT_S = 10.0


def ask(url: str, statement: str) -> object:
    """Run the statement outside any transaction.

    Returns the first column of its first row, or None.

    Raises:
        ServiceFailed: The server cannot be reached or refuses the statement; the message is one
            line.
    """
    # A thread of its own: the caller may be inside a running event loop, where a second one cannot
    # be started.
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
    """Return "disable" for loopback, where trying TLS first costs time.

    Elsewhere driver and URL decide.
    """
    return "disable" if "@127.0.0.1" in url or "@localhost" in url else None


def shown(url: str) -> str:
    """Return the URL without its credentials."""
    return url.rpartition("@")[2] or url


def sibling(url: str, database: str) -> str:
    """Return the URL of another database of the same server. Options after `?` are kept."""
    server, mark, options = url.partition("?")
    return f"{server.rpartition('/')[0]}/{database}{mark}{options}"
