"""A coordinator's SQLite file of this release, in no time: a copy of one that was migrated once.

A migration of a new file takes a tenth of a second of CPU, and most tests of a store begin with
one. What is special to a file, its identity and its key, each copy has anew. Tests of migrations
migrate.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import sqlite3
import tempfile
import uuid
from functools import cache
from pathlib import Path
from typing import Final

from sqlalchemy.engine import make_url

from saga_coordinator.store.open import open_store

_NEW: Final = "UPDATE meta SET cluster_id = ?, token_key = ?"
_KEY_BYTES: Final = 32


async def prepare(url: str) -> None:
    """Put a migrated file where the URL's file is not there yet. Any other database is left as it
    is."""
    parsed = make_url(url)
    if parsed.drivername == "sqlite+aiosqlite" and parsed.database:
        await asyncio.to_thread(_copy, Path(parsed.database))


def _copy(path: Path) -> None:
    if path.exists():
        return
    shutil.copy(_migrated(), path)
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(_NEW, (str(uuid.uuid4()), secrets.token_bytes(_KEY_BYTES)))
    connection.close()


@cache
def _migrated() -> Path:
    """Made once a process; it goes when Python ends."""
    folder = tempfile.TemporaryDirectory(prefix="saga-migrated-")
    _kept.append(folder)
    path = Path(folder.name) / "saga.db"
    asyncio.run(open_store(f"sqlite+aiosqlite:///{path}").upgrade())
    return path


_kept: Final[list[tempfile.TemporaryDirectory[str]]] = []
