"""`saga step retry|waive`: a person mends a step that is stuck."""

from __future__ import annotations

from typing import Annotated

import typer

from saga_cli.commands.groups import DEFAULT_SERVER, HELP_OPTIONS, Output, Server, examples, group
from saga_cli.commands.sagas import SagaReference
from saga_cli.output import Format

Step = Annotated[str, typer.Argument(help="Name of the step.", show_default=False)]
Reason = Annotated[str, typer.Option(help="Why; kept in the audit with your login name.")]


def register(app: typer.Typer, panel: str) -> None:
    step = group(app, "step", "Mend a step that needs a person.", panel)
    step.command("retry", context_settings=HELP_OPTIONS, epilog=examples('saga step retry o-17 charge --reason "bank is back"'))(
        retry
    )
    step.command(
        "waive",
        context_settings=HELP_OPTIONS,
        epilog=examples(
            'saga step waive o-17 charge --evidence "refunded by hand, receipt 4711" --reason "bank closed the account"'
        ),
    )(waive)


def retry(
    saga: SagaReference, step: Step, reason: Reason, output: Output = Format.TABLE, server: Server = DEFAULT_SERVER
) -> None:
    """Ask a step's participant again, now."""
    _act(server, saga, step, "retry", {"reason": reason}, output, "asked again")


def waive(
    saga: SagaReference,
    step: Step,
    evidence: Annotated[str, typer.Option(help="What shows that the step needs nothing more, such as a receipt.")],
    reason: Annotated[str | None, typer.Option(help="Why; kept in the audit with your login name.")] = None,
    unsafe: Annotated[
        bool, typer.Option("--unsafe", help="Without asking the participant first whether it happened; for a conflict.")
    ] = False,
    output: Output = Format.TABLE,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Let a saga go on without a step's answer. The saga will end FORCED, with your evidence."""
    body: dict[str, object] = {"evidence": evidence, "unsafe": unsafe}
    if reason is not None:
        body["reason"] = reason
    _act(server, saga, step, "waive", body, output, "being waived")


def _act(server: str, saga: str, step: str, act: str, body: dict[str, object], output: Format, word: str) -> None:
    from saga_cli.client import Client, actor, segment
    from saga_cli.output import print_object

    with Client(server) as client:
        saga_id = client.saga_id(saga)
        _, answer = client.post(f"/v1/sagas/{saga_id}/steps/{segment(step)}/{act}", {**body, "actor": actor()})
    print_object(
        answer, output, line=f"step {step} of {saga_id} is {word}; `saga show {saga_id}` tells what became of it", ids=[saga_id]
    )
