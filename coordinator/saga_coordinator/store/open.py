"""From an address to a store."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from saga_coordinator.store.faults import POOLER
from saga_coordinator.store.port import Store
from saga_coordinator.store.postgres import PostgresStore
from saga_coordinator.store.sqlite import SqliteStore

_SHAPES: Final = "sqlite+aiosqlite:///path/to/file.db or postgresql+asyncpg://user@host/database"
_POOLER_OPTIONS: Final = frozenset({"statement_cache_size", "prepared_statement_cache_size", "prepared_statement_name_func"})
POOL_SIZE: Final = 10
"""PostgreSQL connections of one process."""


def open_store(url: str, *, pool_size: int = POOL_SIZE, reader: str | None = None) -> Store:
    """The store at that address, not yet started.

    Args:
        url: The address.
        pool_size: Most connections to PostgreSQL.
        reader: Under this name it is only read, also beside coordinators that serve it. SQLite's
            file must be there then, and is neither locked nor upgraded.

    Raises:
        ValueError: In one line, for what is no address of one.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ValueError(f"not a database URL; give {_SHAPES}") from None
    if parsed.drivername == "sqlite+aiosqlite":
        return _sqlite(parsed, only_read=reader is not None)
    if parsed.drivername == "postgresql+asyncpg":
        if not parsed.database:
            raise ValueError(f"the database URL names no database; give {_SHAPES}")
        if _POOLER_OPTIONS & parsed.query.keys():
            raise ValueError(
                f"{', '.join(sorted(_POOLER_OPTIONS & parsed.query.keys()))} in the database URL is for poolers; {POOLER}"
            )
        return PostgresStore(parsed, pool_size=pool_size, reader=reader)
    raise ValueError(f"no store speaks {parsed.drivername}; give {_SHAPES}")


def _sqlite(url: URL, *, only_read: bool) -> SqliteStore:
    if not url.database or url.database == ":memory:" or url.query:
        raise ValueError("the SQLite URL must name a file and nothing else; give sqlite+aiosqlite:///path/to/file.db")
    if only_read and not Path(url.database).is_file():
        raise ValueError(f"{url.database} does not exist")
    return SqliteStore(url, only_read=only_read)
