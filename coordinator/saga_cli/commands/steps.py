"""`saga step retry|waive|limits`: a person mends a step that is stuck."""

from __future__ import annotations

import re
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
    step.command(
        "limits",
        context_settings=HELP_OPTIONS,
        epilog=examples('saga step limits o-17 charge --attempts 20 --time 2h --reason "the bank is slow today"'),
    )(limits)


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


def limits(
    saga: SagaReference,
    step: Step,
    reason: Reason,
    attempts: Annotated[
        int | None, typer.Option(min=0, help="FAILED answers that spend its retries; 0: without end, past the pivot only.")
    ] = None,
    undo_attempts: Annotated[int | None, typer.Option(min=1, help="The same of its compensation.")] = None,
    cap: Annotated[str | None, typer.Option(metavar="DURATION", help="Longest wait between two attempts.")] = None,
    time: Annotated[str | None, typer.Option(metavar="DURATION", help="From first asked to answered; 0s: no limit.")] = None,
    reask: Annotated[str | None, typer.Option(metavar="DURATION", help="When it is asked again for the first time.")] = None,
    reask_cap: Annotated[str | None, typer.Option(metavar="DURATION", help="Longest wait between two questions.")] = None,
    attention: Annotated[str | None, typer.Option(metavar="DURATION", help="Silence after which a person is asked for.")] = None,
    output: Output = Format.TABLE,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Change a step's retries and times, for this saga alone. `saga show` tells those in force."""
    times = {"cap_ms": cap, "step_ms": time, "reask_ms": reask, "reask_cap_ms": reask_cap, "attention_ms": attention}
    counts = {"attempts": attempts, "undo_attempts": undo_attempts}
    body: dict[str, object] = {name: count for name, count in counts.items() if count is not None}
    body |= {name: _milliseconds(text) for name, text in times.items() if text is not None}
    if not body:
        raise typer.BadParameter("name at least one limit, as --attempts 20", param_hint="limits")
    _act(server, saga, step, "limits", {**body, "reason": reason}, output, "limited anew")


def _milliseconds(text: str) -> int:
    """A duration as definitions write it."""
    found = re.fullmatch(r"([0-9]{1,9})(ms|s|m|h|d)", text)
    if found is None:
        raise typer.BadParameter(f"{text!r} is not a duration; write a whole number with a unit: 30s, 10m, 2h, 1d")
    return int(found[1]) * {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}[found[2]]


def _act(server: str, saga: str, step: str, act: str, body: dict[str, object], output: Format, word: str) -> None:
    from saga_cli.client import Client, actor, segment
    from saga_cli.output import print_object

    with Client(server) as client:
        saga_id = client.saga_id(saga)
        _, answer = client.post(f"/v1/sagas/{saga_id}/steps/{segment(step)}/{act}", {**body, "actor": actor()})
    print_object(
        answer, output, line=f"step {step} of {saga_id} is {word}; `saga show {saga_id}` tells what became of it", ids=[saga_id]
    )
