"""What an error of a database driver says at a process's start: is the database not up yet, or is
it configured wrongly?

Read from SQLSTATE and types through all wrappers (SQLAlchemy's, the store's), without importing a
driver that may not be installed.
"""

from __future__ import annotations

import socket
import sqlite3
import ssl
from typing import Final

_COMING: Final = ("08", "53", "57P", "58", "25006", "40", "55P03")
"""Connection exceptions, resources exhausted, starting up or going down, system errors; a standby
that is about to be promoted (25006); others who start at the same time (40, 55P03)."""
_FINAL: Final = ("08P01", "57P04")
"""Of those classes: the protocol is not understood (a pooler that refuses a parameter), the
database was dropped."""
_POOLER_COMING: Final = ("server login has been failing", "cannot connect to server", "pooler is shut", "pgbouncer is shutting")
"""What PgBouncer says of a server that is away, with 08P01 too."""
_NAMELESS_COMING: Final = ("TargetServerAttributeNotMatched", "InterfaceError")
"""asyncpg's without SQLSTATE: only a standby answers; the connection was closed meanwhile."""
_CUT_OFF: Final = "cannot switch to state"
"""asyncpg's InternalClientError of a connection that went between two messages of one statement."""
_MADE_MEANWHILE: Final = ("23505", "42P06", "42P07", "42710", "XX000")
"""Duplicate keys in the catalog, duplicate schema, table, object; "tuple concurrently updated"."""
_SQLITE_MADE_MEANWHILE: Final = "already exists"
_SQLITE_COMING: Final = ("locked", "busy")
_DEEPEST: Final = 8
_CHARS: Final = 200


def chain(error: BaseException) -> list[BaseException]:
    """The error and what it was raised from, the driver's own last."""
    found: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and len(found) < _DEEPEST:
        found.append(current)
        current = getattr(current, "orig", None) or current.__cause__
    return found


def sqlstate(error: BaseException) -> str | None:
    """The five characters PostgreSQL gave, where it did."""
    state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    return state if isinstance(state, str) and len(state) == 5 else None


def cut_off(error: BaseException) -> bool:
    """Whether asyncpg lost the connection within a statement, and says so only of its own state.

    The server may have done what was sent before.
    """
    return is_asyncpg(error) and _CUT_OFF in str(error)


def is_asyncpg(error: BaseException) -> bool:
    """Whether it is an error of asyncpg's own."""
    return type(error).__module__.partition(".")[0] == "asyncpg"


def not_up_yet(error: Exception) -> str | None:
    """Why the database cannot be used yet, in words without a value of a row.

    Returns:
        None where waiting would not help.
    """
    for cause in reversed(chain(error)):
        verdict = _passes(cause)
        if verdict is not None:
            return in_words(error) if verdict else None
    return None


def made_meanwhile(error: BaseException) -> bool:
    """Whether somebody else made the same table at the same moment: looking again finds it."""
    return any(
        (sqlstate(cause) or "") in _MADE_MEANWHILE
        or (isinstance(cause, sqlite3.OperationalError) and _SQLITE_MADE_MEANWHILE in str(cause))
        for cause in chain(error)
    )


def in_words(error: BaseException) -> str:
    """The driver's own error in one line: type, SQLSTATE, and the first line of its text.

    The other lines may quote a row.
    """
    cause = chain(error)[-1]
    text = str(cause) if isinstance(cause, OSError) or not cause.args else str(cause.args[0])
    state = sqlstate(cause)
    line = text.strip().partition("\n")[0][:_CHARS]
    return f"{type(cause).__name__}{f' {state}' if state else ''}{f': {line}' if line else ''}"


def _passes(cause: BaseException) -> bool | None:
    """None: this one says nothing about it."""
    state = sqlstate(cause)
    if state is not None:
        return _state_passes(state, str(cause).lower())
    if isinstance(cause, sqlite3.Error):
        return any(word in str(cause).lower() for word in _SQLITE_COMING)
    if isinstance(cause, ssl.SSLError):
        return isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError)  # it went away in the middle
    if isinstance(cause, OSError):
        return _connection_passes(cause)
    if cut_off(cause):
        return True
    if is_asyncpg(cause):
        named = any(kind.__name__ in _NAMELESS_COMING for kind in type(cause).__mro__)
        return named and not isinstance(cause, ValueError)  # asyncpg's own word for a URL that it cannot use
    return None


def _state_passes(state: str, line: str) -> bool:
    if state in _FINAL:
        return any(word in line for word in _POOLER_COMING)
    return state.startswith(_COMING)


def _connection_passes(error: OSError) -> bool:
    """Whether an error of connecting may pass by itself.

    That is all that a network does, a name that DNS does not know yet, and a socket that is not
    there
    yet: connecting names no file, unlike a database's path that is wrong. TLS that the server does
        not
    have is no such error.
    """
    if isinstance(error, socket.gaierror | TimeoutError):
        return True
    return error.filename is None and not isinstance(error, PermissionError) and "SSL" not in str(error)
