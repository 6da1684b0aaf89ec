"""Connections to SQLite that can be closed by two at once.

SQLAlchemy closes a connection whose statement was cancelled, and that task is cancelled too where
a process ends. aiosqlite 0.22 then stops its thread twice and waits for ever for the second answer:
the thread has ended with the first. The process never ends.
"""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Any, Final

import aiosqlite
from sqlalchemy.engine import URL, make_url

_ROWS_AT_ONCE: Final = 64
"""aiosqlite's own default, for iterating over a cursor."""


class SqliteConnection(aiosqlite.Connection):
    """Stopped once; who stops it again waits for the same end."""

    _stopped = False
    _end: asyncio.Future[Any] | None = None

    def stop(self) -> asyncio.Future[Any] | None:
        if not self._stopped:
            self._stopped = True
            self._end = super().stop()
        return self._end


def sqlite_connection(database: str, **settings: Any) -> SqliteConnection:
    """For SQLAlchemy, which opens it.

    Args:
        database: The file.
        settings: As those of `sqlite3.connect`.
    """
    connection = SqliteConnection(lambda: sqlite3.connect(database, **settings), _ROWS_AT_ONCE)
    connection._thread.daemon = True  # as SQLAlchemy does with those it makes
    return connection


def connect_args(url: str | URL) -> dict[str, Any]:
    """Of `create_async_engine`, for each engine that may be one on SQLite."""
    return {"async_creator_fn": sqlite_connection} if make_url(url).get_backend_name() == "sqlite" else {}
