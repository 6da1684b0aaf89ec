"""`saga dev kafka|postgres|jaeger`: real services for a developer's machine, with nothing but
Python; up until Ctrl-C."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from saga_cli.commands.groups import HELP_OPTIONS, Output, examples, group
from saga_cli.output import Format

if TYPE_CHECKING:
    from saga_cli.dev.local_server import LocalServer

_KAFKA_PORT, _POSTGRES_PORT = 9092, 5432
_COORDINATOR = "coordinator"
"""The coordinator's database, which SAGA_DATABASE_URL names."""
_OTLP_PORT, _OTLP_HTTP_PORT, _QUERY_PORT = 4317, 4318, 16686
_LOOK_EVERY_S = 0.1
_DIRECTORY = "Keep its data here; without it they go when it ends."
_PORT = "Listen on this port of 127.0.0.1; by default the usual one, or a free one where that is taken."


def register(app: typer.Typer, panel: str) -> None:
    dev = group(app, "dev", "Real Kafka, PostgreSQL and Jaeger for development; not for production.", panel)
    dev.command(
        "kafka",
        context_settings=HELP_OPTIONS,
        epilog=examples("saga dev kafka", "saga dev kafka --port 19092 --data .kafka"),
    )(kafka)
    dev.command(
        "postgres",
        context_settings=HELP_OPTIONS,
        epilog=examples("saga dev postgres", "saga dev postgres --create payment --create shipping --data .postgres"),
    )(postgres)
    dev.command(
        "jaeger",
        context_settings=HELP_OPTIONS,
        epilog=examples(
            "saga dev jaeger", "saga dev jaeger --otlp-port 14317 --query-port 26686", "saga dev jaeger --build-only"
        ),
    )(jaeger)


def kafka(
    port: Annotated[int | None, typer.Option(min=1, max=65535, help=_PORT)] = None,
    data: Annotated[Path | None, typer.Option(metavar="DIR", help=_DIRECTORY)] = None,
    output: Output = Format.TABLE,
) -> None:
    """Run an Apache Kafka of one broker until Ctrl-C. The first time it fetches its jars."""
    from saga_cli.dev.data_directory import kafka_port, kafka_uses, wait_until_unused
    from saga_cli.dev.kafka import KafkaService

    last_port = None
    if data is not None:
        wait_until_unused(data, kafka_uses)
        last_port = kafka_port(data)
    with KafkaService(_absolute(data), port=_port(port, last_port or _KAFKA_PORT)) as service:
        _run_until_asked(
            service,
            output,
            f"Apache Kafka {service.version}",
            service.bootstrap_servers,
            {"SAGA_KAFKA_BOOTSTRAP_SERVERS": service.bootstrap_servers},
        )


def postgres(
    port: Annotated[int | None, typer.Option(min=1, max=65535, help=_PORT)] = None,
    data: Annotated[Path | None, typer.Option(metavar="DIR", help=_DIRECTORY)] = None,
    create: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Create this database too if it is not there, for a service; may be repeated."),
    ] = None,
    output: Output = Format.TABLE,
) -> None:
    """Run a PostgreSQL until Ctrl-C, without a password, on loopback only.

    Its first database is `coordinator`.
    """
    from saga_cli.dev.data_directory import postgres_uses, wait_until_unused
    from saga_cli.dev.postgres import PostgresService
    from saga_cli.dev.sql import ask

    names = list(dict.fromkeys([_COORDINATOR, *(create or ())]))
    _check_names(names)
    if data is not None:
        wait_until_unused(data, postgres_uses)
    with PostgresService(_absolute(data), port=_port(port, _POSTGRES_PORT)) as service:
        for name in names:
            if not ask(service.url, f"SELECT 1 FROM pg_database WHERE datname = '{name}'"):
                service.create_database(name)
        urls = {name: service.database_url(name) for name in names}
        _run_until_asked(
            service,
            output,
            f"PostgreSQL {service.version}",
            urls[_COORDINATOR],
            {"SAGA_DATABASE_URL": urls[_COORDINATOR], "SAGA_TOKEN_KEYS": _token_keys(data)},
            also={name: url for name, url in urls.items() if name != _COORDINATOR},
        )


