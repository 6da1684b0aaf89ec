"""Calling a handler: its arguments by type, a time limit, and its end as a `HandlerResult`.

A handler for many is called with lists: of one command where that is served alone, of all commands
of its group else. Each item of the list that it returns ends as if a handler of one command had
returned it.

Nothing that a handler raises stops the participant: SystemExit from a library is a technical
failure of one command. The text of an exception may hold personal data. So logs and replies do not
repeat it: they name its class and the line it came from.

A result is answered only when the handler's transaction is known to be without effect, or commits.
Where its session is gone, or does not answer, the result is `unsure`: the command is replayed in a
new transaction, and there the row shows whether something was committed.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import re
import traceback
from collections.abc import Awaitable, Callable
from contextvars import Context
from dataclasses import field, replace
from typing import Any, Final

from pydantic import BaseModel

from saga_participant.barrier.answers import EMPTY, failure
from saga_participant.barrier.entry import Stored
from saga_participant.barrier.table import Ending
from saga_participant.database.errors import from_driver
from saga_participant.database.guard import TransactionIsOurs
from saga_participant.database.transactions import CLEANUP_S, HANDLER_LIMIT_S, Transaction
from saga_participant.handling.handler_run import HandlerRuns
from saga_participant.handling.handler_time import HandlerTime
from saga_participant.handling.handlers import Handle, Handler, Role
from saga_participant.handling.registry import Route
from saga_participant.outcomes import BarrierBroken, Failed, InProgress, Misused, Rejected
from saga_participant.step import Step
from saga_participant.telemetry.command_log import CommandLog, log_of
from saga_participant.telemetry.error_location import error_location
from saga_schemas.codec import encode
from saga_schemas.errors import EncodingFailed
from saga_schemas.headers import CommandHeaders
from saga_schemas.record_class import record

DEEPEST_CAUSE: Final = 8
_RESUMABLE: Final = inspect.CO_COROUTINE | inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR | inspect.CO_ITERABLE_COROUTINE
_WORD: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_LOG: Final = logging.getLogger("saga_participant")


@record
class HandlerResult:
    """How a handler ended, and what the row remembers or the coordinator is sent of it."""

    ending: Ending
    content: Stored = EMPTY
    """The reply, or the Failure of a no or a technical failure."""
    progress: InProgress | None = None
    error: BaseException | None = None
    """Of a technical failure: it may show what became of the database."""
    definite: bool = False
    """The handler itself says that its failure had no effect: `Failed`, or a no that could not be
    made.
    """
    unsure: bool = False
    """Only a new transaction can tell whether this one was without effect."""
    late: bool = False
    """It was still running at its limit."""
    lost: bool = False
    """The database's session ended meanwhile.

    It may be nobody's fault, so another run is worth it.
    """
    each: tuple[HandlerResult, ...] = ()
    """Of a call for several commands that ended well: the results of its commands, in their
    order."""


@record
class Call:
    """One call of a handler."""

    route: Route
    command: BaseModel
    headers: CommandHeaders
    step: Step
    action_reply: BaseModel | None = None
    limit_s: float = HANDLER_LIMIT_S
    runs: HandlerRuns = field(default_factory=HandlerRuns, compare=False, repr=False)
    context: Context | None = field(default=None, compare=False, repr=False)
    """The context that the handler runs in a copy of. None: the caller's."""
    together: tuple[Call, ...] = field(default=(), compare=False, repr=False)
    """Of a call for several commands at once: a call for each of them. Then route, limit and
    context of this one count, and nothing else.
    """


async def invoke(call: Call, db: Any, time: HandlerTime, interrupt: Callable[[], Awaitable[None]] | None = None) -> HandlerResult:
    """Run the handler. Raises nothing but our own cancellation and BarrierBroken."""
    handler = call.route.handler
    arguments = _arguments(call, db)
    with time.counted():
        ran = await call.runs.run(handler.function, arguments, call.limit_s, interrupt, call.context)
    if ran.left:
        _log(call).error("%s goes on though it was cancelled and closed; nobody waits for it any more", handler.name)
    if handler.many and ran.error is None and not ran.late:
        return _each_returned(call, ran.value)
    error = ran.value if isinstance(ran.value, Rejected | Failed) else ran.error  # returned, as to `answer(…)`, it means the same
    definite = handler.external and not ran.left and (error is None or isinstance(error, Rejected | Failed | Misused))
    if ran.late and not definite:
        late = _failed(call, "handler_timeout", error or TimeoutError(), f"it took longer than its limit of {call.limit_s:g} s")
        return replace(late, late=True)
    return _ended(call, ran.value, error)


