"""`saga dlq list|show|redrive`: messages that could not be read."""

from __future__ import annotations

from typing import Annotated

import typer

from saga_cli.commands.groups import DEFAULT_SERVER, HELP_OPTIONS, Output, Server, examples, group
from saga_cli.output import Format


def register(app: typer.Typer, panel: str) -> None:
    dlq = group(app, "dlq", "Messages the coordinator could not read.", panel)
    dlq.command("list", context_settings=HELP_OPTIONS, epilog=examples("saga dlq list", "saga dlq list -o ids"))(list_letters)
    dlq.command(
        "show", context_settings=HELP_OPTIONS, epilog=examples("saga dlq show 0198c1a2-…", "saga dlq show 0198c1a2-… -o json")
    )(show_letter)
    dlq.command(
        "redrive",
        context_settings=HELP_OPTIONS,
        epilog=examples('saga dlq redrive 0198c1a2-… --reason "the definition is registered now"'),
    )(redrive)


def redrive(
    letters: Annotated[list[str], typer.Argument(metavar="ID…", help="As `saga dlq list` shows them.", show_default=False)],
    reason: Annotated[str, typer.Option(help="Why; kept in the audit with your login name.")],
    again: Annotated[bool, typer.Option("--again", help="Also a letter that was sent again before, or may have been.")] = False,
    output: Output = Format.TABLE,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Send dead letters again to where they came from: their very bytes, each once.

    First mend what made them unreadable: register the definition or the schema, or upgrade.
    """
    from saga_cli.client import Client, actor, segment
    from saga_cli.output import print_object

    with Client(server) as client:
        for letter in letters:
            body = {"reason": reason, "actor": actor(), "again": again}
            _, sent = client.post(f"/v1/dead-letters/{segment(letter)}/redrive", body)
            print_object(sent, output, line=f"{letter} was sent again at {sent['sent_at']}", ids=[letter])


def list_letters(
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most this many.")] = 50,
    output: Output = Format.TABLE,
    server: Server = DEFAULT_SERVER,
) -> None:
    """List dead letters, newest first: where each came from, and why it could not be read."""
    from saga_cli.client import Client
    from saga_cli.output import print_table
    from saga_cli.show.dead_letter import COLUMNS, row

    with Client(server) as client:
        items = list(client.pages("/v1/dead-letters", limit=limit))
    print_table(items, output, columns=COLUMNS, rows=map(row, items), ids=[item["id"] for item in items], empty="no dead letters")


def show_letter(
    letter: Annotated[str, typer.Argument(metavar="ID", help="As `saga dlq list` shows it.", show_default=False)],
    output: Output = Format.TABLE,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Show one dead letter whole: reason, headers, key and payload as they came."""
    from saga_cli.client import Client, segment
    from saga_cli.output import print_object
    from saga_cli.show.dead_letter import whole

    with Client(server) as client:
        found = client.get(f"/v1/dead-letters/{segment(letter)}")
    print_object(found, output, line=whole(found), ids=[found["id"]])
