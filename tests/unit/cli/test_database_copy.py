"""`saga db copy`: what it says, and what it refuses with exit 78.

What it copies is tests/integration/test_store_moves.py.
"""

from __future__ import annotations

import base64
import sqlite3
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def made(saga: Any, tmp_path: Path) -> str:
    """A SQLite store, as `saga db upgrade` makes it."""
    url = f"sqlite+aiosqlite:///{tmp_path / 'from.db'}"
    assert saga("db", "upgrade", "--database", url).code == 0
    return url


def key_of(path: Path) -> bytes:
    connection = sqlite3.connect(path)
    (key,) = connection.execute("SELECT token_key FROM meta").fetchone()
    connection.close()
    return bytes(key)


def test_it_says_what_was_copied_and_which_store_is_no_longer_to_be_served(saga: Any, made: str, tmp_path: Path) -> None:
    other = f"sqlite+aiosqlite:///{tmp_path / 'to.db'}"

    told = saga("db", "copy", made, other)

    assert told.code == 0
    assert told.out == f"0 sagas, 0 rows in all; serve {other} from now on and never again {made}\n"
    assert key_of(tmp_path / "to.db") == key_of(tmp_path / "from.db"), "the embedded key came along: nothing to export"


def test_the_key_that_postgresql_does_not_hold_is_said_as_a_setting() -> None:
    from saga_cli.commands.database import _export_line

    assert _export_line(b"k" * 32) == f"export SAGA_TOKEN_KEYS=embedded:{base64.b64encode(b'k' * 32).decode()}"


@pytest.mark.parametrize(
    ("source", "target", "why"),
    [
        ("sqlite+aiosqlite:///{made}", "sqlite+aiosqlite:///{made}", "that is one database"),
        ("sqlite+aiosqlite:///{made}.nosuch", "sqlite+aiosqlite:///{made}", "does not exist"),
        ("mysql://x/y", "sqlite+aiosqlite:///{made}", "no store speaks mysql"),
    ],
)
def test_what_cannot_be_copied_is_one_line_and_exit_78(
    saga: Any, made: str, tmp_path: Path, source: str, target: str, why: str
) -> None:
    path = tmp_path / "from.db"

    told = saga("db", "copy", source.format(made=path), target.format(made=path))

    assert (told.code, told.out) == (78, "")
    assert why in told.err
    assert len(told.err.splitlines()) == 1
