"""`saga audit`: who did what, and why."""

from __future__ import annotations

from typing import Annotated

import typer

from saga_cli.commands.groups import DEFAULT_SERVER, HELP_OPTIONS, Output, Server, examples
from saga_cli.output import Format


def register(app: typer.Typer, panel: str) -> None:
    app.command(
        "audit",
        rich_help_panel=panel,
        context_settings=HELP_OPTIONS,
        epilog=examples("saga audit", "saga audit --act waive --who ada", "saga audit --target order@3 -o json"),
    )(list_acts)


def list_acts(
    act: Annotated[str | None, typer.Option(help="Only acts that begin so, as retry.")] = None,
    target: Annotated[str | None, typer.Option(help="Only acts on what begins so: a saga's UUID, order@3, a subject.")] = None,
    who: Annotated[str | None, typer.Option(help="Only acts of this person.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most this many, newest first.")] = 50,
    output: Output = Format.TABLE,
    server: Server = DEFAULT_SERVER,
) -> None:
    """List what operators did, newest first: who, to what, and why."""
    from saga_cli.client import Client
    from saga_cli.output import print_table
    from saga_cli.show.audit import COLUMNS, row

    with Client(server) as client:
        items = list(client.pages("/v1/audit", limit=limit, act=act, target=target, who=who))
    print_table(items, output, columns=COLUMNS, rows=map(row, items), ids=[item["id"] for item in items], empty="no act matches")
