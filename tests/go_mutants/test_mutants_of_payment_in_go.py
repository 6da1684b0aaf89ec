"""`saga participant check` finds mutants of examples/payment-go: each has one mistake that a person
may make who writes a participant from docs/wire.md.

That the program itself passes the same cases is shown by
tests/integration/test_payment_in_go_conformance.py.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from saga_cli.conformance.case import Status
from saga_cli.conformance.cases.every_case import chosen, every_case
from saga_cli.conformance.given import Patience
from support.paths import PAYMENT_GO
from support.payment_check import PATIENCE, CheckedPayment
from support.payment_go import build

HASTY: Final = Patience(start_s=120, reply_s=10, later_s=20, quiet_s=0.2)
"""For a mutant that keeps silent: it is found by waiting."""


@dataclass(frozen=True)
class Mutant:
    """One mistake, and what the check says of it."""

    name: str
    file: str
    old: str
    """It occurs exactly once in the file."""
    new: str
    cases: tuple[str, ...]
    """Patterns of the cases that are about it. One of them fails."""
    seen: str
    """What that case has seen, as a regular expression."""
    patience: Patience = PATIENCE


MUTANTS: Final = (
    Mutant(
        "no lock on the row",
        "barrier/barrier.go",
        "row, err := readRow(ctx, tx, claim, c.SagaID, c.Step, c.Tenant, c.Incarnation, c.ExpiresAt)",
        """var row *Row
            err := pgx.BeginFunc(ctx, b.DB, func(own pgx.Tx) (err error) {
                row, err = readRow(ctx, own, claim, c.SagaID, c.Step, c.Tenant, c.Incarnation, c.ExpiresAt)
                return err
            })
        """,
        ("races.copies-of-a-compensation", "races.runs"),
        r"got \d+ different answers|FAILED .*; UNDONE was expected|the effects query counts",
    ),
    Mutant(
        "the fence is forgotten: a compensation without an action leaves no row",
        "barrier/table.go",
        "wire.NothingToUndo, state: Fenced}",
        "wire.NothingToUndo}",
        ("barrier.absent.nothing_to_undo",),
        r"the row should be FENCED of run 2 now, but the action of run 2 was answered SUCCEEDED",
    ),
    Mutant(
        "an answer from the row does not raise the row's run",
        "barrier/row.go",
        "row.Run = max(row.Run, c.Run)",
        "row.Run = cmp.Or(row.Run, c.Run)",
        ("barrier.done.action.newer", "barrier.fenced.resolve.newer"),
        r"the row should be DONE of run 3 now, but .*; ce_sagarowrun 3 was expected",
    ),
    Mutant(
        "a later answer goes to the run that was accepted",
        "barrier/barrier.go",
        "cmp.Or(waiting.Undo, &waiting.Newest)",
        "cmp.Or(waiting.Undo, &waiting.Action)",
        ("barrier.accepted.action.newer",),
        r"the end of the work was answered to the action of run 2.*; the newest command of its run was the action of run 3",
    ),
    Mutant(
        "a later answer carries the token of the acceptance",
        "barrier/row.go",
        "*newest = c\n",
        """headers := map[string]string{}
            for name, value := range c.Headers {
                headers[name] = value
            }
            headers["ce_sagatoken"] = newest.Headers["ce_sagatoken"]
            c.Headers = headers
            *newest = c
        """,
        ("barrier.accepted.action.newer", "echo.ce_sagatoken"),
        r"^ce_sagatoken is check\.\S+, the command said check\.",
    ),
    Mutant(
        "an undone action is answered by its stored reply",
        "barrier/table.go",
        "{Undone, wire.Action}:         {isFenced, isFenced,",
        "{Undone, wire.Action}:         {succeeded, succeeded,",
        ("barrier.undone.action.same",),
        r"the action of run 2 was answered SUCCEEDED .*; FENCED was expected",
    ),
    Mutant(
        "a wish to undo is answered and not noted",
        "barrier/row.go",
        "row.Waiting.Undo = &c\n",
        "\n",
        ("later.wish-*",),
        r"the end of the work was answered SUCCEEDED .* to the action of run 2; UNDONE was expected",
    ),
    Mutant(
        "a handler's effect has a transaction of its own",
        "payment.go",
        "return p.chargeNow(ctx, db, step, command)\n",
        """var value wire.Value
            err := pgx.BeginFunc(ctx, p.db, func(own pgx.Tx) (err error) {
                value, err = p.chargeNow(ctx, own, step, command)
                return err
            })
            return value, err
        """,
        ("effects.failed", "effects.rejected"),
        r"the effects query counts 1 and 0 .*; 0 of the action and 0 of the compensation was expected",
    ),
    Mutant(
        "an action that was answered is not answered again",
        "barrier/barrier.go",
        "row.Incarnation > c.Incarnation {",
        "row.Incarnation > c.Incarnation || row.State == Done && c.Kind == wire.Action && c.Run == row.Run {",
        ("races.copies-of-an-action",),
        r"the action of run 1: only 1 answers of 40 within 10 s",
        HASTY,
    ),
    Mutant(
        "the row's incarnation is never raised",
        "barrier/row.go",
        "SET incarnation = greatest(found.incarnation, excluded.incarnation)",
        "SET incarnation = found.incarnation",
        ("incarnation.raised",),
        r"the action of run 1, incarnation 2 was answered SUCCEEDED .*; silence was expected",
    ),
    Mutant(
        "nobody looks at a command's expiry",
        "barrier/row.go",
        "run = 0 AND at >= expires_at",
        "false",
        ("expiry.absent.*",),
        r"the action of run 1, expired was answered SUCCEEDED .*; EXPIRED was expected",
    ),
    Mutant(
        "a failure is remembered",
        "barrier/barrier.go",
        "case ended.Outcome == wire.Failed:\n",
        """case ended.Outcome == wire.Failed && c.Kind == wire.Action:
                row.State, row.Run, row.Action = Rejected, c.Run, ended.Value
            case ended.Outcome == wire.Failed:
        """,
        ("failed.runs-again", "failed.leaves-no-row"),
        r"was answered REJECTED saga.v1.Failure .*; FAILED or SUCCEEDED was expected",
    ),
    # Others of the same sorts.
    Mutant(
        "a wish to undo leaves no trace at all",
        "barrier/row.go",
        "\t\trow.note(c)\n",
        "\t\tif c.Kind != wire.Compensation {\n\t\t\trow.note(c)\n\t\t}\n",
        ("barrier.accepted.compensation.same",),
        r"the end of the work was answered SUCCEEDED .* to the action of run 2.*; UNDONE was expected",
    ),
    Mutant(
        "the last command to come is taken for the newest",
        "barrier/row.go",
        "if newer(c, *newest) {",
        "if true {",
        ("later.newest-of-actions",),
        r"the end of the work was answered to .*, version 2 of incarnation 1; the newest command was of version 3",
    ),
    Mutant(
        "the last wish to come is taken for the newest",
        "barrier/row.go",
        "c.Run == undo.Run && newer(c, *undo)",
        "c.Run == undo.Run",
        ("later.newest-of-compensations",),
        r"the end of the work was answered to .*, version 2 of incarnation 1; the newest command was of version 3",
    ),
    Mutant(
        "the newest command is told without its incarnation",
        "barrier/row.go",
        "func newer(c, other wire.Command) bool {\n",
        "func newer(c, other wire.Command) bool {\n\tc.Incarnation = other.Incarnation\n",
        ("later.newest-incarnation",),
        r"the end of the work was answered to .*, version 3 of incarnation 1; the newest command was of version 2",
    ),
    Mutant(
        "the compensation of an older run is answered by the action's reply",
        "barrier/row.go",
        "case c.Kind != wire.Compensation && (cell == succeeded || cell == rejected):",
        "case cell == succeeded || cell == rejected:",
        ("barrier.done.compensation.older", "reply.ce_type"),
        r"^ce_type is shop\.CardCharged, not saga\.v1\.Empty, in the answer SUCCEEDED to the compensation of run 1",
    ),
    Mutant(
        "a reply says attempt 1 always",
        "wire/reply.go",
        "given[name] = c.Headers[name]\n",
        'given[name] = c.Headers[name]\n\t\tif name == "ce_sagaattempt" {\n\t\t\tgiven[name] = "1"\n\t\t}\n',
        ("echo.ce_sagaattempt",),
        r"^ce_sagaattempt is 1, the command said 2",
    ),
    Mutant(
        "the effect is committed before its row",
        "barrier/barrier.go",
        "pgx.BeginFunc(ctx, tx, func(savepoint pgx.Tx) error {",
        "pgx.BeginFunc(ctx, b.DB, func(savepoint pgx.Tx) error {",
        ("kill.actions", "kill.compensations"),
        r"was answered FAILED .*; (SUCCEEDED|UNDONE) was expected|different values|the effects query counts",
    ),
)


def mutated(mutant: Mutant, folder: Path) -> Path:
    """The source with the mistake, in a folder of its own."""
    source = folder / "payment-go"
    shutil.copytree(PAYMENT_GO, source)
    path = source / mutant.file
    text = path.read_text(encoding="utf-8")
    assert text.count(mutant.old) == 1, (
        f"{mutant.file} has to hold {mutant.old!r} once, it does so {text.count(mutant.old)} times"
    )
    path.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
    return source


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(" ", "-"))
async def test_a_mutant_is_found_by_the_cases_that_are_about_it(
    mutant: Mutant, tmp_path: Path, kafka_address: str, postgres_url: Callable[[], str]
) -> None:
    program = tmp_path / "payment"
    build(mutated(mutant, tmp_path), program)
    payment = CheckedPayment(
        program=program,
        folder=tmp_path,
        kafka=kafka_address,
        database=postgres_url(),
        count=1,
        review_s=3.0,
        patience=mutant.patience,
    )
    found = await payment.results(chosen(every_case(), mutant.cases))

    failed = {result.case.name: result.seen for result in found if result.status is Status.FAILED}
    assert any(re.search(mutant.seen, seen) for seen in failed.values()), failed
