"""`saga db upgrade`: the coordinator's tables, brought to this release."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from saga_cli.commands.groups import HELP_OPTIONS, Format, Output, examples, group

_DATABASE = "sqlite+aiosqlite:///FILE or postgresql+asyncpg://…; else SAGA_DATABASE_URL."


def register(app: typer.Typer, panel: str) -> None:
    database = group(app, "db", "The coordinator's database.", panel)
    database.command(
        "upgrade",
        context_settings=HELP_OPTIONS,
        epilog=examples(
            "saga db upgrade --database postgresql+asyncpg://saga:…@db/coordinator",
            "SAGA_DATABASE_URL=postgresql+asyncpg://… saga db upgrade",
        ),
    )(upgrade)


def upgrade(
    database: Annotated[str | None, typer.Option(metavar="URL", help=_DATABASE)] = None,
    output: Output = Format.TABLE,
) -> None:
    """Run the migrations, old and new coordinators may go on meanwhile. SQLite upgrades itself when `saga serve` starts.

    A database that is not up yet is waited for, for SAGA_START_PATIENCE_S (120).
    """
    import asyncio

    from saga_cli.output import print_object
    from saga_messaging.errors import ConfigurationError
    from saga_messaging.patience import patience_from

    url = database or os.environ.get("SAGA_DATABASE_URL")
    if not url:
        raise ConfigurationError("SAGA_DATABASE_URL is not set: give --database postgresql+asyncpg://user:password@host/database")
    revision = asyncio.run(_upgraded(url, patience_from(os.environ)))
    print_object({"revision": revision}, output, line=f"the database is at revision {revision}", ids=[revision])


async def _upgraded(url: str, patience_s: float) -> str:
    from saga_coordinator.store.open import open_store
    from saga_messaging.clock import SystemClock
    from saga_messaging.database_errors import not_up_yet
    from saga_messaging.errors import ConfigurationError
    from saga_messaging.patience import Patience

    try:
        store = open_store(url)
    except ValueError as error:
        raise ConfigurationError(str(error)) from None
    try:
        return await Patience(patience_s, clock=SystemClock()).wait_for("the database", store.upgrade, passing=not_up_yet)
    finally:
        await store.stop()
