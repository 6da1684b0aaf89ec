"""What a turn (turn.py) leads to; its owner (execution.py) carries it out."""

from __future__ import annotations

from typing import Final

from saga_participant.barrier.answers import Answer
from saga_participant.barrier.entry import Command, Entry
from saga_participant.barrier.table import Task
from saga_participant.delivery.invocation import Call, Ended
from saga_schemas.record_class import record


@record
class Outside:
    """A handler to be called when this transaction is over, because it works elsewhere."""

    task: Task
    call: Call | Ended
    """Or its ending, where there is nothing to call it with."""
    action: Command
    """What the handler is given: the action's command, or the compensation's."""
    lease_until_us: int
    entry: Entry
    """The row that notes the call. The answer is lost if its run changes."""
    before: Entry | None = None
    """An action's row before that, if there was one."""


@record
class Plan:
    """What a turn leads to."""

    commit: bool
    answers: tuple[Answer, ...] = ()
    outside: Outside | None = None
    failed: Ended | None = None
    """Why it was rolled back, to be looked at for the database's fate."""
    follow: Command | None = None
    """A compensation that was wished for and now has to be delivered like any other."""


NOTHING: Final = Plan(commit=False)


class PlayAgain(Exception):  # from the middle of a turn to its owner
    """Roll back and play again with this ending known: what was done so far has to go, or whether it has gone is to be looked at."""

    def __init__(self, task: Task, ended: Ended) -> None:
        self.task = task
        self.ended = ended
