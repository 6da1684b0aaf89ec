"""`saga schedule calendar put|list|show|delete`: days that schedules exclude, under a name."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from saga_cli.commands.asking import Yes, sure
from saga_cli.commands.groups import DEFAULT_SERVER, HELP_OPTIONS, Output, Server, examples, group
from saga_cli.output import Format

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the calendar.", show_default=False)]


_PANEL: Final = "Commands"
"""Beside the commands of schedules."""


def register(schedules: typer.Typer) -> None:
    noun = group(schedules, "calendar", "Calendars of days that schedules exclude, such as holidays.", _PANEL)
    for name, command, lines in (
        ("put", put, ('saga schedule calendar put holidays.days.yaml --reason "the days of 2028"',)),
        ("list", list_calendars, ("saga schedule calendar list",)),
        ("show", show, ("saga schedule calendar show german-holidays",)),
        ("delete", delete, ('saga schedule calendar delete german-holidays --reason "nobody excludes it"',)),
    ):
        noun.command(name, context_settings=HELP_OPTIONS, epilog=examples(*lines))(command)


def put(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A *.days.yaml.", show_default=False)],
    reason: Annotated[str | None, typer.Option(help="Why; kept in the audit with your login name.")] = None,
    output: Output = Format.TABLE,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Create a calendar of days, or its next version. Schedules that exclude it look at it at
    once."""
    from saga_cli.client import Client, actor, segment
    from saga_cli.exits import CommandFailed, ExitCode
    from saga_cli.output import print_object
    from saga_cli.schedule_source import lint_days_file
    from saga_cli.show.schedules import days_line
    from saga_coordinator.schedules.source import days_source_of

    result = lint_days_file(file)
    if result.document is None:
        raise CommandFailed("\n".join([f"{file} has findings:", *map(str, result.findings)]), ExitCode.FINDINGS)
    body: dict[str, Any] = {"document": days_source_of(result.document), "file": file, "actor": actor()}
    with Client(server) as client:
        path = f"/v1/day-calendars/{segment(result.document.calendar)}"
        saved = client.put(path, body | ({} if reason is None else {"reason": reason}))
    print_object(saved, output, line=days_line(saved), ids=[saved["name"]])


def list_calendars(output: Output = Format.TABLE, server: Server = DEFAULT_SERVER) -> None:
    """List the calendars of days by name."""
    from saga_cli.client import Client
    from saga_cli.output import print_table
    from saga_cli.show.schedules import DAYS_COLUMNS, days_row

    with Client(server) as client:
        items = client.get("/v1/day-calendars")["items"]
    names = [item["name"] for item in items]
    empty = "no calendars of days; `saga schedule calendar put FILE` makes one"
    print_table(items, output, columns=DAYS_COLUMNS, rows=map(days_row, items), ids=names, empty=empty)


def show(name: Name, output: Output = Format.TABLE, server: Server = DEFAULT_SERVER) -> None:
    """Show the days of a calendar."""
    from saga_cli.client import Client, segment
    from saga_cli.output import print_object
    from saga_cli.show.schedules import days_whole

    with Client(server) as client:
        found = client.get(f"/v1/day-calendars/{segment(name)}")
    print_object(found, output, line=days_whole(found), ids=[found["name"]])


def delete(
    name: Name,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit with your login name.")],
    yes: Yes = False,
    output: Output = Format.TABLE,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Remove a calendar of days. Refused (5) while a schedule excludes it."""
    from saga_cli.client import Client, actor, segment
    from saga_cli.output import print_object

    sure(f"Delete the calendar {name}?", yes)
    with Client(server) as client:
        gone = client.delete(f"/v1/day-calendars/{segment(name)}", {"reason": reason, "actor": actor()})
    print_object(gone, output, line=f"calendar {gone['name']} is deleted", ids=[gone["name"]])
