"""`saga purge`: finished sagas are removed before their time."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from saga_cli.commands.groups import DEFAULT_SERVER, HELP_OPTIONS, Output, Server, examples
from saga_cli.output import Format


def register(app: typer.Typer, panel: str) -> None:
    app.command(
        "purge",
        rich_help_panel=panel,
        context_settings=HELP_OPTIONS,
        epilog=examples(
            "saga purge --definition order --before 90d --dry-run",
            'saga purge --definition order@1 --before 2026-05-01T00:00:00Z --reason "the trial is over" --yes',
        ),
    )(purge)


def purge(
    definition: Annotated[str, typer.Option(metavar="NAME[@VERSION]", help="Only its sagas; without a version those of all.")],
    before: Annotated[
        str, typer.Option(metavar="TIME|AGE", help="Sagas that ended before then: 2026-05-01T00:00:00Z, or 90d ago.")
    ],
    reason: Annotated[str, typer.Option(help="Why; kept in the audit with your login name.")] = "saga purge",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say how many there are and show some; remove nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    output: Output = Format.TABLE,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Remove finished sagas with all that belongs to them: journals, request ids, business keys.

    Open sagas stay, and those with messages to publish or spans to send, and those that the horizon
    does not let go yet. What is removed cannot be brought back; where an archive is configured, it
    has them first.
    """
    from saga_cli.client import Client, actor
    from saga_cli.output import print_object

    name, version = _reference(definition)
    body = {"definition": name, "version": version, "before": before, "reason": reason, "actor": actor()}
    with Client(server) as client:
        _, found = client.post("/v1/retention/purge", {**body, "dry_run": True})
        if dry_run or not found["found"]:
            print_object(found, output, line=_found(definition, found), ids=[saga["id"] for saga in found["sample"]])
            return
        _confirm(definition, found, yes)
        done = _run(client, {**body, "before": found["before"]})
    print_object(done, output, line=_done(definition, done), ids=[])


def _run(client: Any, body: dict[str, object]) -> dict[str, Any]:
    """Ask until nothing more is removed."""
    removed = rows = 0
    while True:
        _, answer = client.post("/v1/retention/purge", body)
        removed, rows = removed + answer["removed"], rows + answer["rows"]
        if not answer["more"]:
            return {**answer, "removed": removed, "rows": rows}


def _reference(text: str) -> tuple[str, int | None]:
    from saga_schemas.ids import valid_definition_ref

    reference = valid_definition_ref(text)
    if reference is None:
        raise typer.BadParameter("write NAME or NAME@VERSION", param_hint="--definition")
    return reference


def _confirm(definition: str, found: dict[str, Any], yes: bool) -> None:
    from saga_cli.exits import CommandFailed, ExitCode

    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandFailed("nothing was removed: add --yes, or run it on a terminal", ExitCode.USAGE)
    print(_found(definition, found), file=sys.stderr)
    if not typer.confirm("Remove them?", default=False, err=True):
        raise CommandFailed("nothing was removed", ExitCode.REFUSED)


def _found(definition: str, found: dict[str, Any]) -> str:
    count = found["found"]
    least = "at least " if count >= 100_000 else ""
    lines = [f"{least}{count} finished sagas of {definition} ended before {found['before']}"]
    lines += [f"  {saga['id']}  {saga['key'] or ''}  {saga['phase']}  {saga['closed_at']}" for saga in found["sample"]]
    if count > len(found["sample"]):
        lines.append("  …")
    return "\n".join([*lines, *_waiting(found)])


def _done(definition: str, done: dict[str, Any]) -> str:
    line = f"removed {done['removed']} finished sagas of {definition} that ended before {done['before']}, {done['rows']} rows"
    held = ", ".join(f"{count} {why}" for why, count in sorted(done["held"].items()))
    return "\n".join([line, *([f"left for now: {held}"] if held else []), *_waiting(done)])


def _waiting(answer: dict[str, Any]) -> list[str]:
    """A line about what the horizon does not let go yet."""
    if not answer["waiting"]:
        return []
    until = f"until about {answer['waiting_until']}" if answer["waiting_until"] else "until it rises: `saga list participants`"
    return [f"{answer['waiting']} of them wait for the horizon, {until}: a backup of before may still be restored"]
