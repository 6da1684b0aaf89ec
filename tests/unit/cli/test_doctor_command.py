"""`saga doctor participant`: what bad input gets, one clear line each."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

DOCTOR = ("doctor", "participant", "payment", "--database")


@pytest.fixture
def barrier(tmp_path: Path) -> str:
    """A participant's database of an earlier release: it has no horizon."""
    path = tmp_path / "payment.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE saga_barrier (saga_id TEXT, step TEXT, state TEXT, run INTEGER)")
    return f"sqlite+aiosqlite:///{path}"


@pytest.fixture
def coordinators(saga: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "saga.db"
    monkeypatch.setenv("SAGA_DATABASE_URL", f"sqlite+aiosqlite:///{path}")
    assert saga("db", "upgrade").code == 0
    return path


@pytest.mark.parametrize(
    ("url", "code", "said"),
    [
        ("nonsense", 78, "--database is not a database URL"),
        ("mysql://db/payment", 78, "--database: mysql is not read"),
        ("postgresql+asyncpg://db", 78, "--database names no database"),
        ("sqlite+aiosqlite:////nowhere/payment.db", 78, "/nowhere/payment.db does not exist"),
        ("postgresql+asyncpg://127.0.0.1:1/payment", 69, "the participant's database: ConnectionRefusedError"),
    ],
)
def test_a_participants_url_that_is_none(saga: Any, coordinators: Path, url: str, code: int, said: str) -> None:
    told = saga(*DOCTOR, url)
    assert (told.code, told.out) == (code, "")
    assert told.err.startswith(f"saga: {said}")
    assert told.err.count("\n") == 1


def test_another_database_is_not_taken_for_a_participants(saga: Any, coordinators: Path) -> None:
    told = saga(*DOCTOR, f"sqlite+aiosqlite:///{coordinators}")
    assert told.code == 78
    assert told.err.endswith("saga.db is not the database of a participant: it has no table saga_barrier\n")
    coordinators.write_bytes(b"no database at all" * 100)
    told = saga(*DOCTOR, f"sqlite+aiosqlite:///{coordinators}")
    assert (told.code, told.err) == (78, "saga: the participant's database: DatabaseError: file is not a database\n")


def test_the_coordinators_database_has_to_be_there_and_is_not_made(
    saga: Any, barrier: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = saga(*DOCTOR, barrier)
    assert (told.code, told.err) == (78, "saga: SAGA_DATABASE_URL is not set: it names the coordinator's database\n")
    monkeypatch.setenv("SAGA_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/none.db")
    told = saga(*DOCTOR, barrier)
    assert (told.code, told.err) == (78, f"saga: {tmp_path}/none.db does not exist\n")
    assert not (tmp_path / "none.db").exists()
    monkeypatch.setenv("SAGA_DATABASE_URL", barrier)
    told = saga(*DOCTOR, barrier)
    assert (told.code, told.err) == (78, "saga: the database has no saga tables yet; run `saga db upgrade`\n")


def test_a_participant_that_no_definition_names(saga: Any, coordinators: Path, barrier: str) -> None:
    told = saga(*DOCTOR, barrier)
    assert (told.code, told.err) == (4, "saga: no definition has a step of payment; participants: none\n")
    told = saga("doctor", "participant", "Payment", "--database", barrier)
    assert told.code == 2
    assert "small letters" in told.err
