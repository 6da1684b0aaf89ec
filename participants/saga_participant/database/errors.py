"""What an error of the database means: is it away, did two transactions collide, or was the
statement wrong.

Read from SQLSTATE classes and SQLite's messages, through SQLAlchemy's wrappers, without importing a
driver that may not be installed.
"""

from __future__ import annotations

import sqlite3
from enum import Enum
from typing import Final

from sqlalchemy import exc

from saga_messaging.database_errors import chain, cut_off, is_asyncpg, sqlstate

_AWAY: Final = ("08", "53", "57P", "58")
"""Connection exceptions, resources exhausted, operator intervention, system errors."""
_UNKNOWN_END: Final = ("08", "57P", "40003")
"""The connection went, or the server is going: a commit on its way may have been done. Everything
else that the server says instead of having committed (no room, too many of something, an input or
output error) comes before the commit is written.
"""
_SERVER_GONE: Final = ("FATAL", "PANIC")
_COLLISION: Final = frozenset({"40001", "40P01", "55P03"})
_SQLITE_COLLISION: Final = ("locked", "busy")
_SQLITE_AWAY: Final = ("unable to open", "disk", "readonly")


class Fate(Enum):
    """What to do about it."""

    AWAY = "away"
    """Nothing happened; wait and try again."""
    COLLISION = "collision"
    """Rolled back in favour of somebody else; try again at once."""
    OURS = "ours"
    """The statement or the data are wrong: trying again changes nothing by itself."""


def fate(error: BaseException) -> Fate:
    """Of an error that came out of a database driver; `OURS` for everything else."""
    for cause in chain(error):
        if isinstance(cause, exc.DBAPIError) and cause.connection_invalidated:
            return Fate.AWAY
        if isinstance(cause, exc.TimeoutError):
            return Fate.AWAY  # the pool has no connection left
        if isinstance(cause, sqlite3.OperationalError):
            return _sqlite_fate(str(cause))
        state = sqlstate(cause)
        if state in _COLLISION:
            return Fate.COLLISION
        if state is not None and state.startswith(_AWAY):
            return Fate.AWAY
        if is_asyncpg(cause) and "connection" in str(cause).lower() and state is None:
            return Fate.AWAY  # an InterfaceError: the connection is closed
        if cut_off(cause):
            return Fate.AWAY
    return Fate.OURS


def refused(error: BaseException) -> bool:
    """Whether the server itself said that the commit did not happen; otherwise nobody knows.

    The same on every driver.
    """
    causes = chain(error)
    states = [state for cause in causes if (state := sqlstate(cause)) is not None]
    gone = any(_severity(cause) in _SERVER_GONE for cause in causes)
    return bool(states) and not gone and not states[0].startswith(_UNKNOWN_END)


def _severity(error: BaseException) -> str | None:
    """As PostgreSQL gave it, untranslated where it can be had: asyncpg keeps it on its error,
    psycopg in `diag`.
    """
    for holder in (error, getattr(error, "diag", None)):
        for name in ("severity_en", "severity_nonlocalized", "severity"):
            found = getattr(holder, name, None)
            if isinstance(found, str):
                return found
    return None


def from_driver(error: BaseException | None) -> bool:
    """Whether it came out of a database driver, or out of SQLAlchemy: where the session is lost, it
    says no more than that.
    """
    return error is not None and any(
        isinstance(cause, exc.SQLAlchemyError | sqlite3.Error) or is_asyncpg(cause) for cause in chain(error)
    )


def out_of_reach(error: BaseException) -> bool:
    """Whether what failed before anything was done is worth another try."""
    return isinstance(error, Exception) and (isinstance(error, OSError) or fate(error) is not Fate.OURS)


def unsent(error: BaseException) -> bool:
    """Whether asyncpg refused to send it at all: the connection is closed, or still busy with
    something else.
    """
    return any(kind.__name__ == "InterfaceError" and kind.__module__.startswith("asyncpg.") for kind in type(error).__mro__)


def _sqlite_fate(message: str) -> Fate:
    lowered = message.lower()
    if any(word in lowered for word in _SQLITE_COLLISION):
        return Fate.COLLISION
    return Fate.AWAY if any(word in lowered for word in _SQLITE_AWAY) else Fate.OURS
