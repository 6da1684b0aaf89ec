"""`saga batch`: one act on all sagas that a query matches; `saga batch list|show|stop`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from saga_cli.commands.groups import DEFAULT_SERVER, HELP_OPTIONS, Output, Server, examples, group
from saga_cli.output import Format

Query = Annotated[str, typer.Argument(metavar="QUERY", help="Which sagas, as `saga list` takes it.", show_default=False)]
Reason = Annotated[str, typer.Option(help="Why; kept in the audit with your login name.")]
Batch = Annotated[str, typer.Argument(metavar="BATCH", help="As `saga batch list` shows it.", show_default=False)]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say how many there are, and what the act would do to some of them; change nothing.")
]
Rate = Annotated[int, typer.Option(min=1, max=200, help="Sagas a second, at most.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

ACTS = {
    "cancel": "Cancel all sagas that match: what was done is undone.",
    "retry": "Ask all stuck and silent steps of the sagas that match again, now.",
    "pause": "Pause all sagas that match: replies are applied, and nobody is asked.",
    "resume": "Resume all sagas that match and are paused themselves.",
    "restart": "Start all finished sagas that match anew, each once, with the same input.",
    "terminate": "End all sagas that match as they are: what was done stays, and each ends FORCED.",
}
"""The acts that a coordinator has, each with its help."""


def register(app: typer.Typer, panel: str) -> None:
    made = group(app, "batch", "One act on all sagas that a query matches, at a rate.", panel)
    for act, summary in ACTS.items():
        made.command(
            act,
            help=f"{summary}\n\nThe coordinator goes on by itself; `saga batch show` says how far it is. Sagas that start later"
            " are left alone, and one that refuses the act is counted and passed.",
            context_settings=HELP_OPTIONS,
            epilog=examples(
                f"saga batch {act} 'definition = order and started > -1h' --dry-run",
                f"saga batch {act} 'definition = order and started > -1h' --rate 5 --reason \"wrong prices until 12:40\"",
            ),
        )(_command(act))
    made.command("list", context_settings=HELP_OPTIONS, epilog=examples("saga batch list"))(list_batches)
    made.command("show", context_settings=HELP_OPTIONS, epilog=examples("saga batch show 0198c1a2-…"))(show)
    made.command(
        "stop", context_settings=HELP_OPTIONS, epilog=examples('saga batch stop 0198c1a2-… --reason "the prices were right"')
    )(stop)


def _command(act: str) -> Callable[..., None]:
    def run(
        query: Query,
        reason: Annotated[
            str | None, typer.Option(help="Why; kept in the audit with your login name, for each saga. Needed but for a dry run.")
        ] = None,
        dry_run: DryRun = False,
        rate: Rate = 20,
        yes: Yes = False,
        output: Output = Format.TABLE,
        server: Server = DEFAULT_SERVER,
    ) -> None:
        if reason is None and not dry_run:
            raise typer.BadParameter("say why", param_hint="--reason")
        _make(server, {"act": act, "query": query, "rate": rate, "reason": reason or "dry run"}, dry_run, yes, output)

    return run


def _make(server: str, body: dict[str, Any], dry_run: bool, yes: bool, output: Format) -> None:
    from saga_cli.client import Client, actor
    from saga_cli.output import print_object
    from saga_cli.show.batches import made, preview

    with Client(server) as client:
        body = {**body, "actor": actor()}
        _, found = client.post("/v1/batches", {**body, "dry_run": True}, retry=True)
        if dry_run:
            print_object(found, output, line=preview(found), ids=[saga["id"] for saga in found["sample"]])
            return
        _confirm(found, body["act"], yes)
        _, batch = client.post("/v1/batches", body)
    print_object(batch, output, line=made(batch), ids=[batch["id"]])


def _confirm(found: dict[str, Any], act: str, yes: bool) -> None:
    from saga_cli.exits import CommandFailed, ExitCode
    from saga_cli.show.batches import print_preview

    if yes or not found["found"]:
        return
    if not sys.stdin.isatty():
        raise CommandFailed("nothing was done: add --yes, or run it on a terminal", ExitCode.USAGE)
    print_preview(found)
    if not typer.confirm(f"{act.capitalize()} them?", default=False, err=True):
        raise CommandFailed("nothing was done", ExitCode.REFUSED)


def list_batches(
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most this many.")] = 50,
    output: Output = Format.TABLE,
    server: Server = DEFAULT_SERVER,
) -> None:
    """List batches, newest first: those that run, and those of the past."""
    from saga_cli.client import Client
    from saga_cli.output import print_table
    from saga_cli.show.batches import COLUMNS, row

    with Client(server) as client:
        items = list(client.pages("/v1/batches", limit=limit))
    print_table(items, output, columns=COLUMNS, rows=map(row, items), ids=[item["id"] for item in items], empty="no batches")


def show(batch: Batch, output: Output = Format.TABLE, server: Server = DEFAULT_SERVER) -> None:
    """Show how far a batch is, and why sagas refused its act."""
    from saga_cli.client import Client, segment
    from saga_cli.output import print_object
    from saga_cli.show.batches import whole

    with Client(server) as client:
        found = client.get(f"/v1/batches/{segment(batch)}")
    print_object(found, output, line=whole(found), ids=[found["id"]])


def stop(batch: Batch, reason: Reason, output: Output = Format.TABLE, server: Server = DEFAULT_SERVER) -> None:
    """Let a batch do nothing more. What it has done stays."""
    from saga_cli.client import Client, actor, segment
    from saga_cli.output import print_object
    from saga_cli.show.batches import whole

    with Client(server) as client:
        _, found = client.post(f"/v1/batches/{segment(batch)}/stop", {"reason": reason, "actor": actor()})
    print_object(found, output, line=whole(found), ids=[found["id"]])
