"""Parts that all commands share: groups, examples in the help, and options with one meaning
everywhere."""

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
TopicPrefix = Annotated[
    str, typer.Option("--topic-prefix", envvar="SAGA_TOPIC_PREFIX", help="Before the name of every topic.", show_default=False)
]
DEFAULT_SERVER = "http://127.0.0.1:8700"


def group(app: typer.Typer, name: str, summary: str, panel: str) -> typer.Typer:
    """Add a noun with commands of its own, such as `saga step`, and return it.

    The one that is there where another file has added it.
    """
    for known in app.registered_groups:
        if known.name == name and known.typer_instance is not None:
            return known.typer_instance
    made = typer.Typer(name=name, help=summary, no_args_is_help=True, rich_markup_mode="rich", context_settings=HELP_OPTIONS)
    app.add_typer(made, name=name, rich_help_panel=panel)
    return made


def schedules(app: typer.Typer, panel: str) -> typer.Typer:
    """Add `saga schedule`, or return it: some of its commands need a coordinator, others a file."""
    return group(app, "schedule", "Schedules: sagas that are started when a calendar says so.", panel)


def checked_prefix(prefix: str) -> str:
    """Return the prefix. Raises typer.BadParameter where topics may not have it."""
    from saga_schemas.topics import Topics

    try:
        return Topics(prefix).prefix
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--topic-prefix") from None


def examples(*lines: str) -> str:
    """Return the end of a command's help, which shows how it is typed."""
    return "\n\n".join(["[bold]Examples[/bold]", *(f"  $ {line.replace('[', chr(92) + '[')}" for line in lines)])
