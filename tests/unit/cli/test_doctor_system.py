"""`saga doctor`: what it says of a database, and what bad input gets."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from saga_cli.commands import doctor_system
from saga_coordinator.doctor.pace import Pace

NONE = "019b0000-0000-7000-8000-00000000ffff"
UNSET = "positions were not compared: SAGA_KAFKA_BOOTSTRAP_SERVERS is not set\n"


async def at_once(pace: Pace) -> None: ...


@pytest.fixture
def store(saga: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(Pace, "look_again", at_once)
    path = tmp_path / "saga.db"
    monkeypatch.setenv("SAGA_DATABASE_URL", f"sqlite+aiosqlite:///{path}")
    assert saga("db", "upgrade").code == 0
    return path


def damaged(store: Path) -> None:
    with sqlite3.connect(store) as database:
        database.execute("INSERT INTO wakeup VALUES (?, 1)", (bytes.fromhex(NONE.replace("-", "")),))


def test_where_everything_fits_it_says_so_and_exits_0(saga: Any, store: Path) -> None:
    told = saga("doctor")
    assert (told.code, told.out) == (0, "")
    assert told.err == f"{UNSET}everything fits: 0 sagas and 0 rows beside them\n"


def test_what_does_not_fit_has_its_way_out_and_exits_1(saga: Any, store: Path) -> None:
    damaged(store)
    told = saga("doctor")
    assert told.code == 1
    assert told.out.splitlines() == [
        f"✗  wake_up_of_no_saga  {NONE}",
        "     found    a wake-up names a saga that is not there",
        "     way out  the saga was deleted by hand, or restored without it; nothing needs the row",
        f"     sql      DELETE FROM wakeup WHERE saga_id = x'{NONE.replace('-', '')}'",
    ]
    assert told.err == f"{UNSET}1 do not fit, of 0 sagas and 1 rows beside them\n"
    (plain,) = saga("doctor", "-o", "json").json
    assert (plain["kind"], plain["saga"], plain["key"]) == ("wake_up_of_no_saga", NONE, None)
    assert saga("doctor", "-o", "ids", "--fast").out == f"{NONE}\n"
    assert saga("doctor", "--limit", "1").err.endswith("stopped at 1 that do not fit: --limit has it go on\n")
    told = saga("doctor", "--saga", NONE)
    assert told.code == 1
    assert "wake_up_of_no_saga" in told.out


def test_a_long_run_says_how_far_it_is(saga: Any, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_system, "TOLD_EVERY_S", 0.0)
    damaged(store)
    assert "… wakeup: 1 looked at\n" in saga("doctor").err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--participant", "payment"], 2, "give each --participant its --database"),
        (["--database", "sqlite+aiosqlite:///x.db"], 2, "give each --participant its --database"),
        (["--participant", "Payment", "--database", "x"], 2, "small letters"),
        (["--participant", "p", "--database", "x", "--saga", NONE], 2, "not with --saga"),
        (["--participant", "p", "--database", "nonsense"], 78, "--database is not a database URL"),
        (["--saga", "o-17"], 4, "no saga has this key: 'o-17'"),
    ],
)
def test_bad_input_gets_one_clear_line(saga: Any, store: Path, arguments: list[str], code: int, said: str) -> None:
    told = saga("doctor", *arguments)
    assert (told.code, told.out) == (code, "")
    assert said in told.err
    assert told.err.count("\n") == 1


def test_the_database_has_to_be_named(saga: Any) -> None:
    told = saga("doctor")
    assert (told.code, told.err) == (78, "saga: SAGA_DATABASE_URL is not set: it names the coordinator's database\n")


def test_a_kafka_that_is_away_is_told(saga: Any, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGA_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    told = saga("doctor")
    assert (told.code, told.out) == (69, "")
    assert told.err.count("\n") == 1
