"""Drivers' errors by fate: everything a database says becomes a `StoreError`, and no message
carries a value of a row (S17).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import asyncpg
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from saga_coordinator.store.port import BadRow, CountMismatch, StoreError

_SQLITE_DUPLICATES: Final = ("SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_ROWID")
_UNIQUE_VIOLATION: Final = "23505"
_PROTOCOL_VIOLATION: Final = "08P01"
POOLER: Final = (
    "a connection pooler such as PgBouncer stands before the database and keeps our session settings from it: "
    "name PostgreSQL itself in SAGA_DATABASE_URL, the coordinator has a pool of its own"
)
_OF_THE_ROW: Final = ("22", "23", "54")
"""PostgreSQL's classes.

A value that is none, a constraint, a limit of the server (a key too long for its index).
"""
_MESSAGE_CHARS: Final = 200
CLOSED: Final = "the store is closed"
"""An engine of SQLAlchemy connects anew after its end. A store that was stopped does not."""

DRIVER_ERRORS: Final = (
    SQLAlchemyError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    sqlite3.Error,
    OSError,
    TimeoutError,
    OverflowError,
    UnicodeError,
)


@contextmanager
def translated() -> Iterator[None]:
    """Around every talk with a driver."""
    try:
        yield
    except StoreError:
        raise
    except DRIVER_ERRORS as error:
        raise fault_of(error) from error


async def invalidated(connection: AsyncConnection) -> None:
    """Whatever state it is in, it goes to nobody else.

    Raises nothing of a driver's: where it is used another error is on its way, a cancellation for
    one, and must not be lost.
    """
    with suppress(*DRIVER_ERRORS):
        await connection.invalidate()


async def closed(connection: AsyncConnection) -> None:
    """Give it back to SQLAlchemy's pool, which drops an invalidated one. Raises as little."""
    with suppress(*DRIVER_ERRORS):
        await connection.__aexit__(None, None, None)  # shielded: a cancelled task gives it back all the same


def fault_of(error: BaseException) -> StoreError:
    """The port's error for a driver's."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    state = sqlstate(cause)
    if state == _UNIQUE_VIOLATION or getattr(cause, "sqlite_errorname", None) in _SQLITE_DUPLICATES:
        return CountMismatch(f"a row that must be new exists already ({_constraint(cause)})")
    if state[:2] in _OF_THE_ROW or isinstance(cause, sqlite3.IntegrityError):
        return BadRow(f"the database refused a row ({_constraint(cause)})")
    if isinstance(cause, OverflowError | UnicodeError | asyncpg.DataError | sqlite3.ProgrammingError):
        return BadRow(f"a value does not fit its column ({type(cause).__name__})")
    if state == _PROTOCOL_VIOLATION and "startup parameter" in str(cause):
        return StoreError(f"{POOLER} ({_first_line(cause)})")
    return StoreError(f"{type(cause).__name__}{f' {state}' if state else ''}: {_first_line(cause)}")


def sqlstate(error: BaseException) -> str:
    """PostgreSQL's five characters, empty where there are none."""
    state = getattr(error, "sqlstate", None)
    return state if isinstance(state, str) else ""


def _constraint(error: BaseException) -> str:
    """Names only: the message of a refused row may quote the row."""
    if isinstance(error, sqlite3.Error):
        return _first_line(error)  # "UNIQUE constraint failed: journal.saga_id, journal.version"
    origin = error.__cause__ if not hasattr(error, "constraint_name") and error.__cause__ else error
    names = [getattr(origin, name, None) for name in ("table_name", "column_name", "constraint_name")]
    return ".".join(name for name in names if name) or type(origin).__name__


def _first_line(error: BaseException) -> str:
    # asyncpg's str() goes on with DETAIL, which quotes the row.
    text = str(error) if isinstance(error, OSError) or not error.args else str(error.args[0])
    return text.partition("\n")[0][:_MESSAGE_CHARS]