def jaeger(
    otlp_port: Annotated[int | None, typer.Option(min=1, max=65535, help="OTLP over gRPC; the usual one is 4317.")] = None,
    otlp_http_port: Annotated[int | None, typer.Option(min=1, max=65535, help="OTLP over HTTP; the usual one is 4318.")] = None,
    query_port: Annotated[int | None, typer.Option(min=1, max=65535, help="The query API; the usual one is 16686.")] = None,
    data: Annotated[Path | None, typer.Option(metavar="DIR", help=_DIRECTORY)] = None,
    build_only: Annotated[bool, typer.Option("--build-only", help="Only build it, unless it is there, and end.")] = False,
    output: Output = Format.TABLE,
) -> None:
    """Run a Jaeger until Ctrl-C. The first time it builds it, which takes minutes.

    The ports are of 127.0.0.1; by default the usual ones, or free ones where those are taken. This
    build has the HTTP API (/api/traces/ID, /api/services) but not Jaeger's web page: a placeholder
    stands in its place.
    """
    if build_only:
        _build_jaeger(output)
        return
    from saga_cli.dev.jaeger import JaegerService

    service = JaegerService(
        _absolute(data),
        otlp_port=_port(otlp_port, _OTLP_PORT),
        otlp_http_port=_port(otlp_http_port, _OTLP_HTTP_PORT),
        query_port=_port(query_port, _QUERY_PORT),
    )
    with service:
        _run_until_asked(
            service,
            output,
            f"Jaeger {service.version}",
            service.query_url,
            {
                "SAGA_OTLP_ENDPOINT": service.otlp_grpc,
                "SAGA_OTLP_METRICS_INTERVAL_S": "0",  # a Jaeger takes traces only
                "SAGA_JAEGER_URL": service.query_url,
            },
            also={"otlp_grpc": service.otlp_grpc, "otlp_http": service.otlp_http},
        )


def _build_jaeger(output: Format) -> None:
    from saga_cli.dev.jaeger_build import JAEGER_VERSION, jaeger_program
    from saga_cli.output import print_object

    program = str(jaeger_program())
    print_object(
        {"program": program, "version": JAEGER_VERSION}, output, line=f"Jaeger {JAEGER_VERSION}: {program}", ids=[program]
    )


def _run_until_asked(
    service: LocalServer, output: Format, what: str, address: str, exports: dict[str, str], *, also: dict[str, str] | None = None
) -> None:
    """Print where the server is, and wait for Ctrl-C or SIGTERM, which end the command alike.

    Raises CommandFailed when the server ended by itself.
    """
    import os
    import time

    from saga_cli.exits import CommandFailed, ExitCode

    asked: list[int] = []
    # First, because whoever reads the address may send it. The handler raises nothing: Python drops
    # what is raised in a finalizer, and nobody sends a second SIGTERM.
    signal.signal(signal.SIGTERM, lambda number, _: asked.append(number))
    _print_service(output, what, address, exports, also or {})
    while not asked:
        try:
            os.kill(service.pid or 0, 0)
        except ProcessLookupError:
            raise CommandFailed(f"it ended by itself; its log: {service.log}", ExitCode.NO_SERVER) from None
        time.sleep(_LOOK_EVERY_S)
    raise KeyboardInterrupt


def _print_service(output: Format, what: str, address: str, exports: dict[str, str], also: dict[str, str]) -> None:
    from saga_cli.output import print_object

    lines = [
        f"{what} on {address}   (for development; Ctrl-C ends it)",
        *(f"  {name} on {url}" for name, url in also.items()),
        *(f"export {name}={value}" for name, value in exports.items()),
    ]
    print_object(
        {"service": what, "address": address, **also, "environment": exports},
        output,
        line="\n".join(lines),
        ids=[address],
    )


def _port(given: int | None, usual: int) -> int:
    from saga_cli.dev.process import free_port, is_free

    if given is not None:
        return given
    return usual if is_free(usual) else free_port()


def _absolute(directory: Path | None) -> Path | None:
    """Make the path absolute: the servers run in another working directory."""
    return None if directory is None else directory.absolute()


def _check_names(names: list[str]) -> None:
    import re

    for name in names:
        if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", name):
            raise typer.BadParameter(f"{name!r} is not a database name: small letters, digits and _", param_hint="--create")


def _token_keys(data: Path | None) -> str:
    """Return the token key of the coordinators that use this database.

    The key is kept beside the data, because open sagas hold tokens made with it.
    """
    import base64
    import secrets

    kept = None if data is None else data / "token-keys"
    if kept is not None and kept.exists():
        return kept.read_text().strip()
    made = f"dev:{base64.b64encode(secrets.token_bytes(32)).decode()}"
    if kept is not None:
        kept.touch(mode=0o600)
        kept.write_text(made + "\n")
    return made
