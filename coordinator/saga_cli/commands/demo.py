"""`saga demo`: twenty orders through the whole system, in seconds, with nothing but Python."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from saga_cli.commands.groups import HELP_OPTIONS, examples
from saga_cli.otlp import ProtocolOption, collector, given_url


def register(app: typer.Typer, panel: str) -> None:
    app.command(
        "demo",
        rich_help_panel=panel,
        context_settings=HELP_OPTIONS,
        epilog=examples(
            "saga demo",
            "saga demo --keep",
            "saga demo --otlp http://127.0.0.1:4317",
            "saga demo --bootstrap-servers 127.0.0.1:9092 --database postgresql+asyncpg://postgres@127.0.0.1/coordinator",
        ),
    )(demo)


def demo(
    orders: Annotated[int, typer.Option(min=1, max=10_000, help="How many orders; every fifth has no carrier.")] = 20,
    keep: Annotated[
        bool, typer.Option("--keep", help="Stay up until Ctrl-C, to look around in the console and with the other commands.")
    ] = False,
    every: Annotated[
        float,
        typer.Option(
            min=0, max=3_600, metavar="SECONDS", help="With --keep: an order goes on being placed so often; 0: none is."
        ),
    ] = 2.0,
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
    otlp: Annotated[
        str | None, typer.Option(metavar="URL", help="Trace every order; the spans go to this OTLP collector, such as Jaeger.")
    ] = None,
    otlp_protocol: ProtocolOption = None,
    jaeger_url: Annotated[
        str, typer.Option(metavar="URL", envvar="SAGA_JAEGER_URL", help="Where Jaeger's pages are, for the links.")
    ] = "http://127.0.0.1:16686",
) -> None:
    """Run orders through a coordinator and three participants; some are rejected at the last step
    and undone.

    Then count every effect in the services' own books: nothing lost, nothing doubled.
    """
    from saga_cli.demo.demo_run import run_demo
    from saga_cli.demo.plan import planned

    environ = {} if otlp is None else os.environ  # a collector of the environment's is the services', not the demo's
    plan = planned(
        orders=orders,
        keep=keep,
        every_s=every,
        bootstrap_servers=bootstrap_servers,
        database=database,
        otlp=collector(otlp, otlp_protocol, environ),
        jaeger_url=given_url(jaeger_url, "--jaeger-url"),
    )
    raise typer.Exit(run_demo(plan))
