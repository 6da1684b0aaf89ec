"""A transaction that the database refused: who is answered what, and when the command is served
again.

Every ending here is of a transaction that is rolled back for certain. Raised are `Collision` (serve
again at once), `Unavailable` (serve again when the database is back) and `Replay` (serve again,
with the handler's result known).
"""

from __future__ import annotations

from dataclasses import replace

from saga_participant.barrier.answers import EMPTY, Answer, failure
from saga_participant.barrier.entry import ReceivedCommand, Stored
from saga_participant.barrier.table import Ending, Task
from saga_participant.database.errors import Fate, fate
from saga_participant.delivery.barrier_transaction import BarrierTransaction
from saga_participant.delivery.invocation import HandlerResult, code_of, session_lost
from saga_participant.delivery.transaction_result import SILENCE, Replay, TransactionResult
from saga_participant.outcomes import Unavailable
from saga_participant.telemetry.command_log import log_of
from saga_participant.telemetry.error_location import one_line
from saga_schemas.outcomes import Outcome


class Collision(Exception):  # between two transactions, nobody's error
    """The transaction was rolled back in favour of another one."""


def check_collision(failed: HandlerResult | None) -> None:
    """Raise Collision for a handler's failure that is one: it costs the coordinator no attempt."""
    if failed is not None and failed.error is not None and not failed.unsure and fate(failed.error) is Fate.COLLISION:
        raise Collision


def refused(tx: BarrierTransaction, error: BaseException, *, external: bool) -> TransactionResult:
    """A statement of the kit's, or the commit, was refused.

    `external`: of the record of an external call.
    """
    if tx.transaction.lost() and tx.last_run is not None:
        raise Replay(tx.last_run, session_lost(error)) from error
    found = Fate.AWAY if tx.transaction.lost() or isinstance(error, TimeoutError) else fate(error)
    if found is Fate.AWAY:
        raise Unavailable(f"the database went away ({type(error).__name__})") from error
    if found is Fate.COLLISION:
        raise Collision from error
    if external:
        return unrecorded(tx.command, one_line(error))
    log_of(tx.command.headers).warning("rolled back: %s", one_line(error))
    content = failure(code_of(error), "the database refused the transaction")
    if tx.last_run is Task.WITHDRAW or (tx.newer_incarnation and tx.last_run is not None):
        # work that could not be withdrawn stays accepted; the row has to learn of this command,
        # though nothing else comes of it
        raise Replay(tx.last_run, HandlerResult(ending=Ending.FAILED, content=content)) from error
    return only_answer(tx.command, Outcome.FAILED, content)


def only_answer(command: ReceivedCommand, outcome: Outcome, content: Stored = EMPTY) -> TransactionResult:
    """The answer of a command that changes nothing."""
    return replace(SILENCE, answers=(Answer(to=command.headers, outcome=outcome, content=content),))


def unrecorded(command: ReceivedCommand, why: str) -> TransactionResult:
    """An external handler's result could not be recorded, so it is not answered.

    Only what a row remembers is answered. The lease runs out, and the handler is called again.
    """
    log_of(command.headers).error("no reply: what a handler did elsewhere could not be recorded: %s", why)
    return SILENCE
