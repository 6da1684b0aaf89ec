"""`saga start-time`: a saga that waits for its start time begins at another."""

from __future__ import annotations

from typing import Annotated

import typer

from saga_cli.commands.groups import DEFAULT_SERVER, HELP_OPTIONS, Output, Server, examples
from saga_cli.commands.sagas import SagaReference
from saga_cli.output import Format

At = Annotated[str | None, typer.Option("--at", metavar="TIME", help="When it begins, as 2027-01-01T09:30:00Z.")]
In = Annotated[str | None, typer.Option("--in", metavar="DURATION", help="The same from now on, as 30s, 10m, 2h or 1d.")]


def register(app: typer.Typer, panel: str) -> None:
    app.command(
        "start-time",
        rich_help_panel=panel,
        context_settings=HELP_OPTIONS,
        epilog=examples(
            'saga start-time o-17 --at 2027-01-01T09:30:00Z --reason "the warehouse opens later"',
            'saga start-time o-17 --in 0s --reason "the customer came early"',
        ),
    )(start_time)


def start_time(
    saga: SagaReference,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit with your login name.")],
    at: At = None,
    after: In = None,
    output: Output = Format.TABLE,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Move the start of a saga that has not begun: at once where the time has passed. Refused (5)
    once it has begun."""
    from saga_cli.client import Client, actor
    from saga_cli.output import print_object

    asked = start_asked(at, after)
    if not asked:
        raise typer.BadParameter("give one: --at TIME or --in DURATION", param_hint="--at")
    with Client(server) as client:
        saga_id = client.saga_id(saga)
        _, answer = client.post(f"/v1/sagas/{saga_id}/start-time", {**asked, "reason": reason, "actor": actor()})
    moved = f"saga {saga_id} begins {start_words(at, after)}" if answer["phase"] == "SCHEDULED" else f"saga {saga_id} begins now"
    print_object(answer, output, line=moved, ids=[saga_id])


def start_asked(at: str | None, after: str | None) -> dict[str, str]:
    """Return the fields of a request that say when a saga begins; none where it begins at once.

    Raises:
        typer.BadParameter: Both were given.
    """
    if at is not None and after is not None:
        raise typer.BadParameter("give --at or --in, not both", param_hint="--in")
    return {"start_at": at} if at is not None else {"start_in": after} if after is not None else {}


def start_words(at: str | None, after: str | None) -> str:
    """Return when that is, as it was given."""
    return f"at {at}" if at is not None else f"in {after}"
