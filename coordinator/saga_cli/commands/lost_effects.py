"""`saga recover adopt|undo|keep|skip-participant`: what is done about effects that no saga owns.

A coordinator runs meanwhile, and does it.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from saga_cli.commands.groups import DEFAULT_SERVER, HELP_OPTIONS, Output, Server, examples
from saga_cli.output import Format

Saga = Annotated[str, typer.Argument(help="Id of the lost saga, as `saga recover orphans` has it.", show_default=False)]
Step = Annotated[str, typer.Argument(help="Name of the step whose effect it is.", show_default=False)]
Definition = Annotated[
    str, typer.Option("--definition", metavar="NAME[@VERSION]", help="Its definition; without a version the active one.")
]
Reason = Annotated[str, typer.Option(help="Why; kept in the audit with your login name.")]


def add(made: typer.Typer) -> None:
    """Add them to `saga recover`."""
    id = "0198c1a2-7b3e-7d2a-9f00-5c1e2d3f4a5b"
    made.command(
        "adopt",
        context_settings=HELP_OPTIONS,
        epilog=examples(f'saga recover adopt {id} --definition order@1 --input @order.json --reason "the order is good"'),
    )(adopt)
    made.command(
        "undo",
        context_settings=HELP_OPTIONS,
        epilog=examples(
            f'saga recover undo {id} charge --definition order@1 --reason "the shop started it again"',
            f"""saga recover undo {id} charge --definition order --command '{{"order_id": "o-17"}}' --reason "started again\"""",
        ),
    )(undo)
    made.command(
        "keep", context_settings=HELP_OPTIONS, epilog=examples(f'saga recover keep {id} charge --reason "the parcel has left"')
    )(keep)
    made.command(
        "skip-participant",
        context_settings=HELP_OPTIONS,
        epilog=examples('saga recover skip-participant fax --reason "shut down in May, its tables are gone"'),
    )(skip_participant)


def adopt(
    saga: Saga,
    definition: Definition,
    input: Annotated[
        str,
        typer.Option("--input", "-i", metavar="JSON|@FILE|-", help="What it was started with: JSON, a file, or standard input."),
    ],
    reason: Reason,
    output: Output = Format.TABLE,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Let a lost saga begin again under its id. Its participants answer from what they remember.

    So what is done is not done again, and the rest is done now. `saga cancel` undoes it after that.
    """
    from saga_cli.client import segment
    from saga_cli.commands.start import read_input

    body = {**_definition(definition), "input": read_input(input), "reason": reason}
    line = f"{saga} goes on; `saga show {saga}` tells what became of it"
    _post(server, f"/v1/lost-effects/{segment(saga)}/adopt", body, output, line, saga)


def undo(
    saga: Saga,
    step: Step,
    definition: Definition,
    reason: Reason,
    command: Annotated[
        str, typer.Option(metavar="JSON|@FILE|-", help="Fields of the compensation that the participant's row does not hold.")
    ] = "{}",
    output: Output = Format.TABLE,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Undo one effect of a lost saga: its participant gets the compensation, until it answers.

    Fields that its row holds, by the same name and type, need not be given.
    """
    from saga_cli.client import segment
    from saga_cli.commands.start import read_input

    given = read_input(command, "--command", "fields of the compensation")
    body = {**_definition(definition), "command": given, "reason": reason}
    line = f"step {step} of {saga} is being undone; `saga recover orphans` has it until then"
    _post(server, f"/v1/lost-effects/{segment(saga)}/steps/{segment(step)}/undo", body, output, line, saga)


def keep(saga: Saga, step: Step, reason: Reason, output: Output = Format.TABLE, server: Server = DEFAULT_SERVER) -> None:
    """Keep one effect of a lost saga, or say that it was undone by hand: it leaves the list."""
    from saga_cli.client import segment

    line = f"step {step} of {saga} stays as it is"
    _post(server, f"/v1/lost-effects/{segment(saga)}/steps/{segment(step)}/keep", {"reason": reason}, output, line, saga)


def skip_participant(
    name: Annotated[str, typer.Argument(help="A participant that no longer exists.", show_default=False)],
    reason: Reason,
    yes: Annotated[bool, typer.Option("--yes", help="Without asking first.")] = False,
    output: Output = Format.TABLE,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Do not wait for a participant's rows any more.

    Effects that it holds for lost sagas are then on no list, and its memory of them may go.
    """
    from saga_cli.client import segment

    if not yes:
        risk = f"What {name} holds for lost sagas will be on no list, and nobody will undo it. Skip it?"
        typer.confirm(risk, abort=True, err=True)
    _post(server, f"/v1/sweeps/{segment(name)}/skip", {"reason": reason}, output, f"{name} is not asked any more", name)


def _definition(text: str) -> dict[str, Any]:
    from saga_schemas.ids import valid_definition_ref

    reference = valid_definition_ref(text)
    if reference is None:
        raise typer.BadParameter("write NAME or NAME@VERSION", param_hint="--definition")
    name, version = reference
    return {"definition": name} if version is None else {"definition": name, "version": version}


def _post(server: str, path: str, body: dict[str, Any], output: Format, line: str, id: str) -> None:
    from saga_cli.client import Client, actor
    from saga_cli.output import print_object

    with Client(server) as client:
        _, answer = client.post(path, {**body, "actor": actor()})
    print_object(answer, output, line=line, ids=[id])
