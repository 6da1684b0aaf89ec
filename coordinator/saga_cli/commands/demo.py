"""`saga demo`: twenty orders through the whole system, in seconds, with nothing but Python."""

from __future__ import annotations

from typing import Annotated

import typer

from saga_cli.commands.groups import HELP_OPTIONS, examples


def register(app: typer.Typer, panel: str) -> None:
    app.command(
        "demo",
        rich_help_panel=panel,
        context_settings=HELP_OPTIONS,
        epilog=examples(
            "saga demo",
            "saga demo --keep",
            "saga demo --bootstrap-servers 127.0.0.1:9092 --database postgresql+asyncpg://postgres@127.0.0.1/coordinator",
        ),
    )(demo)


def demo(
    orders: Annotated[int, typer.Option(min=1, max=10_000, help="How many orders; every fifth has no carrier.")] = 20,
    keep: Annotated[bool, typer.Option("--keep", help="Stay up until Ctrl-C, to look around with the other commands.")] = False,
    bootstrap_servers: Annotated[
        str | None, typer.Option(metavar="HOST:PORT,…", help="A real Kafka instead of the stand-in.")
    ] = None,
    database: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="postgresql+asyncpg://… instead of SQLite; NAME_payment … are made beside NAME.",
        ),
    ] = None,
    otlp: Annotated[str | None, typer.Option(metavar="URL", help="Reserved: traces are not exported yet.")] = None,
) -> None:
    """Run orders through a coordinator and three participants; some are rejected at the last step and undone.

    Then count every effect in the services' own books: nothing lost, nothing doubled.
    """
    if otlp is not None:
        raise typer.BadParameter("exporting traces is not built yet; leave it out", param_hint="--otlp")
    from saga_cli.demo.plan import planned
    from saga_cli.demo.story import tell

    raise typer.Exit(tell(planned(orders=orders, keep=keep, bootstrap_servers=bootstrap_servers, database=database)))
