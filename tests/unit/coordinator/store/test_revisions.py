"""The schema's revisions are known without Alembic, and a coordinator at work does not load it."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine

from saga_coordinator.store import revisions


def test_the_names_of_the_files_are_alembics_revisions_in_its_order() -> None:
    config = Config()
    config.set_main_option("script_location", "saga_coordinator:migrations")
    walked = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert list(revisions.known()) == walked[::-1]
    assert revisions.head() == walked[0]


@pytest.mark.parametrize("library", ["alembic", "prompt_toolkit", "jinja2"])
def test_a_coordinator_does_not_load_what_it_does_not_use(library: str) -> None:
    """Eleven and seven megabytes, in every process, and the console before anybody asks for it."""
    loaded = f"import sys, saga_cli.commands.serve, saga_coordinator.server; print({library!r} in sys.modules)"
    said = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "False"


def test_a_failed_roll_back_does_not_hide_what_went_wrong_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when a start is cancelled in the middle of a statement: the connection is gone then."""

    def cancelled(connection: Connection) -> str | None:
        connection.invalidate()
        raise asyncio.CancelledError

    monkeypatch.setattr(revisions, "stored", cancelled)
    engine = create_engine("sqlite://", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection, pytest.raises(asyncio.CancelledError):
        revisions._upgrade(connection)
    engine.dispose()
