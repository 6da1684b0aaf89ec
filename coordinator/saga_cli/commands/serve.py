"""`saga serve`: one coordinator process."""

from __future__ import annotations

import logging
import os
from typing import Annotated

import typer

from saga_cli.commands.groups import HELP_OPTIONS, examples
from saga_cli.garbage import leave_out_what_is_loaded, loading

_DATABASE = "sqlite+aiosqlite:///FILE or postgresql+asyncpg://…; else SAGA_DATABASE_URL."


def register(app: typer.Typer, panel: str) -> None:
    app.command(
        "serve",
        rich_help_panel=panel,
        context_settings=HELP_OPTIONS,
        epilog=examples(
            "saga serve --database sqlite+aiosqlite:///saga.db --bootstrap-servers 127.0.0.1:9092",
            "saga serve --otlp http://127.0.0.1:4317 --jaeger-url http://127.0.0.1:16686",
            "SAGA_DATABASE_URL=postgresql+asyncpg://… SAGA_KAFKA_BOOTSTRAP_SERVERS=kafka:9092 SAGA_TOKEN_KEYS=1:… saga serve",
        ),
    )(serve)


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.", show_default="8700", min=0, max=65535)] = None,
    database: Annotated[str | None, typer.Option(metavar="URL", help=_DATABASE)] = None,
    bootstrap_servers: Annotated[
        str | None, typer.Option(metavar="HOST:PORT,…", help="Kafka; else SAGA_KAFKA_BOOTSTRAP_SERVERS.")
    ] = None,
    instance: Annotated[str | None, typer.Option(help="Static group membership under this name.")] = None,
    roles: Annotated[str | None, typer.Option(help="Which loops to run, by commas; all by default.")] = None,
    otlp: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Trace sagas, and send their spans to this OTLP collector; else SAGA_OTLP_ENDPOINT."),
    ] = None,
    jaeger_url: Annotated[
        str | None, typer.Option(metavar="URL", help="Where Jaeger's pages are, for links to traces; else SAGA_JAEGER_URL.")
    ] = None,
    allow_unauthenticated: Annotated[
        bool, typer.Option("--allow-unauthenticated", help="Listen on other than loopback, though there is no login yet.")
    ] = False,
    accept_new_kafka: Annotated[
        bool, typer.Option("--accept-new-kafka", help="Go on with another Kafka cluster than the stored one.")
    ] = False,
    starts_from_beginning: Annotated[
        bool, typer.Option("--starts-from-beginning", help="Carry out starts that are older than the store, once.")
    ] = False,
) -> None:
    """Run a coordinator: HTTP API, Kafka consumers, timers. SIGTERM or Ctrl-C ends it in order.

    Every setting is also an environment variable SAGA_…; an option goes first.
    """
    with loading():
        from saga_cli.signals import run_until_signal
        from saga_coordinator.logs import configure as configure_logs
        from saga_coordinator.server import serve as run_coordinator
        from saga_coordinator.settings import Settings
        from saga_messaging.environment import ignored

    environ = dict(os.environ)
    if bootstrap_servers is not None:
        environ["SAGA_KAFKA_BOOTSTRAP_SERVERS"] = bootstrap_servers
    settings = Settings.from_env(
        environ,
        database_url=database,
        host=host,
        port=port,
        instance=instance,
        roles=roles,
        otlp_endpoint=otlp,
        jaeger_url=jaeger_url,
        allow_unauthenticated=allow_unauthenticated or None,
        accept_new_kafka=accept_new_kafka or None,
        starts_from_beginning=starts_from_beginning or None,
    )
    configure_logs(settings.log_level, settings.log_format)
    if links := ignored(environ):
        logging.getLogger("saga_coordinator").info(links)
    loaded = leave_out_what_is_loaded
    run_until_signal(lambda stop: run_coordinator(settings, stop=stop, ready=lambda _: loaded(), api_loaded=loaded))
