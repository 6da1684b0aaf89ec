"""What the server says instead of having committed is definite, unless it or the connection was
going: the same on every driver."""

from __future__ import annotations

import asyncpg
import pytest
from sqlalchemy.exc import OperationalError

from saga_participant.database.errors import Fate, fate, refused

DEFINITE = ["53100", "53200", "53300", "58030", "23505", "40001", "57014", "XX000"]
UNKNOWN = ["08003", "08006", "08007", "40003", "57P01", "57P02"]


def said(state: str, severity: str = "ERROR") -> asyncpg.PostgresError:
    error: asyncpg.PostgresError = asyncpg.PostgresError.new({"C": state, "S": severity, "V": severity, "M": "no"})
    return error


class Psycopgs(Exception):
    """psycopg's errors have the severity in `diag`."""

    def __init__(self, state: str, severity: str) -> None:
        self.sqlstate = state
        self.diag = type("Diagnostic", (), {"severity": severity, "severity_nonlocalized": severity})()


def through_sqlalchemy(error: Exception) -> Exception:
    """As it comes out there: the dialect's own error in between has the state alone."""
    adapted = Exception("adapted")
    adapted.sqlstate = getattr(error, "sqlstate", None)  # type: ignore[attr-defined]
    adapted.__cause__ = error
    return OperationalError("COMMIT", {}, adapted)


@pytest.mark.parametrize("state", DEFINITE)
def test_a_refusal_is_definite(state: str) -> None:
    error = said(state)
    assert refused(error)
    assert refused(through_sqlalchemy(error))
    assert refused(Psycopgs(state, "ERROR"))


@pytest.mark.parametrize("state", UNKNOWN)
def test_a_commit_whose_connection_or_server_went_is_unknown(state: str) -> None:
    error = said(state)
    assert not refused(error)
    assert not refused(through_sqlalchemy(error))


@pytest.mark.parametrize("severity", ["FATAL", "PANIC"])
def test_a_session_that_the_server_ends_with_its_refusal_may_have_committed(severity: str) -> None:
    error = said("53100", severity)
    assert not refused(error)
    assert not refused(through_sqlalchemy(error))
    assert not refused(Psycopgs("53100", severity))


def test_an_error_that_no_server_sent_says_nothing() -> None:
    assert not refused(TimeoutError())
    assert not refused(OSError(104, "reset"))


def test_a_connection_that_went_between_two_messages_of_a_statement_is_a_database_that_is_away() -> None:
    cut_off = asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress")
    assert fate(cut_off) is Fate.AWAY
    assert fate(through_sqlalchemy(cut_off)) is Fate.AWAY
    assert not refused(cut_off)
    assert fate(asyncpg.InternalClientError("no decoder for composite type element")) is Fate.OURS
