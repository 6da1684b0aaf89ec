"""Connections to SQLite whose end is an end, also where a task is cancelled within a statement.

SQLAlchemy closes a connection whose statement was cancelled. Three things go wrong there:

- The statement goes on in its thread, for as long as it takes.
- The error's traceback holds the statement's cursor until garbage is collected. With it SQLite
  keeps a closed connection open, and its locks: nobody else can write. While such a cursor has rows
  left, an interrupted connection refuses even to roll back.
- Where a process ends, that task is cancelled, too. aiosqlite 0.22 then stops its thread twice and
  waits for ever for the second answer: the thread has ended with the first.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from typing import Any, Final, cast
from weakref import WeakSet

import aiosqlite
from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.util import await_only

_ROWS_AT_ONCE: Final = 64
"""aiosqlite's own default, for iterating over a cursor."""
ENDING_S: Final = 5.0
"""A connection that takes longer to roll back is closed as it is."""
_INTERRUPT_AGAIN_S: Final = 0.05


class SqliteSession(sqlite3.Connection):
    """Its cursors end with it, whoever still holds them."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._cursors: WeakSet[sqlite3.Cursor] = WeakSet()

    def cursor(self, *args: Any) -> Any:
        made = super().cursor(*args)
        self._cursors.add(made)
        return made

    def execute(self, *args: Any) -> sqlite3.Cursor:
        return cast(sqlite3.Cursor, self.cursor().execute(*args))

    def executemany(self, *args: Any) -> sqlite3.Cursor:
        return cast(sqlite3.Cursor, self.cursor().executemany(*args))

    def end(self) -> None:
        """Roll back what was cancelled."""
        self._close_cursors()
        self.rollback()

    def close(self) -> None:
        self._close_cursors()
        super().close()

    def _close_cursors(self) -> None:
        cursors, self._cursors = list(self._cursors), WeakSet()  # a cursor of a closed connection cannot be closed again
        for cursor in cursors:
            cursor.close()


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
    settings = {"factory": SqliteSession} | settings
    connection = SqliteConnection(lambda: sqlite3.connect(database, **settings), _ROWS_AT_ONCE)
    connection._thread.daemon = True  # as SQLAlchemy does with those it makes
    return connection


def connect_args(url: str | URL) -> dict[str, Any]:
    """Of `create_async_engine`, for each engine that may be one on SQLite."""
    return {"async_creator_fn": sqlite_connection} if make_url(url).get_backend_name() == "sqlite" else {}


class SqliteWatch:
    """Lets an engine, one on SQLite by aiosqlite, open such connections, and ends the transaction
    of each that it drops before it closes it.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._listeners = (
            (engine.sync_engine, "do_connect", self._connect),
            (engine.sync_engine, "invalidate", self._cut_off),
        )
        for listener in self._listeners:
            event.listen(*listener)

    def stop(self) -> None:
        for listener in self._listeners:
            event.remove(*listener)

    def _connect(self, _dialect: Any, _record: Any, _args: Any, settings: dict[str, Any]) -> None:
        settings.setdefault("async_creator_fn", sqlite_connection)

    def _cut_off(self, connection: Any, *_: object) -> None:
        with contextlib.suppress(Exception):
            await_only(end_transaction(connection.driver_connection))


async def end_transaction(driver: aiosqlite.Connection) -> None:
    """Roll back, whatever the connection's thread is at.

    SQLite interrupts only a statement that runs. One that still waits for its thread would begin
    later and might never end. So it is interrupted again and again, until the rollback behind it is
    through.
    """
    session = driver._conn
    end = session.end if isinstance(session, SqliteSession) else session.rollback
    ending: asyncio.Future[None] = asyncio.ensure_future(driver._execute(end))  # type: ignore[no-untyped-call]
    ending.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # looked at
    loop = asyncio.get_running_loop()
    until_s = loop.time() + ENDING_S
    while not ending.done() and loop.time() < until_s:
        await driver.interrupt()
        await asyncio.wait((ending,), timeout=_INTERRUPT_AGAIN_S)
