"""The database's schema revision: checked at start, brought up by Alembic from migrations that come
with the package.

Migrations run in one transaction, under a lock that makes a second upgrade wait and then find
nothing to do. Alembic is imported for that alone: it takes 11 MB, which a coordinator on PostgreSQL
needs for nothing.
"""

from __future__ import annotations

import secrets
import uuid
from contextlib import suppress
from functools import cache
from importlib.resources import files
from typing import Final

from sqlalchemy import Connection, inspect, select, text
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from saga_coordinator.store import schema
from saga_coordinator.store.dialect import insert_ignoring
from saga_coordinator.store.port import SchemaTooOld
from saga_coordinator.store.short_locks import LOCK_WAIT, tried_again
from saga_messaging.sqlite import connect_args

VERSION_TABLE: Final = "saga_schema_revision"
_UPGRADE_LOCK: Final = 0x5A6A_0001
_TOKEN_KEY_BYTES: Final = 32


@cache
def known() -> tuple[str, ...]:
    """The revisions that this release brings, the newest last: `r0001_initial.py` is 0001."""
    names = (entry.name for entry in files("saga_coordinator.migrations.versions").iterdir())
    return tuple(sorted(name[1:].partition("_")[0] for name in names if name.startswith("r") and name.endswith(".py")))


def head() -> str:
    """The newest revision this release brings."""
    return known()[-1]


async def check(connection: AsyncConnection) -> None:
    """Raise SchemaTooOld unless the database is exactly what this release works with."""
    found = await connection.run_sync(stored)
    if found is None:
        raise SchemaTooOld("the database has no saga tables yet; run `saga db upgrade`")
    if found == head():
        return await _check_level(connection)
    if found in known():
        raise SchemaTooOld(f"the database's schema is older ({found}) than this release ({head()}); run `saga db upgrade`")
    raise SchemaTooOld(
        f"this release is older than the database, whose schema {found[:40]!r} it does not know; install the newer one"
    )


async def _check_level(connection: AsyncConnection) -> None:
    level = (await connection.execute(select(schema.meta.c.feature_level))).scalar_one_or_none()
    if level is None:
        raise SchemaTooOld(
            "the database has lost its row in table meta; `saga db upgrade` makes a new one, with another cluster id"
        )
    if level > schema.FEATURE_LEVEL:
        raise SchemaTooOld(f"this release is older than the database: it reads feature level {schema.FEATURE_LEVEL}, not {level}")


async def upgrade(url: URL) -> str:
    """Bring the database to `head()`; the revision reached.

    Coordinators may run meanwhile: whatever a migration locks is waited for briefly, and all of it
    is tried again.
    """
    engine = create_async_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=connect_args(url))
    try:
        await tried_again(lambda: _attempt(engine))
    finally:
        await engine.dispose()
    return head()


async def _attempt(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await connection.run_sync(_upgrade)


def _upgrade(connection: Connection) -> None:
    postgres = connection.dialect.name == "postgresql"
    if not postgres:  # of a new file: pages can be given back later, a part at a time
        connection.execute(text("PRAGMA auto_vacuum = INCREMENTAL"))
    connection.execute(text("BEGIN" if postgres else "BEGIN IMMEDIATE"))
    try:
        if postgres:
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_UPGRADE_LOCK})"))
            connection.execute(text(LOCK_WAIT))
        found = stored(connection)
        if found is not None and found not in known():
            raise SchemaTooOld(f"this release is older than the database, whose schema {found[:40]!r} it does not know")
        if found != head():
            _migrate(connection)
        _identify(connection)
        connection.execute(text("COMMIT"))
    except BaseException:
        with suppress(Exception):  # of a connection that went: what went wrong first is told
            connection.execute(text("ROLLBACK"))
        raise


def _identify(connection: Connection) -> None:
    """Give a new database its own random id and, where the store is the only place for it, its
    token key.
    """
    key = None if connection.dialect.name == "postgresql" else secrets.token_bytes(_TOKEN_KEY_BYTES)
    new = {"id": 1, "cluster_id": str(uuid.uuid4()), "incarnation": 1, "feature_level": schema.FEATURE_LEVEL, "token_key": key}
    connection.execute(insert_ignoring(connection.dialect.name, schema.meta, new))


def stored(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar_one_or_none()


def _migrate(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "saga_coordinator:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
