"""One command in one transaction: the state that its steps share, and the moves they are made of.

The steps are in command_path.py. The rare ones stand beside it: withdrawal.py, resumption.py,
accepted_work.py, external_calls.py. None of them commits or sends. They return a
`TransactionResult`, and Execution (execution.py) carries it out.

A handler's no, or a failure after something else was done in the same transaction, rolls the
transaction back. The command is then served again with the handler's result `known`. So the usual
command pays for no savepoint.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from saga_participant.barrier import table as barrier
from saga_participant.barrier.answers import EMPTY, Answer
from saga_participant.barrier.entry import Entry, ReceivedCommand
from saga_participant.barrier.table import Memory, Row, Task, Verdict
from saga_participant.database.transactions import Transaction
from saga_participant.delivery.accepted_rows import progress_reply
from saga_participant.delivery.calls import Calls
from saga_participant.delivery.invocation import Call, HandlerResult, perform
from saga_participant.delivery.transaction_result import Replay, TransactionResult
from saga_participant.handling.handler_time import HandlerTime
from saga_participant.handling.registry import Route
from saga_schemas.headers import CommandHeaders


@dataclass(slots=True, kw_only=True)
class BarrierTransaction:
    """A transaction on the service's database that holds the barrier row of one command."""

    transaction: Transaction
    calls: Calls
    command: ReceivedCommand
    route: Route | None
    """The handler of the command's own record. RESOLVE has none."""
    known: Mapping[Task, HandlerResult] = field(default_factory=dict)
    """Results of handlers that ran for this command: in transactions that were rolled back, or in
    this one, for several commands at once."""
    handler_time: HandlerTime = field(default_factory=HandlerTime)
    compensate_alone: bool = False
    """A compensation that waits for the end of accepted work gets a transaction of its own."""
    expired: bool = False
    """There was no row, and the command came after its expiry."""
    answers: list[Answer] = field(default_factory=list)
    row_changed: bool = False
    """An earlier step in this transaction changed the row."""
    newer_incarnation: bool = False
    """The command is of a newer incarnation than the row has seen: the row has to learn of it."""
    withdrawn: bool | None = None
    """Whether the withdrawn handler of accepted work returned. None: it was not called."""
    follow_up: ReceivedCommand | None = None
    """What is delivered next, by itself."""
    last_run: Task | None = None
    """The task of the handler that was run last."""
    replay: Replay | None = None
    """The replay asked for. It counts whatever the end of a savepoint raises over it."""

    def facts(self, entry: Entry | None) -> barrier.CommandFacts:
        """What the table decides by, beside the row."""
        headers = self.command.headers
        accepted = None if entry is None or entry.called_elsewhere else self.calls.route_of_accepted(entry)
        return barrier.CommandFacts(
            kind=headers.kind,
            run=headers.run,
            incarnation=headers.incarnation,
            expired=entry is None and self.expired,
            fenceable=accepted is not None and accepted.handler.fenceable and self.withdrawn is not False,
            withdrawable=accepted is not None and accepted.withdrawn is not None and self.withdrawn is None,
        )

    async def run(self, task: Task, call: Call) -> HandlerResult:
        """Run the handler, unless its result is known.

        Raises Replay when only the row can tell its effect.
        """
        result = self.known.get(task)
        if result is None:
            self.last_run = task
            result = await perform(call, self.transaction, self.handler_time)
            if result.unsure:
                self.replay_with(task, result)
        return result

    def replay_with(self, task: Task, result: HandlerResult) -> NoReturn:
        """Raise Replay: what was done here goes, and the next transaction knows the result."""
        self.replay = Replay(task, result)
        raise self.replay

    async def save(self, entry: Entry) -> TransactionResult:
        """Save the row. It commits together with what the handler did."""
        await self.transaction.save(entry)
        return self.saved()

    def saved(self) -> TransactionResult:
        """The result of a transaction whose row is saved."""
        return TransactionResult(commit=True, answers=tuple(self.answers), follow_up=self.follow_up)

    def answered(self) -> bool:
        """Whether the command itself was answered: it was the compensation that waited for the
        end."""
        own = self.command.headers.message_id
        return any(answer.to.message_id == own for answer in self.answers)


def remembered_answer(
    to: CommandHeaders, entry: Entry, facts: barrier.CommandFacts, verdict: Verdict, *, repeated: bool = False
) -> Answer:
    """The answer of the table, with what the row remembers."""
    assert verdict.outcome is not None
    remembered = {Memory.PROGRESS: progress_reply(entry), Memory.UNDO: entry.undo, Memory.ACTION: entry.action}
    return Answer(
        to=to,
        outcome=verdict.outcome,
        content=remembered.get(verdict.memory) or EMPTY,
        seq=entry.progress_seq if verdict.memory is Memory.PROGRESS else None,
        row_run=barrier.row_run_of(verdict.row, facts, verdict.outcome),
        repeated=repeated,
    )


def kept_row(verdict: Verdict) -> Row:
    """The row of a verdict that keeps one."""
    assert verdict.row is not None
    return verdict.row
