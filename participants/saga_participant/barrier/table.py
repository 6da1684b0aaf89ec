"""The barrier's table, as pure functions.

Given the row and the command: what is to be done. Given what the handler did: what the row becomes.

Truth: the table "The barrier" in docs/wire.md; tests/unit/participant/barrier/test_table.py holds
it as data and compares every cell. Nothing here knows a database, Kafka or a clock:
the caller says whether a command is expired and whether a lease is over. Accepted work ends in two
steps: the row becomes DONE or REJECTED, and then a compensation that waited is decided like any
other. So one table serves answers given at once and answers given later.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import Final

from saga_schemas.outcomes import Kind, Outcome, RowState
from saga_schemas.record_class import record


@record
class Row:
    """What the table looks at.

    The bytes that are remembered beside it are the transaction's business.
    """

    state: RowState
    run: int
    """The newest run this row speaks for. Never falls."""
    incarnation: int
    """The highest incarnation of the coordinator's database that this row saw."""
    wish: int | None = None
    """While ACCEPTED: the run of the compensation that wants the action undone at its end."""
    lease_over: bool = False
    """While ACCEPTED: whoever works on it is taken for dead."""


@record
class CommandFacts:
    """What the table looks at in a command."""

    kind: Kind
    run: int
    incarnation: int
    expired: bool = False
    """Its expiry is over by the participant's own database clock, or it is below the horizon."""
    fenceable: bool = False
    """The action's handler allows accepted work to be fenced by RESOLVE."""
    withdrawable: bool = False
    """A withdrawn handler is to be called before accepted work is called off, and was not yet."""


class Task(StrEnum):
    """What is to be done with a command."""

    REFUSE = "refuse"
    """Say nothing: the sender is of an older incarnation."""
    ANSWER = "answer"
    """No handler runs: keep the row given, answer the outcome given."""
    ACT = "act"
    """Run the action's handler; `acted` says what it leads to."""
    UNDO = "undo"
    """Run the compensation's handler; `undid` says what it leads to."""
    RESUME = "resume"
    """Hand the accepted action's own command to its handler again, then decide again."""

    WITHDRAW = "withdraw"
    """Call the accepted action's withdrawn handler, then decide again.

    If it returned, RESOLVE may fence, and a compensation has the action ended as REJECTED. If it
    did not, the work is not fenceable, and the compensation waits for the end.
    """


class Memory(StrEnum):
    """Which stored reply goes with an answer."""

    NOTHING = "nothing"
    ACTION = "action"
    UNDO = "undo"
    PROGRESS = "progress"


@record
class Verdict:
    """One cell of the table."""

    task: Task
    row: Row | None
    """The row to be kept when no handler changes it; None: there is to be no row."""
    outcome: Outcome | None = None
    """The answer, where no handler has to run."""
    memory: Memory = Memory.NOTHING
    """The stored reply that goes with the answer."""


_RUN_IT: Final = Verdict(task=Task.ACT, row=None)


class Ending(StrEnum):
    """How a handler ended."""

    DONE = "done"
    REJECTED = "rejected"
    FAILED = "failed"
    ACCEPTED = "accepted"


def decide(row: Row | None, command: CommandFacts) -> Verdict:
    """The cell of the table for this row and this command."""
    if row is None:
        return _absent(command)
    if command.incarnation < row.incarnation:
        return Verdict(task=Task.REFUSE, row=row)
    seen = replace(row, incarnation=command.incarnation)
    match row.state:
        case RowState.ACCEPTED:
            return _accepted(seen, command)
        case RowState.DONE:
            return _done(seen, command)
        case RowState.REJECTED:
            return _rejected(seen, command)
        case RowState.FENCED | RowState.UNDONE:
            return _closed(seen, command)


def _absent(command: CommandFacts) -> Verdict:
    if command.expired:
        return _answer(None, Outcome.EXPIRED)
    if command.kind is Kind.ACTION:
        return _RUN_IT
    fenced = Row(state=RowState.FENCED, run=command.run, incarnation=command.incarnation)
    return _answer(fenced, Outcome.NOTHING_TO_UNDO if command.kind is Kind.COMPENSATION else Outcome.FENCED)


def _accepted(row: Row, command: CommandFacts) -> Verdict:
    if command.run < row.run:
        return _answer(row, Outcome.IN_PROGRESS, Memory.PROGRESS)
    fences = command.kind is Kind.RESOLVE and command.fenceable
    if command.kind is Kind.COMPENSATION:
        row = replace(row, wish=max(command.run, row.wish or 0))
    if command.withdrawable and (fences or command.kind is Kind.COMPENSATION):
        return Verdict(task=Task.WITHDRAW, row=row)
    if fences:
        return _answer(_fence(row, command.run), Outcome.FENCED)
    if row.lease_over:
        return Verdict(task=Task.RESUME, row=row)
    return _answer(row, Outcome.IN_PROGRESS, Memory.PROGRESS)


