"""A store's database for commands that work on it beside no coordinator, or look at it beside one:
whole statements on a connection of their own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import func, select, text
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from saga_coordinator.store.faults import translated
from saga_coordinator.store.processes import BORNE
from saga_coordinator.store.sqlite import lock_file
from saga_messaging.sqlite import connect_args

_SERVING: Final = select(func.count()).select_from(BORNE.subquery())


def engine_of(url: URL, *, named: str, isolation: str) -> AsyncEngine:
    """Makes connections under a name that is not the coordinator's; `isolation` is PostgreSQL's."""
    if url.get_backend_name() == "sqlite":
        return create_async_engine(url, poolclass=NullPool, connect_args=connect_args(url))
    settings = {"server_settings": {"application_name": named}}
    return create_async_engine(url, poolclass=NullPool, isolation_level=isolation, connect_args=settings)


def file_of(url: URL) -> Path | None:
    """SQLite's file; None for a server's database."""
    return Path(url.database or "") if url.get_backend_name() == "sqlite" else None


@contextmanager
def file_locked(url: URL) -> Iterator[None]:
    """Lock SQLite's file as a coordinator does. Raises StoreBusy."""
    path = file_of(url)
    if path is None:
        yield
        return
    descriptor = lock_file(path)
    try:
        yield
    finally:
        os.close(descriptor)


async def coordinators_connected(connection: AsyncConnection) -> int:
    """How many connections coordinators have to this database; on SQLite the file's lock tells."""
    if connection.dialect.name != "postgresql":
        return 0
    with translated():
        await connection.execute(text("SELECT pg_stat_clear_snapshot()"))  # else a transaction is shown what it was shown before
        return int((await connection.execute(_SERVING)).scalar_one())
