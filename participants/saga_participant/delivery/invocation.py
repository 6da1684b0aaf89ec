"""Calling a handler: its arguments by type, a time limit, and whatever it does (returns, says no, raises anything at all) made an `Ended`.

Nothing a handler raises may stop the participant: SystemExit from a library is a technical failure of one command. The text of an
exception may hold personal data, so neither logs nor replies repeat it: they name its class and the line it came from.

An ending is only said when the transaction the handler worked in is known to be without effect. Where its session is gone, or does not
answer, the command is played again in a new transaction with the ending known: there the row tells whether something was committed.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import re
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import field, replace
from typing import Any, Final

from pydantic import BaseModel

from saga_participant.barrier.answers import EMPTY, failure
from saga_participant.barrier.entry import Stored
from saga_participant.barrier.table import Ending
from saga_participant.database.errors import from_driver
from saga_participant.database.guard import TransactionIsOurs
from saga_participant.database.transactions import CLEANUP_S, HANDLER_LIMIT_S, Transaction
from saga_participant.handling.handler_run import Runs
from saga_participant.handling.handlers import Handle, Handler, Role
from saga_participant.handling.registry import Route
from saga_participant.outcomes import BarrierBroken, Failed, InProgress, Misused, Rejected
from saga_participant.step import Step
from saga_participant.telemetry.command_log import log_of
from saga_participant.telemetry.error_places import where
from saga_schemas.codec import encode
from saga_schemas.errors import EncodingFailed
from saga_schemas.headers import CommandHeaders
from saga_schemas.record_class import record

DEEPEST_CAUSE: Final = 8
_MAY_GO_ON: Final = inspect.CO_COROUTINE | inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR | inspect.CO_ITERABLE_COROUTINE
_WORD: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@record
class Ended:
    """How a handler ended, and what is to be remembered or said of it."""

    ending: Ending
    content: Stored = EMPTY
    """The reply, or the Failure of a no or a technical failure."""
    progress: InProgress | None = None
    error: BaseException | None = None
    """Of a technical failure, to be looked at for the database's fate."""
    definite: bool = False
    """A technical failure of which the handler itself says that it had no effect: `Failed`, or a no that it could not say."""
    unsure: bool = False
    """Whether its transaction was without effect has to be found out in a new one."""
    late: bool = False
    """It was still running at its limit."""
    lost: bool = False
    """The database's session was lost meanwhile: perhaps nobody's fault, so it is worth another run."""


@record
class Call:
    """One call of a handler."""

    route: Route
    command: BaseModel
    headers: CommandHeaders
    step: Step
    action_reply: BaseModel | None = None
    limit_s: float = HANDLER_LIMIT_S
    runs: Runs = field(default_factory=Runs, compare=False, repr=False)


async def invoke(call: Call, db: Any, interrupt: Callable[[], Awaitable[None]] | None = None) -> Ended:
    """Run the handler. Only our own cancellation and a broken barrier come out of here as exceptions."""
    handler = call.route.handler
    ran = await call.runs.run(handler.function, _arguments(call, db), call.limit_s, interrupt)
    error = ran.value if isinstance(ran.value, Rejected | Failed) else ran.error  # returned, as to `answer(…)`, it means the same
    if ran.left:
        log_of(call.headers).error("%s goes on though it was cancelled and closed; nobody waits for it any more", handler.name)
    known = handler.external and not ran.left and (error is None or isinstance(error, Rejected | Failed | Misused))
    if ran.late and not known:
        late = _failed(call, "handler_timeout", error or TimeoutError(), f"it took longer than its limit of {call.limit_s:g} s")
        return replace(late, late=True)
    match error:
        case None:
            return _returned(call, ran.value)
        case BarrierBroken():
            raise error
        case Rejected():
            return Ended(ending=Ending.REJECTED, content=failure(error.code, error.message))
        case Failed():
            retry_ms = None if error.retry_after is None else int(error.retry_after.total_seconds() * 1000)
            return replace(_failed(call, error.code, error, error.message, retry_ms), definite=True)
        case Misused():  # a no that could not be said: the author has to see what is wrong with it
            log_of(call.headers).error("%s: %s at %s", handler.name, error, where(error))
            return replace(_failed(call, "outcome_misused", error, str(error)), definite=error.without_effect)
        case asyncio.CancelledError():  # by itself: ours does not come out of the handler's task
            return _failed(call, "cancelled", error)
        case TimeoutError():
            return _failed(call, "timeout", error)
        case _:  # SystemExit, KeyboardInterrupt and GeneratorExit included: see above
            return _failed(call, code_of(error), error)


def _arguments(call: Call, db: Any) -> dict[str, Any]:
    handler = call.route.handler
    arguments: dict[str, Any] = {handler.command_parameter: call.command}
    if handler.reply_parameter is not None:
        arguments[handler.reply_parameter] = call.action_reply
    if handler.step_parameter is not None:
        arguments[handler.step_parameter] = call.step
    if handler.db_parameter is not None:
        arguments[handler.db_parameter] = db
    return arguments


