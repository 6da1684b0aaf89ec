"""`saga db upgrade`: the coordinator's tables, brought to this release.

`saga db copy`: a whole store, into an empty database.
"""

from __future__ import annotations

import os
from typing import Annotated

import typer

from saga_cli.commands.groups import HELP_OPTIONS, Output, examples, group
from saga_cli.output import Format

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
    database.command(
        "copy",
        context_settings=HELP_OPTIONS,
        epilog=examples("saga db copy sqlite+aiosqlite:///saga.db postgresql+asyncpg://saga:…@db/coordinator"),
    )(copy)


def upgrade(
    database: Annotated[str | None, typer.Option(metavar="URL", help=_DATABASE)] = None,
    output: Output = Format.TABLE,
) -> None:
    """Run the migrations, old and new coordinators may go on meanwhile.

    SQLite upgrades itself when `saga serve` starts.

    A database that is not up yet is waited for, for SAGA_START_PATIENCE_S (120).
    """
    import asyncio

    from saga_cli.output import print_object
    from saga_messaging.patience import patience_from

    revision = asyncio.run(_upgrade(database_url(database), patience_from(os.environ)))
    print_object({"revision": revision}, output, line=f"the database is at revision {revision}", ids=[revision])


def database_url(given: str | None) -> str:
    """The coordinator's database: as given, else as the environment says.

    Raises ConfigurationError.
    """
    from saga_messaging.errors import ConfigurationError

    url = given or os.environ.get("SAGA_DATABASE_URL")
    if not url:
        raise ConfigurationError("SAGA_DATABASE_URL is not set: give --database postgresql+asyncpg://user:password@host/database")
    return url


async def _upgrade(url: str, patience_s: float) -> str:
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


def copy(
    source: Annotated[
        str, typer.Argument(metavar="FROM", help="The store to read, as a URL. Nobody may serve it.", show_default=False)
    ],
    target: Annotated[
        str,
        typer.Argument(metavar="TO", help="An empty database, as a URL. Tables are made if it has none.", show_default=False),
    ],
    output: Output = Format.TABLE,
) -> None:
    """Copy a store into an empty database: from SQLite to PostgreSQL, or any other way.

    Open sagas go on from there.

    All coordinators must be stopped. The source is only read; serve one of the two afterwards,
    never both.
    """
    import asyncio

    from saga_cli.output import print_object
    from saga_coordinator.store.port import StoreBusy
    from saga_coordinator.store.store_copy import CopyRefused, copy_store
    from saga_messaging.errors import ConfigurationError

    try:
        copied = asyncio.run(copy_store(source, target, _print_progress))
    except (CopyRefused, StoreBusy, ValueError) as refused:
        raise ConfigurationError(str(refused)) from None
    sagas, rows = copied.rows["saga"], sum(copied.rows.values())
    line = f"{sagas} sagas, {rows} rows in all; serve {_without_password(target)} from now on and never again {_without_password(source)}"
    if copied.token_key is not None:
        line += "\nThe source made its own token key. Unless you serve with keys of your own:\n" + _export_line(copied.token_key)
    shown = {"rows": dict(copied.rows), "token_keys": None if copied.token_key is None else _token_keys(copied.token_key)}
    print_object(shown, output, line=line, ids=[rows])


def _print_progress(table: str, done: int, total: int) -> None:
    """Print a line at the end of each table, and one about every 20,000 rows of a long one."""
    if total and (done == total or (done and done % 20_480 == 0)):
        typer.echo(f"{table}: {done:,} of {total:,}", err=True)


def _without_password(url: str) -> str:
    from sqlalchemy.engine import make_url

    return make_url(url).render_as_string(hide_password=True)


def _token_keys(key: bytes) -> str:
    import base64

    return f"embedded:{base64.b64encode(key).decode()}"


def _export_line(key: bytes) -> str:
    return f"export SAGA_TOKEN_KEYS={_token_keys(key)}"
