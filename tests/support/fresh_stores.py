"""A coordinator's database of this release, in no time: a copy of one that was migrated once.

A migration of a new one takes a tenth of a second of CPU, and most tests of a store begin with one.
What is special to a database, its identity and its key, each copy has anew. Tests of migrations
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

from saga_cli.dev.sql import sibling
from saga_coordinator.store.open import open_store
from support import sql

_NEW: Final = "UPDATE meta SET cluster_id = ?, token_key = ?"
_NEW_ID: Final = "UPDATE meta SET cluster_id = $1"
_TABLES: Final = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
_KEY_BYTES: Final = 32


async def prepare(url: str) -> None:
    """Put a migrated database where the URL's is not there yet, or is empty. Any other is left as
    it is."""
    parsed = make_url(url)
    if parsed.drivername == "sqlite+aiosqlite" and parsed.database:
        await asyncio.to_thread(_copy, Path(parsed.database))
    elif parsed.drivername == "postgresql+asyncpg" and url not in _seen:
        _seen.add(url)  # its name is a fresh one, and asking costs a connection
        if await sql.value(url, _TABLES) == 0:
            await _create(url, parsed.database)


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


async def _create(url: str, name: str | None) -> None:
    server = sibling(url, "postgres")
    template = await _template(server)
    await sql.rows(server, f'DROP DATABASE "{name}"')
    await sql.rows(server, f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    await sql.rows(url, _NEW_ID, str(uuid.uuid4()))


async def _template(server: str) -> str:
    """A migrated database of this server, made once a process."""
    if server not in _templates:
        name = f"migrated_{uuid.uuid4().hex[:16]}"
        await sql.rows(server, f'CREATE DATABASE "{name}"')
        await open_store(sibling(server, name)).upgrade()
        _templates[server] = name
    return _templates[server]


_seen: Final[set[str]] = set()
_templates: Final[dict[str, str]] = {}
_kept: Final[list[tempfile.TemporaryDirectory[str]]] = []
