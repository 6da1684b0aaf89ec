"""`saga top`: all sagas at a glance, in the terminal."""

from __future__ import annotations

import sys
import time
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from saga_cli.commands.groups import DEFAULT_SERVER, HELP_OPTIONS, Output, Server, examples
from saga_cli.exits import CommandFailed, ExitCode
from saga_cli.output import Format

if TYPE_CHECKING:
    from rich.console import Console

    from saga_cli.client import Client

EVERY_S: Final = 2.0
"""An overview is made anew every two seconds."""
_PATH: Final = "/v1/overview"


class TopWindow(StrEnum):
    """Over how long figures are told."""

    HOUR = "1h"
    DAY = "1d"


def register(app: typer.Typer, panel: str) -> None:
    app.command(
        "top",
        rich_help_panel=panel,
        context_settings=HELP_OPTIONS,
        epilog=examples("saga top", "saga top --window 1d", "saga top --once"),
    )(top)


def top(
    window: Annotated[TopWindow, typer.Option("--window", help="Over how long figures are told.")] = TopWindow.HOUR,
    every: Annotated[float, typer.Option("--every", min=1, max=3600, metavar="S", help="How often it is drawn.")] = EVERY_S,
    once: Annotated[bool, typer.Option("--once", help="Draw it once and end, as where there is no terminal.")] = False,
    output: Output = Format.TABLE,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Show what all sagas do: what is wrong, phases, rates, durations, definitions, participants,
    and who waits for a person. Ctrl-C ends it.

    -o json prints what GET /v1/overview answers, once.
    """
    from saga_cli.client import Client
    from saga_cli.output import console, print_json
    from saga_cli.show.top import frame

    if output is Format.IDS:
        raise typer.BadParameter("an overview has no ids: table or json", param_hint="-o")
    with Client(server) as client:
        if output is Format.JSON:
            print_json(_overview(client, window))
        elif once or not sys.stdout.isatty():
            console().print(frame(_overview(client, window), height=None))
        else:
            follow(client, window, every, console())


def follow(client: Client, window: TopWindow, every_s: float, console: Console) -> None:
    """Draw it again and again, until Ctrl-C.

    A coordinator that is away is waited for, and what it said last stays.
    """
    from rich.live import Live

    from saga_cli.show.top import frame

    shown = _overview(client, window)
    try:
        with Live(frame(shown, height=console.height), console=console, screen=True, auto_refresh=False) as live:
            while True:
                time.sleep(every_s)
                away = None
                try:
                    shown = _overview(client, window)
                except CommandFailed as failed:
                    if failed.code is not ExitCode.NO_SERVER:
                        raise
                    away = str(failed)
                live.update(frame(shown, height=console.height, away=away), refresh=True)
    except KeyboardInterrupt:
        return


def _overview(client: Client, window: TopWindow) -> dict[str, Any]:
    return client.get(_PATH, {"window": window.value})
