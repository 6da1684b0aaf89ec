"""`saga` itself: its help, its options, and no command yet."""

from __future__ import annotations

import importlib.metadata

import typer


def root() -> typer.Typer:
    """Build `saga` without its commands."""
    app = typer.Typer(
        name="saga",
        help="Sagas over microservices on Kafka: start, watch and mend them; run the coordinator and its participants.",
        epilog="Begin with `saga demo`. Most commands talk to a coordinator: --server, or SAGA_SERVER.",
        no_args_is_help=True,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    return app


def _root(
    version: bool = typer.Option(
        False, "--version", help="Print the version and end.", callback=lambda on: _version(on), is_eager=True
    ),
) -> None:
    """Options before the command."""


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"saga {importlib.metadata.version('saga-coordinator')}")
        raise typer.Exit
