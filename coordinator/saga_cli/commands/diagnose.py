"""`saga diagnose`: why a saga does not move, or looks wrong."""

from __future__ import annotations

import typer

from saga_cli.commands.groups import DEFAULT_SERVER, HELP_OPTIONS, Output, Server, examples
from saga_cli.commands.sagas import SagaReference
from saga_cli.exits import ExitCode
from saga_cli.output import Format


def register(app: typer.Typer, panel: str) -> None:
    app.command(
        "diagnose",
        rich_help_panel=panel,
        context_settings=HELP_OPTIONS,
        epilog=examples("saga diagnose o-17", "saga diagnose order/o-17 -o json"),
    )(diagnose)


def diagnose(saga: SagaReference, output: Output = Format.TABLE, server: Server = DEFAULT_SERVER) -> None:
    """Say why a saga does not move, or looks wrong: what was found, its cause, the way out, and the
    section of docs/operations.md that says more.

    Exits 1 where something was found. -o ids prints the names of the checks that found it.
    """
    from saga_cli.client import Client
    from saga_cli.output import console, print_ids, print_json
    from saga_cli.show.diagnosis import diagnosis_lines

    with Client(server) as client:
        found = client.get(f"/v1/sagas/{client.saga_id(saga)}/diagnosis")
    if output is Format.JSON:
        print_json(found)
    elif output is Format.IDS:
        print_ids(dict.fromkeys(line["check"] for line in found["lines"] if line["verdict"] == "found"))
    else:
        for line in diagnosis_lines(found):
            console().print(line)
    if found["found"]:
        raise typer.Exit(ExitCode.FINDINGS)
