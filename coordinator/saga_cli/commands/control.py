"""`saga pause`, `saga resume`, `saga terminate`: what a person decides about a saga as a whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from saga_cli.commands.groups import DEFAULT_SERVER, HELP_OPTIONS, Output, Server, examples
from saga_cli.commands.sagas import SagaReference
from saga_cli.output import Format

Reason = Annotated[str, typer.Option(help="Why; kept in the audit with your login name.")]


def register(app: typer.Typer, panel: str) -> None:
    _command(app, panel, pause, 'saga pause o-17 --reason "the bank is down until ten"')
    _command(app, panel, resume, 'saga resume o-17 --reason "the bank is back"')
    _command(app, panel, terminate, 'saga terminate o-17 --reason "the warehouse burnt down, all is settled by hand"')


def _command(app: typer.Typer, panel: str, command: Callable[..., None], *lines: str) -> None:
    app.command(command.__name__, rich_help_panel=panel, context_settings=HELP_OPTIONS, epilog=examples(*lines))(command)


def pause(saga: SagaReference, reason: Reason, output: Output = Format.TABLE, server: Server = DEFAULT_SERVER) -> None:
    """Pause a saga: answers are taken, nobody is asked, and no limit counts the time."""
    _act(server, saga, "pause", reason, output, "is paused; `saga resume` ends it")


def resume(saga: SagaReference, reason: Reason, output: Output = Format.TABLE, server: Server = DEFAULT_SERVER) -> None:
    """End a saga's pause: what was due goes out now. Refused (5) where it is not paused."""
    _act(server, saga, "resume", reason, output, "goes on")


def terminate(
    saga: SagaReference,
    reason: Reason,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    output: Output = Format.TABLE,
    server: Server = DEFAULT_SERVER,
) -> None:
    """End a saga as it is. Nobody is asked any more and nothing is undone: it ends FORCED, and says
    which effects stay."""
    from saga_cli.client import Client
    from saga_cli.show.formatting import plain

    with Client(server) as client:
        saga_id = client.saga_id(saga)
        if not yes:
            said = client.get(f"/v1/sagas/{saga_id}/preview", {"act": "terminate"})["sentences"]
            typer.echo("\n".join([f"saga {saga_id}:", *(f"  {plain(line).plain}" for line in said)]), err=True)
            typer.confirm("End it as it is?", abort=True, err=True)
    _act(server, saga_id, "terminate", reason, output, "has ended as it was; `saga show` lists what is left")


def _act(server: str, saga: str, act: str, reason: str, output: Format, word: str) -> None:
    from saga_cli.client import Client, actor
    from saga_cli.output import print_object

    with Client(server) as client:
        saga_id = client.saga_id(saga)
        _, answer = client.post(f"/v1/sagas/{saga_id}/{act}", {"reason": reason, "actor": actor()})
    print_object(answer, output, line=f"saga {saga_id} {word}", ids=[saga_id])