def _ended(call: Call, value: Any, error: BaseException | None) -> HandlerResult:
    """What it means that the handler returned this value, or raised this error."""
    handler = call.route.handler
    match error:
        case None:
            return _returned(call, value)
        case BarrierBroken():
            raise error
        case Rejected():
            return HandlerResult(ending=Ending.REJECTED, content=failure(error.code, error.message))
        case Failed():
            retry_ms = None if error.retry_after is None else int(error.retry_after.total_seconds() * 1000)
            return replace(_failed(call, error.code, error, error.message, retry_ms), definite=True)
        case Misused():  # a no that could not be said: the author has to see what is wrong with it
            _log(call).error("%s: %s at %s", handler.name, error, error_location(error))
            return replace(_failed(call, "outcome_misused", error, str(error)), definite=error.without_effect)
        case asyncio.CancelledError():  # by itself: ours does not come out of the handler's task
            return _failed(call, "cancelled", error)
        case TimeoutError():
            return _failed(call, "timeout", error)
        case _:  # SystemExit, KeyboardInterrupt and GeneratorExit included: see above
            return _failed(call, code_of(error), error)


def _arguments(call: Call, db: Any) -> dict[str, Any]:
    handler, asked = call.route.handler, call.together or (call,)
    arguments: dict[str, Any] = {handler.command_parameter: [one.command for one in asked] if handler.many else call.command}
    if handler.reply_parameter is not None:
        arguments[handler.reply_parameter] = call.action_reply
    if handler.step_parameter is not None:
        arguments[handler.step_parameter] = [one.step for one in asked] if handler.many else call.step
    if handler.db_parameter is not None:
        arguments[handler.db_parameter] = db
    return arguments


def _each_returned(call: Call, returned: Any) -> HandlerResult:
    """What a handler for many returned: the result of the one command, or of each of several.

    A failure where the results of several cannot stand as they are.
    """
    asked = call.together or (call,)
    if not isinstance(returned, list) or len(returned) != len(asked):
        found = f"a list of {len(returned)}" if isinstance(returned, list) else type(returned).__name__
        error = TypeError(f"{call.route.handler.name} was given {len(asked)} commands and returned {found}")
        _log(call).error("%s", error)
        return HandlerResult(ending=Ending.FAILED, content=failure("wrong_reply_count", str(error)), error=error)
    results = tuple(
        _ended(one, value, value if isinstance(value, Rejected | Failed) else None)
        for one, value in zip(asked, returned, strict=True)
    )
    if not call.together:
        return results[0]
    wrong = [result for result in results if result.ending is Ending.FAILED and not result.definite]
    return wrong[0] if wrong else HandlerResult(ending=Ending.DONE, each=results)


def _returned(call: Call, result: Any) -> HandlerResult:
    handler, binding = call.route.handler, call.route.reply
    if isinstance(result, InProgress) and handler.role is Role.ACTION and not handler.many:
        return HandlerResult(ending=Ending.ACCEPTED, progress=result)
    if binding is None and result is None:
        return HandlerResult(ending=Ending.DONE)
    if binding is None or not isinstance(result, binding.model):
        wanted = "None" if binding is None else binding.model.__name__
        error = TypeError(f"{handler.name} returned {type(result).__name__}, not {wanted}")
        log_of(call.headers).error("%s", error)
        return HandlerResult(ending=Ending.FAILED, content=failure("wrong_reply_type", str(error)), error=error)
    try:
        payload = encode(binding.schema, binding.to_value(result))
    except EncodingFailed as error:
        return _failed(call, "reply_does_not_fit", error, str(error))
    return HandlerResult(ending=Ending.DONE, content=Stored(record=binding.schema.full_name, payload=payload))


