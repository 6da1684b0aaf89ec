"""`saga schedule …`: create, update, list, show, pause, resume, delete.

What they tick is in `schedule_ticks.py`, what needs a file only in `schedule_files.py`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from saga_cli.commands import day_calendars, schedule_ticks
from saga_cli.commands.asking import Yes, sure
from saga_cli.commands.groups import DEFAULT_SERVER, HELP_OPTIONS, Output, Server, examples, schedules
from saga_cli.output import Format

_FILE = "A *.schedule.yaml, or MODULE:OBJECT of a Schedule in Python."
File = Annotated[str, typer.Argument(metavar="FILE", help=_FILE, show_default=False)]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the schedule.", show_default=False)]
Reason = Annotated[str, typer.Option(help="Why; kept in the audit with your login name.")]
MaybeReason = Annotated[str | None, typer.Option(help="Why; kept in the audit with your login name.")]
MeantSo = Annotated[bool, typer.Option("--yes", "-y", help="It is meant so, warnings or not.")]


class Status(StrEnum):
    """Where a schedule stands."""

    ACTIVE = "active"
    PAUSED = "paused"
    ENDED = "ended"
    DELETED = "deleted"


def register(app: typer.Typer, panel: str) -> None:
    noun = schedules(app, panel)
    for name, command, lines in (
        ("create", create, ("saga schedule create settlement.schedule.yaml", "saga schedule create shop.schedules:settlement")),
        ("update", update, ('saga schedule update settlement.schedule.yaml --reason "an hour later"',)),
        ("list", list_schedules, ("saga schedule list", "saga schedule list --attention -o ids")),
        ("show", show, ("saga schedule show settlement", "saga schedule show settlement --file > settlement.schedule.yaml")),
        ("versions", versions, ("saga schedule versions settlement", "saga schedule versions settlement --diff 3")),
        ("pause", pause, ('saga schedule pause settlement --reason "the bank is down until Monday"',)),
        ("resume", resume, ('saga schedule resume settlement --reason "the bank is back"',)),
        ("delete", delete, ('saga schedule delete settlement --reason "the ledger settles by itself"',)),
    ):
        noun.command(name, context_settings=HELP_OPTIONS, epilog=examples(*lines))(command)
    schedule_ticks.register(noun)
    day_calendars.register(noun)


def create(
    file: File, reason: MaybeReason = None, yes: MeantSo = False, output: Output = Format.TABLE, server: Server = DEFAULT_SERVER
) -> None:
    """Create a schedule: it ticks from now on. The coordinator checks it first (exit 1 with
    findings)."""
    from saga_cli.client import Client

    with Client(server) as client:
        _, saved = client.post("/v1/schedules", _body(file, reason, yes))
    _tell(saved, output)


def update(
    file: File,
    reason: MaybeReason = None,
    version: Annotated[
        int | None, typer.Option(min=1, help="The version that you have seen; refused (5) where it has another by now.")
    ] = None,
    yes: MeantSo = False,
    output: Output = Format.TABLE,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Make the next version of a schedule. What has run stays as it was."""
    from saga_cli.client import Client, segment

    body = _body(file, reason, yes) | ({} if version is None else {"version": version})
    with Client(server) as client:
        saved = client.put(f"/v1/schedules/{segment(_name_in(file))}", body)
    _tell(saved, output)


def list_schedules(
    status: Annotated[Status | None, typer.Option(help="Only those; deleted ones are listed only so.")] = None,
    attention: Annotated[bool, typer.Option("--attention", help="Only those that a person must look at.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most this many.")] = 500,
    output: Output = Format.TABLE,
    server: Server = DEFAULT_SERVER,
) -> None:
    """List schedules by name: when each ticks next, and what became of its ticks."""
    from saga_cli.client import Client
    from saga_cli.output import print_table
    from saga_cli.show.schedules import COLUMNS, row

    query: dict[str, Any] = {"status": None if status is None else status.value, "attention": attention or None}
    with Client(server) as client:
        items = list(client.pages("/v1/schedules", limit=limit, **query))
    names = [item["name"] for item in items]
    empty = "no schedules; `saga schedule create FILE` makes one"
    print_table(items, output, columns=COLUMNS, rows=map(row, items), ids=names, empty=empty)


