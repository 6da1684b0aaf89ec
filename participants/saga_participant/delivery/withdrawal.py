"""Calling off accepted work: its withdrawn handler runs before a RESOLVE fences or a compensation
ends it.
"""

from __future__ import annotations

from typing import Final

from saga_participant.barrier.entry import Entry
from saga_participant.barrier.table import Ending, Task
from saga_participant.delivery.accepted_rows import with_asker
from saga_participant.delivery.accepted_work import end
from saga_participant.delivery.barrier_transaction import BarrierTransaction
from saga_participant.delivery.invocation import Call, HandlerResult
from saga_participant.telemetry.command_log import log_of
from saga_schemas.outcomes import Kind

WITHDRAWN: Final = HandlerResult(ending=Ending.REJECTED)
"""How withdrawn work ends.

The compensation that withdrew it is decided next: nobody is sent this no.
"""


async def withdraw(tx: BarrierTransaction, found: Entry, seen: Entry) -> Entry:
    """Call the withdrawn handler. Returns the row to decide by next.

    `found`: the row as it is; `seen`: the row that has seen the command. What a handler did that
    does not withdraw is rolled back. The replay goes on as if there were no such handler.
    """
    call = tx.calls.withdrawal(seen)
    result = call if isinstance(call, HandlerResult) else await tx.run(Task.WITHDRAW, call)
    tx.withdrawn = result.ending is Ending.DONE
    if tx.withdrawn:
        undone = tx.command.headers.kind is Kind.COMPENSATION
        return await end(tx, with_asker(seen, tx.command), WITHDRAWN) if undone else found
    if isinstance(call, Call) and Task.WITHDRAW not in tx.known:
        tx.replay_with(Task.WITHDRAW, result)
    log_of(tx.command.headers).warning("the work was not withdrawn: it stays accepted")
    return found
