"""At a start: which errors of a database driver pass by themselves, and which are a matter of
settings."""

from __future__ import annotations

import errno
import socket
import sqlite3
import ssl

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError, OperationalError

from saga_coordinator.store.faults import fault_of
from saga_messaging.database_errors import in_words, made_meanwhile, not_up_yet

COMING = [
    asyncpg.CannotConnectNowError("the database system is starting up"),
    asyncpg.AdminShutdownError("terminating connection due to administrator command"),
    asyncpg.CrashShutdownError("terminating connection because of crash of another server process"),
    asyncpg.TooManyConnectionsError("sorry, too many clients already"),
    asyncpg.DiskFullError("could not extend file"),
    asyncpg.ReadOnlySQLTransactionError("cannot execute UPDATE in a read-only transaction"),
    asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
    asyncpg.ProtocolViolationError("server login has been failing, try again later (server_login_retry)"),
    asyncpg.exceptions.TargetServerAttributeNotMatched("None of the hosts match the target attribute requirement"),
    asyncpg.InterfaceError("connection is closed"),
    asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress"),
    ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 5432)"),
    ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
    OSError(errno.EHOSTUNREACH, "No route to host"),
    OSError("Multiple exceptions: [Errno 111] Connect call failed ('::1', 5432), [Errno 111] Connect call failed"),
    socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"),
    socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
    FileNotFoundError(errno.ENOENT, "No such file or directory"),
    TimeoutError(),
    ssl.SSLEOFError(8, "EOF occurred in violation of protocol"),
    sqlite3.OperationalError("database is locked"),
]
FINAL = [
    asyncpg.InvalidPasswordError('password authentication failed for user "saga"'),
    asyncpg.InvalidAuthorizationSpecificationError("no pg_hba.conf entry for host"),
    asyncpg.InvalidCatalogNameError('database "nope" does not exist'),
    asyncpg.ProtocolViolationError("unsupported startup parameter: jit"),
    asyncpg.InsufficientPrivilegeError("permission denied for schema public"),
    asyncpg.InternalClientError("got result for unknown protocol state 99"),
    asyncpg.UndefinedColumnError('column "x" does not exist'),
    asyncpg.exceptions.ClientConfigurationError("`sslmode` parameter must be one of: disable, allow, prefer"),
    ConnectionError('PostgreSQL server at "db:5432" rejected SSL upgrade'),
    ssl.SSLCertVerificationError(1, "certificate verify failed"),
    ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"),
    FileNotFoundError(errno.ENOENT, "No such file or directory", "/no/such/folder/saga.db.lock"),
    PermissionError(errno.EACCES, "Permission denied"),
    sqlite3.OperationalError("unable to open database file"),
    sqlite3.DatabaseError("file is not a database"),
    LookupError("a bug of the service's own"),
]


def bare(error: Exception) -> Exception:
    return error


def by_sqlalchemy(error: Exception) -> Exception:
    """As `create_async_engine` raises it: the adapter's error in between has no SQLSTATE."""
    adapter = Exception(str(error))
    adapter.__cause__ = error
    return DBAPIError("SELECT 1", {}, adapter)


def by_the_store(error: Exception) -> Exception:
    fault = fault_of(error)
    fault.__cause__ = error
    return fault


@pytest.mark.parametrize("wrapped", [bare, by_sqlalchemy, by_the_store])
@pytest.mark.parametrize("error", COMING, ids=repr)
def test_what_may_pass_by_itself_is_waited_for(error: Exception, wrapped: object) -> None:
    assert not_up_yet(wrapped(error)) == in_words(error)  # type: ignore[operator]


@pytest.mark.parametrize("wrapped", [bare, by_sqlalchemy, by_the_store])
@pytest.mark.parametrize("error", FINAL, ids=repr)
def test_what_is_a_matter_of_settings_is_not(error: Exception, wrapped: object) -> None:
    assert not_up_yet(wrapped(error)) is None  # type: ignore[operator]


def test_the_words_name_the_state_and_quote_no_row() -> None:
    error = asyncpg.UniqueViolationError("duplicate key value violates unique constraint\nDETAIL: Key (card)=(4711) exists.")
    assert in_words(OperationalError("INSERT", {}, error)) == (
        "UniqueViolationError 23505: duplicate key value violates unique constraint"
    )


def test_tables_that_another_instance_makes_at_the_same_moment_are_told_apart() -> None:
    assert made_meanwhile(by_sqlalchemy(asyncpg.DuplicateTableError('relation "effects" already exists')))
    assert made_meanwhile(by_sqlalchemy(asyncpg.UniqueViolationError('duplicate key "pg_type_typname_nsp_index"')))
    assert made_meanwhile(by_sqlalchemy(sqlite3.OperationalError("table saga_barrier already exists")))
    assert not made_meanwhile(by_sqlalchemy(asyncpg.UndefinedTableError('relation "x" does not exist')))
    assert not made_meanwhile(by_sqlalchemy(sqlite3.OperationalError("no such table: x")))