def show(
    name: Name,
    file: Annotated[bool, typer.Option("--file", help="Print its file, to change and send again.")] = False,
    output: Output = Format.TABLE,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Show a schedule: how it stands, what it does now, what comes next, and who must do what."""
    from saga_cli.client import Client, segment
    from saga_cli.output import print_object
    from saga_cli.show.schedules import whole

    with Client(server) as client:
        found = client.get(f"/v1/schedules/{segment(name)}")
    if file:
        typer.echo(found["file"], nl=False)
        return
    print_object(found, output, line=whole(found), ids=[found["name"]])


def versions(
    name: Name,
    diff: Annotated[int | None, typer.Option(min=1, metavar="VERSION", help="What this version changed, line by line.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most this many.")] = 50,
    output: Output = Format.TABLE,
    server: Server = DEFAULT_SERVER,
) -> None:
    """List the versions of a schedule, newest first: who made each, when, and why."""
    from saga_cli.client import Client, segment
    from saga_cli.output import print_table
    from saga_cli.show.schedules import VERSION_COLUMNS, changed, version_row

    path = f"/v1/schedules/{segment(name)}/versions"
    with Client(server) as client:
        if diff is not None:
            after = client.get(f"{path}/{diff}")
            typer.echo(changed(client.get(f"{path}/{diff - 1}") if diff > 1 else None, after), nl=False)
            return
        items = list(client.pages(path, limit=limit))
    numbers = [item["version"] for item in items]
    print_table(items, output, columns=VERSION_COLUMNS, rows=map(version_row, items), ids=numbers, empty="no version is kept")


def pause(name: Name, reason: Reason, output: Output = Format.TABLE, server: Server = DEFAULT_SERVER) -> None:
    """Let a schedule start nothing for a while. Its sagas go on."""
    _act(server, name, "pause", reason, output, "is paused; `saga schedule resume` ends it")


def resume(name: Name, reason: Reason, output: Output = Format.TABLE, server: Server = DEFAULT_SERVER) -> None:
    """End a pause. What was missed meanwhile goes by the policy for missed ticks."""
    _act(server, name, "resume", reason, output, "goes on")


def delete(name: Name, reason: Reason, yes: Yes = False, output: Output = Format.TABLE, server: Server = DEFAULT_SERVER) -> None:
    """Let a schedule tick no more. Its sagas go on, ticks that wait are skipped, and what it ran is
    kept."""
    from saga_cli.client import Client, actor, segment
    from saga_cli.output import print_object

    sure(f"Delete the schedule {name}?", yes)
    with Client(server) as client:
        gone = client.delete(f"/v1/schedules/{segment(name)}", {"reason": reason, "actor": actor()})
    print_object(gone, output, line=f"schedule {gone['name']} is deleted", ids=[gone["name"]])


def _act(server: str, name: str, act: str, reason: str, output: Format, word: str) -> None:
    from saga_cli.client import Client, actor, segment
    from saga_cli.output import print_object

    with Client(server) as client:
        _, found = client.post(f"/v1/schedules/{segment(name)}/{act}", {"reason": reason, "actor": actor()})
    print_object(found, output, line=f"schedule {found['name']} {word}", ids=[found["name"]])


def _body(file: str, reason: str | None, yes: bool) -> dict[str, Any]:
    from saga_cli.client import actor
    from saga_cli.schedule_source import schedule_source_of

    document = _text(schedule_source_of(file).data(), file)
    body: dict[str, Any] = {"document": document, "file": file, "actor": actor(), "yes": yes}
    return body | ({} if reason is None else {"reason": reason})


def _text(data: bytes | dict[str, Any], file: str) -> str | dict[str, Any]:
    """A file's text, or the object as it is."""
    if isinstance(data, dict):
        return data
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise typer.BadParameter(f"{file} is no text in UTF-8", param_hint="FILE") from None


def _name_in(file: str) -> str:
    """The name that a file says."""
    from saga_cli.exits import CommandFailed, ExitCode
    from saga_cli.schedule_source import schedule_source_of
    from saga_coordinator.definitions.finding import Report
    from saga_coordinator.definitions.yaml_reader import read_yaml

    data = schedule_source_of(file).data()
    root = None if isinstance(data, dict) else read_yaml(data, Report(file))
    plain = data if isinstance(data, dict) else None if root is None else root.plain
    name = plain.get("schedule") if isinstance(plain, dict) else None
    if not isinstance(name, str) or not name:
        message = f"{file} says no name: `schedule: NAME`; `saga schedule lint {file}` shows all that is wrong"
        raise CommandFailed(message, ExitCode.FINDINGS)
    return name


def _tell(saved: dict[str, Any], output: Format) -> None:
    from saga_cli.client import finding_line
    from saga_cli.output import print_object
    from saga_cli.show.schedules import saved_line

    for finding in saved["findings"]:
        typer.echo(finding_line(finding), err=True)
    print_object(saved, output, line=saved_line(saved), ids=[saved["name"]])
