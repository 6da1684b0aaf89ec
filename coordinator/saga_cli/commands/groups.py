"""What all commands share: groups of them, the examples in their help, and the options that mean the same everywhere."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from saga_cli.output import Format

HELP_OPTIONS: dict[str, Any] = {"help_option_names": ["-h", "--help"]}

Output = Annotated[Format, typer.Option("-o", "--output", help="table for people, json for programs, ids for pipes.")]
Server = Annotated[
    str,
    typer.Option("--server", envvar="SAGA_SERVER", metavar="URL", help="The coordinator to talk to."),
]
DEFAULT_SERVER = "http://127.0.0.1:8700"


def group(app: typer.Typer, name: str, summary: str, panel: str) -> typer.Typer:
    """A noun with commands of its own, such as `saga step`."""
    made = typer.Typer(name=name, help=summary, no_args_is_help=True, rich_markup_mode="rich", context_settings=HELP_OPTIONS)
    app.add_typer(made, name=name, rich_help_panel=panel)
    return made


def examples(*lines: str) -> str:
    """The end of a command's help: how it is typed."""
    return "\n\n".join(["[bold]Examples[/bold]", *(f"  $ {line.replace('[', chr(92) + '[')}" for line in lines)])