def _failed(call: Call, code: str, error: BaseException, message: str = "", retry_ms: int | None = None) -> HandlerResult:
    handler: Handler = call.route.handler
    several = f" for {len(call.together)} commands at once, each is served alone" if call.together else ""
    _log(call).warning("%s failed%s: %s at %s", handler.name, several, code, error_location(error))
    _release_frames(error)
    return HandlerResult(ending=Ending.FAILED, content=failure(code, message or type(error).__name__, retry_ms), error=error)


def _log(call: Call) -> logging.Logger | CommandLog:
    """The log of the command. Of several, nobody knows here whose doing it is."""
    return _LOG if call.together else log_of(call.headers)


def _release_frames(error: BaseException) -> None:
    """Drop what the frames of an error hold: a cursor of a connection that was cut off keeps SQLite
    locked.

    A coroutine's frame is dropped and never cleared, since Python before 3.13 closes a coroutine
    whose frame is cleared. It may belong to somebody who caught this error, gave it to the handler
    through a future, and goes on.
    """
    found: BaseException | None = error
    for _ in range(DEEPEST_CAUSE):
        if found is None:
            return
        for frame, _line in traceback.walk_tb(found.__traceback__):
            if not frame.f_code.co_flags & _RESUMABLE:
                with contextlib.suppress(RuntimeError):  # it is being executed
                    frame.clear()
        found.__traceback__ = None
        found = found.__cause__ or found.__context__


def code_of(error: BaseException) -> str:
    """`IntegrityError` as `integrity_error`."""
    return _WORD.sub("_", type(error).__name__).lower()


_WITHOUT_EFFECT: Final = (Ending.FAILED, Ending.REJECTED)


class _NotDone(Exception):  # closes `db` as after an error
    pass


async def perform(call: Call, transaction: Transaction, time: HandlerTime) -> HandlerResult:
    """Run a handler with its `db`. Raises BarrierBroken when the handler ended the transaction."""
    wanted = call.route.handler.handle
    result = await call_handler(call, transaction, time)
    if result.late:  # it may have been in the middle of anything
        return replace(result, unsure=True)
    if transaction.torn:
        error = TransactionIsOurs("the handler reached past its db to end the transaction")
        return replace(_failed(call, code_of(error), result.error or error), unsure=True)
    if transaction.lost():
        return _without_session(result)
    if result.unsure or wanted is None or result.ending not in _WITHOUT_EFFECT:
        return result
    try:
        async with asyncio.timeout(CLEANUP_S):
            intact = await transaction.intact()
    except Exception:  # a statement that was left running, for one: the session is thrown away
        return replace(result, unsure=True)
    if not intact:
        raise BarrierBroken("the handler ended the transaction it was given")
    return result


async def call_handler(call: Call, transaction: Transaction, time: HandlerTime) -> HandlerResult:
    """Run a handler with its `db`, and ask nothing of the transaction afterwards."""
    wanted = call.route.handler.handle
    return await (invoke(call, None, time) if wanted is None else _with_db(call, transaction, wanted, time))


def _without_session(result: HandlerResult) -> HandlerResult:
    """A no counts, and so does an error of the handler's own.

    What the lost session may have caused does not.
    """
    own = result.ending is Ending.REJECTED or (result.ending is Ending.FAILED and not from_driver(result.error))
    return replace(result, unsure=True) if own else session_lost(result.error)


def session_lost(error: BaseException | None) -> HandlerResult:
    """The result of a handler whose session ended while it ran."""
    content = failure("handler_session_lost", "the database session ended while the handler ran")
    return HandlerResult(ending=Ending.FAILED, content=content, error=error, unsure=True, lost=True)


async def _with_db(call: Call, transaction: Transaction, wanted: Handle, time: HandlerTime) -> HandlerResult:
    """Lend the handler its `db`.

    What an ORM session cannot write in the end is a technical failure too.
    """
    result: HandlerResult | None = None
    try:
        async with transaction.handle(wanted) as db:
            result = await invoke(call, db, time, transaction.interrupt)
            if result.ending in _WITHOUT_EFFECT:
                raise _NotDone
    except _NotDone:
        assert result is not None
    except BarrierBroken:
        raise
    except Exception as error:
        if result is None or result.ending not in _WITHOUT_EFFECT:
            return _failed(call, code_of(error), error)
        return replace(result, unsure=True)  # its `db` cannot even be closed
    return result