def _returned(call: Call, result: Any) -> Ended:
    handler, binding = call.route.handler, call.route.reply
    if isinstance(result, InProgress) and handler.role is Role.ACTION:
        return Ended(ending=Ending.ACCEPTED, progress=result)
    if binding is None and result is None:
        return Ended(ending=Ending.DONE)
    if binding is None or not isinstance(result, binding.model):
        wanted = "None" if binding is None else binding.model.__name__
        error = TypeError(f"{handler.name} returned {type(result).__name__}, not {wanted}")
        log_of(call.headers).error("%s", error)
        return Ended(ending=Ending.FAILED, content=failure("wrong_reply_type", str(error)), error=error)
    try:
        payload = encode(binding.schema, binding.to_value(result))
    except EncodingFailed as error:
        return _failed(call, "reply_does_not_fit", error, str(error))
    return Ended(ending=Ending.DONE, content=Stored(record=binding.schema.full_name, payload=payload))


def _failed(call: Call, code: str, error: BaseException, message: str = "", retry_ms: int | None = None) -> Ended:
    handler: Handler = call.route.handler
    log_of(call.headers).warning("%s failed: %s at %s", handler.name, code, where(error))
    _let_go(error)
    return Ended(ending=Ending.FAILED, content=failure(code, message or type(error).__name__, retry_ms), error=error)


def _let_go(error: BaseException) -> None:
    """Of what its frames hold: SQLite is locked for as long as anybody has a cursor of a connection that was cut off.

    A coroutine's frame is only let go of, never cleared: it may be somebody else's who caught this error, gave it to the handler through a
    future, and goes on; Python closes a coroutine whose frame is cleared (before 3.13).
    """
    found: BaseException | None = error
    for _ in range(DEEPEST_CAUSE):
        if found is None:
            return
        for frame, _line in traceback.walk_tb(found.__traceback__):
            if not frame.f_code.co_flags & _MAY_GO_ON:
                with contextlib.suppress(RuntimeError):  # it is being executed
                    frame.clear()
        found.__traceback__ = None
        found = found.__cause__ or found.__context__


def code_of(error: BaseException) -> str:
    """`IntegrityError` as `integrity_error`."""
    return _WORD.sub("_", type(error).__name__).lower()


_WITHOUT_EFFECT: Final = (Ending.FAILED, Ending.REJECTED)


class _Unwound(Exception):  # closes `db` as after an error
    pass


async def perform(call: Call, transaction: Transaction) -> Ended:
    """Run a transactional handler with its `db`. BarrierBroken when it ended the transaction, whatever it said afterwards."""
    wanted = call.route.handler.handle
    ended = await invoke(call, None) if wanted is None else await _with_db(call, transaction, wanted)
    if ended.late:  # it may have been in the middle of anything
        return replace(ended, unsure=True)
    if transaction.torn:
        error = TransactionIsOurs("the handler reached past its db to end the transaction")
        return replace(_failed(call, code_of(error), ended.error or error), unsure=True)
    if transaction.lost():
        return _without_session(ended)
    if ended.unsure or wanted is None or ended.ending not in _WITHOUT_EFFECT:
        return ended
    try:
        async with asyncio.timeout(CLEANUP_S):
            intact = await transaction.intact()
    except Exception:  # a statement that was left running, for one: the session is thrown away
        return replace(ended, unsure=True)
    if not intact:
        raise BarrierBroken("the handler ended the transaction it was given")
    return ended


def _without_session(ended: Ended) -> Ended:
    """A no is a no, and an error of its own is its own: only what the lost session itself may have led to does not count."""
    own = ended.ending is Ending.REJECTED or (ended.ending is Ending.FAILED and not from_driver(ended.error))
    return replace(ended, unsure=True) if own else session_lost(ended.error)


def session_lost(error: BaseException | None) -> Ended:
    """The ending of a handler whose session was lost again and again."""
    content = failure("handler_session_lost", "the database session ended while the handler ran")
    return Ended(ending=Ending.FAILED, content=content, error=error, unsure=True, lost=True)


async def _with_db(call: Call, transaction: Transaction, wanted: Handle) -> Ended:
    """What an ORM session could not write in the end is a technical failure like any other."""
    ended: Ended | None = None
    try:
        async with transaction.handle(wanted) as db:
            ended = await invoke(call, db, transaction.interrupt)
            if ended.ending in _WITHOUT_EFFECT:
                raise _Unwound
    except _Unwound:
        assert ended is not None
    except BarrierBroken:
        raise
    except Exception as error:
        if ended is None or ended.ending not in _WITHOUT_EFFECT:
            return _failed(call, code_of(error), error)
        return replace(ended, unsure=True)  # its `db` cannot even be closed
    return ended
