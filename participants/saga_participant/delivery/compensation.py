"""Running a compensation's handler, at once or when accepted work ends."""

from __future__ import annotations

from dataclasses import replace

from saga_participant.barrier import table as barrier
from saga_participant.barrier.answers import Answer
from saga_participant.barrier.entry import Entry, ReceivedCommand
from saga_participant.barrier.table import CommandFacts, Ending, Task
from saga_participant.delivery.barrier_transaction import BarrierTransaction
from saga_participant.delivery.invocation import Call, HandlerResult
from saga_participant.handling.registry import Route


class _NotDone(Exception):  # takes back a savepoint
    pass


async def run_compensation(tx: BarrierTransaction, entry: Entry, command: ReceivedCommand, route: Route) -> HandlerResult:
    """Run the handler.

    If it fails where the row was changed before, only its own work is taken back.
    """
    call = tx.calls.compensation(route, command, entry)
    if isinstance(call, HandlerResult):
        return call
    return await (_in_savepoint(tx, call) if tx.row_changed else tx.run(Task.UNDO, call))


async def _in_savepoint(tx: BarrierTransaction, call: Call) -> HandlerResult:
    result: HandlerResult | None = None
    try:
        async with tx.transaction.savepoint():
            result = await tx.run(Task.UNDO, call)
            if result.ending is not Ending.DONE:
                raise _NotDone
    except _NotDone:
        assert result is not None
    return result


def compensated(entry: Entry, facts: CommandFacts, command: ReceivedCommand, result: HandlerResult) -> tuple[Entry, Answer]:
    """The row after a compensation's handler, and the answer to its command."""
    row, outcome = barrier.undid(entry.row, facts, result.ending)
    if result.ending is Ending.DONE:
        entry = replace(entry.without_effect(), undo=result.content)
    return replace(entry, row=row), Answer(to=command.headers, outcome=outcome, content=result.content)
