"""`saga view list|save|remove`: queries with a name."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from saga_cli.commands.groups import DEFAULT_SERVER, HELP_OPTIONS, Output, Server, examples, group
from saga_cli.output import Format

Name = Annotated[str, typer.Argument(help="The view's name.", show_default=False)]


def register(app: typer.Typer, panel: str) -> None:
    views = group(app, "view", "Saved views: queries with a name.", panel)
    views.command("list", context_settings=HELP_OPTIONS, epilog=examples("saga view list", "saga list --view stuck"))(list_views)
    views.command(
        "save",
        context_settings=HELP_OPTIONS,
        epilog=examples("saga view save stuck 'definition = order and attention' --column key --column reason"),
    )(save)
    views.command("remove", context_settings=HELP_OPTIONS, epilog=examples("saga view remove stuck --reason unused"))(remove)


def list_views(output: Output = Format.TABLE, server: Server = DEFAULT_SERVER) -> None:
    """List the saved views by name."""
    from saga_cli.client import Client
    from saga_cli.output import print_table
    from saga_cli.show.formatting import ago, plain

    with Client(server) as client:
        items = client.get("/v1/views")["items"]
    rows = [
        [plain(one["name"]), plain(one["query"] or "all"), plain(one["saved_by"]), plain(f"{ago(one['saved_at'])} ago")]
        for one in items
    ]
    names = [one["name"] for one in items]
    print_table(items, output, columns=("NAME", "QUERY", "BY", "SAVED"), rows=rows, ids=names, empty="no view is saved")


def save(
    name: Name,
    query: Annotated[str, typer.Argument(help="The query; empty for all sagas.", show_default=False)],
    column: Annotated[list[str] | None, typer.Option(help="A field or label its list shows; may be given again.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why; kept in the audit with your login name.")] = None,
    output: Output = Format.TABLE,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Save a view, over the one of its name."""
    from saga_cli.client import Client, actor, segment
    from saga_cli.output import print_object

    body: dict[str, Any] = {"query": query, "columns": column or [], "actor": actor()}
    with Client(server) as client:
        saved = client.put(f"/v1/views/{segment(name)}", body | ({"reason": reason} if reason else {}))
    print_object(saved, output, line=f"saved; `saga list --view '{saved['name']}'` lists its sagas", ids=[saved["name"]])


def remove(
    name: Name,
    reason: Annotated[str | None, typer.Option(help="Why; kept in the audit with your login name.")] = None,
    output: Output = Format.TABLE,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Remove a view."""
    from saga_cli.client import Client, actor, segment
    from saga_cli.output import print_object

    with Client(server) as client:
        gone = client.delete(f"/v1/views/{segment(name)}", {"actor": actor()} | ({"reason": reason} if reason else {}))
    print_object(gone, output, line="removed", ids=[gone["name"]])