def _done(row: Row, command: CommandFacts) -> Verdict:
    if command.kind is Kind.COMPENSATION and command.run >= row.run:
        return Verdict(task=Task.UNDO, row=row)
    if command.kind is Kind.COMPENSATION:  # an effect of a newer run: whoever asks must learn of it before it may be undone
        return _answer(row, Outcome.SUCCEEDED)
    return _answer(_raised(row, command.run), Outcome.SUCCEEDED, Memory.ACTION)


def _rejected(row: Row, command: CommandFacts) -> Verdict:
    newer = command.run > row.run
    if command.kind is Kind.COMPENSATION:
        kept = row if command.run < row.run else _fence(row, command.run)
        return _answer(kept, Outcome.NOTHING_TO_UNDO)
    if not newer:
        return _answer(row, Outcome.REJECTED, Memory.ACTION)
    if command.kind is Kind.ACTION:
        return Verdict(task=Task.ACT, row=row)
    return _answer(_fence(row, command.run), Outcome.FENCED)


def _closed(row: Row, command: CommandFacts) -> Verdict:
    if command.kind is Kind.ACTION and command.run > row.run:
        return Verdict(task=Task.ACT, row=row)
    row = _raised(row, command.run)
    if command.kind is not Kind.COMPENSATION:
        return _answer(row, Outcome.FENCED)
    if row.state is RowState.UNDONE:
        return _answer(row, Outcome.UNDONE, Memory.UNDO)
    return _answer(row, Outcome.NOTHING_TO_UNDO)


def acted(before: Row | None, command: CommandFacts, ending: Ending) -> tuple[Row | None, Outcome]:
    """What an action's handler leads to.

    A technical failure leaves everything as it was, but for the incarnation that the row has seen.
    """
    incarnation = max(command.incarnation, before.incarnation if before else 0)
    match ending:
        case Ending.DONE:
            return Row(state=RowState.DONE, run=command.run, incarnation=incarnation), Outcome.SUCCEEDED
        case Ending.REJECTED:
            return Row(state=RowState.REJECTED, run=command.run, incarnation=incarnation), Outcome.REJECTED
        case Ending.ACCEPTED:
            return Row(state=RowState.ACCEPTED, run=command.run, incarnation=incarnation), Outcome.IN_PROGRESS
        case Ending.FAILED:
            return None if before is None else replace(before, incarnation=incarnation), Outcome.FAILED


def undid(before: Row, command: CommandFacts, ending: Ending) -> tuple[Row, Outcome]:
    """What a compensation's handler leads to.

    A failure or a no leaves effect and row as they were, but for the incarnation that the row has
    seen.
    """
    seen = replace(before, incarnation=max(command.incarnation, before.incarnation))
    match ending:
        case Ending.DONE:
            return replace(_raised(seen, command.run), state=RowState.UNDONE, wish=None), Outcome.UNDONE
        case Ending.REJECTED:
            return seen, Outcome.REJECTED
        case Ending.FAILED | Ending.ACCEPTED:
            return seen, Outcome.FAILED


def ended(before: Row, ending: Ending) -> Row:
    """What the end of accepted work leads to.

    The wish to undo stays on the row: it is decided next, in the same transaction.
    """
    match ending:
        case Ending.DONE:
            return replace(before, state=RowState.DONE, lease_over=False)
        case Ending.REJECTED:
            return replace(before, state=RowState.REJECTED, lease_over=False)
        case Ending.FAILED | Ending.ACCEPTED:
            return replace(before, lease_over=False)


def may_answer(row: Row | None, run: int) -> bool:
    """Whether an answer given later counts: it loses against a fence and against a newer run."""
    return row is not None and row.state is RowState.ACCEPTED and row.run == run


def handled_before(row: Row | None, command: CommandFacts) -> bool:
    """Whether the row shows that an earlier delivery of this command, or of another attempt at it,
    was taken up.

    An action that comes after the fence was not: somebody forbade it, nobody ran it.
    """
    if row is None:
        return False
    if command.kind is Kind.COMPENSATION and row.state is RowState.ACCEPTED:
        return row.wish is not None and command.run <= row.wish
    if command.run > row.run:
        return False
    match command.kind:
        case Kind.ACTION:
            return row.state is not RowState.FENCED
        case Kind.COMPENSATION:
            return row.state in (RowState.FENCED, RowState.UNDONE)
        case Kind.RESOLVE:
            return row.state is RowState.FENCED


def row_run_of(row: Row | None, command: CommandFacts, outcome: Outcome) -> int | None:
    """The header `ce_sagarowrun`: the row's run, where its success is of a newer run than the
    command.
    """
    return row.run if row is not None and outcome is Outcome.SUCCEEDED and row.run > command.run else None


def _answer(row: Row | None, outcome: Outcome, memory: Memory = Memory.NOTHING) -> Verdict:
    return Verdict(task=Task.ANSWER, row=row, outcome=outcome, memory=memory)


def _raised(row: Row, run: int) -> Row:
    return replace(row, run=max(row.run, run))


def _fence(row: Row, run: int) -> Row:
    return replace(_raised(row, run), state=RowState.FENCED, wish=None, lease_over=False)
