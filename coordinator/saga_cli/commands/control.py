"""`saga pause`, `saga resume`, `saga terminate`: what a person decides about a saga as a whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from saga_cli.commands.groups import DEFAULT_SERVER, HELP_OPTIONS, Output, Server, examples
from saga_cli.commands.sagas import SagaReference
from saga_cli.output import Format

Reason = Annotated[str, typer.Option(help="Why; kept in the audit with your login name.")]
MaybeSaga = Annotated[
    str | None, typer.Argument(metavar="SAGA", help="Its UUID, its business key, or definition/key.", show_default=False)
]
OfDefinition = Annotated[str | None, typer.Option("--definition", metavar="NAME", help="All sagas of this definition.")]
OfParticipant = Annotated[str | None, typer.Option("--participant", metavar="NAME", help="All that it is asked.")]


def register(app: typer.Typer, panel: str) -> None:
    _command(
        app,
        panel,
        pause,
        'saga pause o-17 --reason "the customer called"',
        'saga pause --participant payment --reason "the bank is down until ten"',
        'saga pause --definition order --reason "prices are wrong"',
    )
    _command(app, panel, resume, 'saga resume --participant payment --reason "the bank is back"')
    _command(app, panel, restart, 'saga restart o-17 --reason "the carrier is back"')
    _command(app, panel, terminate, 'saga terminate o-17 --reason "the warehouse burnt down, all is settled by hand"')


def _command(app: typer.Typer, panel: str, command: Callable[..., None], *lines: str) -> None:
    app.command(command.__name__, rich_help_panel=panel, context_settings=HELP_OPTIONS, epilog=examples(*lines))(command)


def pause(
    reason: Reason,
    saga: MaybeSaga = None,
    definition: OfDefinition = None,
    participant: OfParticipant = None,
    output: Output = Format.TABLE,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Pause a saga, all of a definition, or all that a participant is asked: answers are taken,
    nobody is asked, and no limit counts the time."""
    path = _one_of(saga, definition, participant)
    _act(server, saga, path, "pause", reason, output, "is paused; `saga resume` ends it")


def resume(
    reason: Reason,
    saga: MaybeSaga = None,
    definition: OfDefinition = None,
    participant: OfParticipant = None,
    output: Output = Format.TABLE,
    server: Server = DEFAULT_SERVER,
) -> None:
    """End a pause: what was due goes out now. Refused (5) where there is none."""
    path = _one_of(saga, definition, participant)
    _act(server, saga, path, "resume", reason, output, "goes on")


def _one_of(saga: str | None, definition: str | None, participant: str | None) -> str | None:
    """The path of a definition or participant; None: it is the saga."""
    if sum(one is not None for one in (saga, definition, participant)) != 1:
        raise typer.BadParameter("name one: a saga, --definition NAME, or --participant NAME", param_hint="SAGA")
    if definition is not None:
        return f"definitions/{definition}"
    return None if participant is None else f"participants/{participant}"


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
    _act(server, saga_id, None, "terminate", reason, output, "has ended as it was; `saga show` lists what is left")


def restart(saga: SagaReference, reason: Reason, output: Output = Format.TABLE, server: Server = DEFAULT_SERVER) -> None:
    """Start a finished saga anew: the active version, the same input and key. Asked again, it names
    the saga that the first restart began."""
    from saga_cli.client import Client, actor
    from saga_cli.output import print_object

    with Client(server) as client:
        saga_id = client.saga_id(saga)
        _, answer = client.post(f"/v1/sagas/{saga_id}/restart", {"reason": reason, "actor": actor()}, retry=True)
    word = "is restarted" if answer["created"] else "was restarted before"
    print_object(answer, output, line=f"saga {saga_id} {word} as {answer['id']}", ids=[answer["id"]])


def _act(server: str, saga: str | None, path: str | None, act: str, reason: str, output: Format, word: str) -> None:
    from saga_cli.client import Client, actor, segment
    from saga_cli.output import print_object

    with Client(server) as client:
        if path is None:
            name = client.saga_id(saga or "")
            at, what = f"/v1/sagas/{name}", f"saga {name}"
        else:
            noun, _, name = path.partition("/")
            at, what = f"/v1/{noun}/{segment(name)}", f"{noun.removesuffix('s')} {name}"
        _, answer = client.post(f"{at}/{act}", {"reason": reason, "actor": actor()})
    print_object(answer, output, line=f"{what} {word}", ids=[name])
