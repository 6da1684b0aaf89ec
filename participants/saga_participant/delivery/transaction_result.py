"""What one barrier transaction leads to.

Execution (execution.py) commits it and carries out the rest.
"""

from __future__ import annotations

from typing import Final

from saga_participant.barrier.answers import Answer
from saga_participant.barrier.entry import Entry, ReceivedCommand
from saga_participant.barrier.table import Task
from saga_participant.delivery.invocation import Call, HandlerResult
from saga_schemas.record_class import record


@record
class ExternalCall:
    """A call of an external handler. The row notes it; it is made when this transaction is over."""

    task: Task
    call: Call | HandlerResult
    """A result instead of a call, where there is nothing to call the handler with."""
    command: ReceivedCommand
    """What the handler is given: the action's command, or the compensation's."""
    lease_until_us: int
    entry: Entry
    """The row that notes the call. The answer is lost if the row's run changes meanwhile."""
    before: Entry | None = None
    """The row of an action before the call was noted, if there was one."""


@record
class TransactionResult:
    """Whether to commit, and what to do when the transaction is over."""

    commit: bool
    answers: tuple[Answer, ...] = ()
    """Sent when the commit is known to have happened, or when there was nothing to commit."""
    external_call: ExternalCall | None = None
    failed: HandlerResult | None = None
    """The handler's failure that rolls this back.

    Its error may show a collision in the database.
    """
    follow_up: ReceivedCommand | None = None
    """A compensation that waited for the end of accepted work. It is delivered next, by itself."""


SILENCE: Final = TransactionResult(commit=False)


class Replay(Exception):  # raised in the middle of a transaction, caught by its owner
    """Roll back, and serve the command again in a new transaction, where this result is known.

    Either what the handler did has to go while the row keeps its result, or only the row can tell
    whether the transaction had an effect.
    """

    def __init__(self, task: Task, result: HandlerResult) -> None:
        self.task = task
        self.result = result
