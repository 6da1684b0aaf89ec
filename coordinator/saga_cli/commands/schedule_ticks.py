"""`saga schedule ticks`, `trigger`, `backfill`, `backfills`, `stop-backfill`: what became of ticks,
and ticks by hand."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from saga_cli.commands.asking import Yes, sure
from saga_cli.commands.groups import DEFAULT_SERVER, HELP_OPTIONS, Output, Server, examples
from saga_cli.output import Format

_OVERLAP = "skip, queue_one, queue_all:N, allow:N, cancel_other or terminate_other"
_TIME = "a time as 2027-03-27T00:00:00Z, or a day in the schedule's zone"
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the schedule.", show_default=False)]
Reason = Annotated[str, typer.Option(help="Why; kept in the audit with your login name.")]
Backfill = Annotated[str, typer.Argument(metavar="BACKFILL", help="As `saga schedule backfills` shows it.", show_default=False)]
Limit = Annotated[int, typer.Option(min=1, max=100_000, help="At most this many.")]


def register(noun: typer.Typer) -> None:
    for name, command, lines in (
        ("ticks", ticks, ("saga schedule ticks settlement", "saga schedule ticks settlement --limit 1000 -o json")),
        ("trigger", trigger, ('saga schedule trigger settlement --reason "the file came late"',)),
        (
            "backfill",
            backfill,
            (
                "saga schedule backfill settlement --from 2027-03-01 --until 2027-03-07 --dry-run",
                'saga schedule backfill settlement --from 2027-03-01 --until 2027-03-07 --rate 10 --reason "the bank was down"',
            ),
        ),
        ("backfills", backfills, ("saga schedule backfills settlement",)),
        ("stop-backfill", stop_backfill, ('saga schedule stop-backfill 0198c1a2-… --reason "enough"',)),
    ):
        noun.command(name, context_settings=HELP_OPTIONS, epilog=examples(*lines))(command)


def ticks(name: Name, limit: Limit = 50, output: Output = Format.TABLE, server: Server = DEFAULT_SERVER) -> None:
    """List what became of a schedule's ticks, newest first: fired, queued, skipped, missed or
    failed, and why."""
    from saga_cli.client import Client, segment
    from saga_cli.output import print_table
    from saga_cli.show.schedules import TICK_COLUMNS, tick_id, tick_row

    with Client(server) as client:
        items = list(client.pages(f"/v1/schedules/{segment(name)}/ticks", limit=limit))
    ids = [tick_id(item) for item in items]
    print_table(items, output, columns=TICK_COLUMNS, rows=map(tick_row, items), ids=ids, empty="no tick was decided yet")


def trigger(
    name: Name,
    reason: Reason,
    overlap: Annotated[
        str | None, typer.Option(metavar="POLICY", help=f"While a saga of it is open: {_OVERLAP}; by default its own.")
    ] = None,
    output: Output = Format.TABLE,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Run a schedule now, besides its calendar. Ends 5 where the tick was skipped or failed."""
    from saga_cli.client import Client, actor, segment
    from saga_cli.exits import ExitCode
    from saga_cli.output import print_object
    from saga_cli.show.schedules import tick_id, tick_line

    body: dict[str, Any] = {"reason": reason, "actor": actor()} | ({} if overlap is None else {"overlap": overlap})
    with Client(server) as client:
        _, tick = client.post(f"/v1/schedules/{segment(name)}/trigger", body)
    print_object(tick, output, line=tick_line(tick), ids=[tick_id(tick)])
    if tick["outcome"] not in ("fired", "queued"):
        raise typer.Exit(ExitCode.REFUSED)


def backfill(
    name: Name,
    begin: Annotated[str, typer.Option("--from", metavar="TIME", help=f"The first instant: {_TIME}.", show_default=False)],
    until: Annotated[str, typer.Option(metavar="TIME", help="The last instant; of a day, its end.", show_default=False)],
    reason: Annotated[
        str | None, typer.Option(help="Why; kept in the audit with your login name. Needed but for a dry run.")
    ] = None,
    overlap: Annotated[
        str, typer.Option(metavar="POLICY", help=f"While a saga of it is open: {_OVERLAP}; with those that queue it waits.")
    ] = "queue_one",
    rate: Annotated[int, typer.Option(min=1, max=6_000, help="Ticks a minute, at most.")] = 60,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many ticks there are.")] = False,
    yes: Yes = False,
    output: Output = Format.TABLE,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Run a range of past ticks, at a rate. A tick that has fired does not run again.

    The coordinator goes on by itself; `saga schedule backfills` says how far it is.
    """
    from saga_cli.client import Client, actor, segment
    from saga_cli.output import print_object
    from saga_cli.show.schedules import backfill_made, counted

    if reason is None and not dry_run:
        raise typer.BadParameter("say why", param_hint="--reason")
    body = {"from": begin, "until": until, "overlap": overlap, "per_minute": rate, "reason": reason or "dry run"}
    path = f"/v1/schedules/{segment(name)}/backfills"
    with Client(server) as client:
        _, found = client.post(path, {**body, "actor": actor(), "dry_run": True}, retry=True)
        if dry_run:
            print_object(found, output, line=counted(name, found), ids=[])
            return
        if not yes:
            typer.echo(counted(name, found), err=True)
        sure("Run them?", yes)
        _, made = client.post(path, {**body, "actor": actor()})
    print_object(made, output, line=backfill_made(name, made), ids=[made["id"]])


def backfills(name: Name, limit: Limit = 50, output: Output = Format.TABLE, server: Server = DEFAULT_SERVER) -> None:
    """List the backfills of a schedule, newest first: the one that runs, and those of the past."""
    from saga_cli.client import Client, segment
    from saga_cli.output import print_table
    from saga_cli.show.schedules import BACKFILL_COLUMNS, backfill_row

    with Client(server) as client:
        items = list(client.pages(f"/v1/schedules/{segment(name)}/backfills", limit=limit))
    ids = [item["id"] for item in items]
    print_table(items, output, columns=BACKFILL_COLUMNS, rows=map(backfill_row, items), ids=ids, empty="no backfills")


def stop_backfill(backfill: Backfill, reason: Reason, output: Output = Format.TABLE, server: Server = DEFAULT_SERVER) -> None:
    """Let a backfill run no more ticks. What it has started goes on."""
    from saga_cli.client import Client, actor, segment
    from saga_cli.output import print_object
    from saga_cli.show.schedules import backfill_stopped

    with Client(server) as client:
        _, found = client.post(f"/v1/backfills/{segment(backfill)}/stop", {"reason": reason, "actor": actor()})
    print_object(found, output, line=backfill_stopped(found), ids=[found["id"]])
