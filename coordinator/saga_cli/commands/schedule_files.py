"""`saga schedule lint` and `next`: what a schedule says and when it ticks, before it is stored."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from saga_cli.commands.groups import DEFAULT_SERVER, HELP_OPTIONS, Output, Server, examples, schedules
from saga_cli.output import Format

_FILES = typer.Argument(
    metavar="FILE…", help="A *.schedule.yaml, a *.days.yaml, or MODULE:OBJECT of a Schedule in Python.", show_default=False
)
_DEFINITIONS = "Folder of the *.saga.yaml and *.days.yaml that there are; by default the file's own."
_SCHEMAS = "Folder of .avsc files; by default schemas/ beside the definition, then the demo's."
_FILE = "A *.schedule.yaml, or MODULE:OBJECT, in place of a stored schedule."
_FROM = "A time as 2027-03-27T00:00:00Z, or a day in the schedule's zone; now by default."
Definitions = Annotated[Path | None, typer.Option("--definitions", metavar="DIR", help=_DEFINITIONS)]
Schemas = Annotated[Path | None, typer.Option("--schemas", metavar="DIR", help=_SCHEMAS)]


def register(app: typer.Typer, panel: str) -> None:
    noun = schedules(app, panel)
    for name, command, lines in (
        ("lint", lint_files, ("saga schedule lint settlement.schedule.yaml", "saga schedule lint *.yaml -o json")),
        (
            "next",
            next_ticks,
            (
                "saga schedule next settlement --count 10 --from 2027-03-27",
                "saga schedule next --file settlement.schedule.yaml",
            ),
        ),
        ("json-schema", json_schema, ("saga schedule json-schema > schedule.schema.json",)),
    ):
        noun.command(name, context_settings=HELP_OPTIONS, epilog=examples(*lines))(command)


def lint_files(
    files: Annotated[list[str], _FILES],
    definitions: Definitions = None,
    schemas: Schemas = None,
    output: Output = Format.TABLE,
) -> None:
    """Check schedules, and calendars of days: every finding at once, with its place. Ends 1 when
    there is an error."""
    from saga_cli.exits import ExitCode
    from saga_cli.schedule_source import DAYS_SUFFIX, lint_days_file, schedule_source_of
    from saga_cli.show.findings import show_findings

    results = [
        lint_days_file(file) if file.endswith(DAYS_SUFFIX) else schedule_source_of(file).lint(definitions, schemas)
        for file in files
    ]
    show_findings([finding for result in results for finding in result.findings], len(files), output)
    if not all(result.ok for result in results):
        raise typer.Exit(ExitCode.FINDINGS)


def next_ticks(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Name of a stored schedule.", show_default=False)] = None,
    file: Annotated[str | None, typer.Option("--file", metavar="FILE", help=_FILE, show_default=False)] = None,
    count: Annotated[int, typer.Option(min=1, max=1_000, help="How many ticks.")] = 10,
    begin: Annotated[str | None, typer.Option("--from", metavar="TIME", help=_FROM, show_default=False)] = None,
    output: Output = Format.TABLE,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Show the ticks to come: the instant, the wall clock, and what is odd about one.

    A clock change is odd: an hour that does not exist, or one that comes twice.
    """
    from saga_cli.client import Client, segment
    from saga_cli.show.next_ticks import coming_of, show_coming

    if (name is None) == (file is None):
        raise typer.BadParameter("name a stored schedule, or a file by --file", param_hint="NAME")
    if file is not None:
        show_coming(coming_of(file, begin, count), output)
        return
    with Client(server) as client:
        found: dict[str, Any] = client.get(f"/v1/schedules/{segment(name or '')}/next", _asked(count, begin))
    show_coming(found, output)


def _asked(count: int, begin: str | None) -> dict[str, object]:
    return {"count": count} if begin is None else {"count": count, "from": begin}


def json_schema(
    days: Annotated[bool, typer.Option("--days", help="Of a *.days.yaml, a calendar of days, instead.")] = False,
) -> None:
    """Print the JSON Schema of a *.schedule.yaml, for editors: completion, hovers, early
    complaints."""
    from saga_cli.output import print_json
    from saga_coordinator.schedules import days_json_schema, schedule_json_schema

    print_json(days_json_schema() if days else schedule_json_schema())
