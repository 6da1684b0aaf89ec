"""`saga confirm list|yes|no`: acts that wait for a second person."""

from __future__ import annotations

from typing import Annotated

import typer

from saga_cli.commands.groups import DEFAULT_SERVER, HELP_OPTIONS, Output, Server, examples, group
from saga_cli.output import Format

Confirmation = Annotated[str, typer.Argument(metavar="CONFIRMATION", help="As `saga confirm list` shows it.", show_default=False)]
Reason = Annotated[str, typer.Option(help="Why; kept in the audit with your login name.")]


def register(app: typer.Typer, panel: str) -> None:
    made = group(app, "confirm", "Acts that wait for a second person.", panel)
    made.command("list", context_settings=HELP_OPTIONS, epilog=examples("saga confirm list", "saga confirm list --all"))(
        list_confirmations
    )
    made.command(
        "yes", context_settings=HELP_OPTIONS, epilog=examples('saga confirm yes 0198c1a2-… --reason "I saw the receipt"')
    )(yes)
    made.command(
        "no", context_settings=HELP_OPTIONS, epilog=examples('saga confirm no 0198c1a2-… --reason "the bank says otherwise"')
    )(no)


def list_confirmations(
    settled: Annotated[bool, typer.Option("--all", help="Also those that are settled, or whose time is over.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most this many.")] = 50,
    output: Output = Format.TABLE,
    server: Server = DEFAULT_SERVER,
) -> None:
    """List acts that wait for a second person, newest first."""
    from saga_cli.client import Client
    from saga_cli.output import print_table
    from saga_cli.show.batches import CONFIRMATION_COLUMNS, confirmation_row

    with Client(server) as client:
        items = list(client.pages("/v1/confirmations", limit=limit, pending="false" if settled else "true"))
    print_table(
        items,
        output,
        columns=CONFIRMATION_COLUMNS,
        rows=map(confirmation_row, items),
        ids=[item["id"] for item in items],
        empty="nothing waits for a second person",
    )


def yes(confirmation: Confirmation, reason: Reason, output: Output = Format.TABLE, server: Server = DEFAULT_SERVER) -> None:
    """Have an act done that somebody else asked for."""
    _settle(server, confirmation, "confirm", reason, output)


def no(confirmation: Confirmation, reason: Reason, output: Output = Format.TABLE, server: Server = DEFAULT_SERVER) -> None:
    """Let an act not be done; also one that you asked for yourself."""
    _settle(server, confirmation, "refuse", reason, output)


def _settle(server: str, confirmation: str, word: str, reason: str, output: Format) -> None:
    from saga_cli.client import Client, actor, segment
    from saga_cli.output import print_object
    from saga_cli.show.batches import confirmation_line

    with Client(server) as client:
        _, found = client.post(f"/v1/confirmations/{segment(confirmation)}/{word}", {"reason": reason, "actor": actor()})
    print_object(found, output, line=confirmation_line(found), ids=[found["id"]])
