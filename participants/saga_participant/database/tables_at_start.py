"""The driver, the service's own tables and the kit's, seen to before the first command."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from saga_messaging.database_errors import in_words, made_meanwhile, not_up_yet
from saga_messaging.errors import ConfigurationError
from saga_messaging.patience import Patience
from saga_participant.database.database import Database
from saga_participant.handling.handlers import Handle
from saga_participant.handling.registry import Registry
from saga_participant.tables import create_tables, missing_tables

MADE_MEANWHILE_S: Final = (0.2, 0.5, 1.0, 2.0)
"""Pauses before tables that another instance is making at the same moment are looked at again."""
OnStart = Callable[[AsyncEngine], Awaitable[None]]


async def check_driver(database: Database, registry: Registry) -> None:
    """Raises ConfigurationError, with the database closed, where a handler wants asyncpg's
    connection and there is none.
    """
    wants_asyncpg = [handler.name for handler in registry.handlers if handler.handle is Handle.ASYNCPG]
    if wants_asyncpg and not database.has_asyncpg:
        await database.close()
        raise ConfigurationError(
            f"{wants_asyncpg[0]} wants the asyncpg connection; the database is {database.engine.url.drivername}"
        )


async def see_to_tables(
    name: str, database: Database, *, on_start: OnStart | None, create_table: bool, patience: Patience
) -> None:
    """Wait for the database as `patience` says, call `on_start`, and make the kit's tables where
    they are missing, and what those of an earlier release lack.

    Raises ConfigurationError, with the database closed, where it cannot be used, or where something
    is missing and not ours to make.
    """
    try:
        await patience.wait_for(
            f"the database of {name}", lambda: _tables_made(database.engine, on_start, create_table), passing=not_up_yet
        )
    except BaseException as error:
        await database.close()
        if isinstance(error, SQLAlchemyError | OSError):
            raise ConfigurationError(f"{name}: its database cannot be used ({in_words(error)})") from error
        raise


async def _tables_made(engine: AsyncEngine, on_start: OnStart | None, create_table: bool) -> None:
    for pause_s in (*MADE_MEANWHILE_S, None):
        try:
            if on_start is not None:
                await on_start(engine)
            if missing := await missing_tables(engine):
                if not create_table:
                    raise ConfigurationError(
                        f"{' and '.join(missing)} is missing: add saga_participant.tables.upgrade(op) to a migration, or call create_tables"
                    )
                await create_tables(engine)
        except SQLAlchemyError as error:
            if pause_s is None or not made_meanwhile(error):
                raise
            await asyncio.sleep(pause_s)
        else:
            return
