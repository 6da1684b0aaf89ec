"""Resuming accepted work whose lease is over: the action's own command goes to its handler
again."""

from __future__ import annotations

from saga_participant.barrier import table as barrier
from saga_participant.barrier.entry import Entry
from saga_participant.barrier.table import Ending, Task
from saga_participant.delivery.accepted_rows import with_asker
from saga_participant.delivery.accepted_work import accepted_entry, end, still_accepted
from saga_participant.delivery.barrier_transaction import BarrierTransaction
from saga_participant.delivery.external_calls import note_resumed
from saga_participant.delivery.transaction_result import TransactionResult
from saga_participant.telemetry.command_log import log_of


async def resume(tx: BarrierTransaction, entry: Entry) -> Entry | TransactionResult:
    """Run the action's handler again.

    Returns a result, or the row to decide by next when the work ended.
    """
    action, route = entry.work, tx.calls.route_of_accepted(entry)
    if action is None or route is None:
        log_of(tx.command.headers).error("accepted work cannot be resumed: no handler for it")
        return await still_accepted(tx, entry)
    if route.handler.external:
        return await note_resumed(tx, entry, route, action)
    result = await tx.run(Task.RESUME, tx.calls.action(route, action, entry.row.run, resumed=True))
    if result.ending in (Ending.REJECTED, Ending.FAILED) and Task.RESUME not in tx.known:
        tx.replay_with(Task.RESUME, result)
    if result.ending is Ending.FAILED:
        return await still_accepted(tx, entry, result)
    if result.ending is Ending.ACCEPTED:
        row = barrier.ended(entry.row, result.ending)
        return await still_accepted(tx, await accepted_entry(tx, entry, row, result, action))
    return await end(tx, with_asker(entry, tx.command), result)
