"""Calling a handler: its arguments by type, a time limit, and whatever it does (returns, says no, raises anything at all) made an `Ended`.

Nothing a handler raises may stop the participant: SystemExit from a library is a technical failure of one command. The text of an
exception may hold personal data, so neither logs nor replies repeat it: they name its class and the line it came from.
"""

from __future__ import annotations

import asyncio
import re
import traceback
from typing import Any, Final

from pydantic import BaseModel

from saga_participant import outcomes
from saga_participant.answers import EMPTY, failure
from saga_participant.barrier import Ending
from saga_participant.command_log import log_of
from saga_participant.entry import Stored
from saga_participant.handlers import Handler
from saga_participant.outcomes import BarrierBroken, Failed, InProgress, Misused, Rejected
from saga_participant.registry import Route
from saga_participant.step import Step
from saga_participant.time_limit import TimeLimit
from saga_participant.transactions import Handle, Transaction
from saga_schemas.codec import encode
from saga_schemas.envelopes import CommandHeaders
from saga_schemas.errors import EncodingFailed
from saga_schemas.frozen import frozen
from saga_schemas.outcomes import Kind

HANDLER_LIMIT_S: Final = 60.0
_WORD: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@frozen
class Ended:
    """How a handler ended, and what is to be remembered or said of it."""

    ending: Ending
    content: Stored = EMPTY
    """The reply, or the Failure of a no or a technical failure."""
    progress: InProgress | None = None
    error: BaseException | None = None
    """Of a technical failure, to be looked at for the database's fate."""


@frozen
class Call:
    """One call of a handler."""

    route: Route
    command: BaseModel
    headers: CommandHeaders
    step: Step
    action_reply: BaseModel | None = None
    limit_s: float = HANDLER_LIMIT_S


async def invoke(call: Call, db: Any) -> Ended:
    """Run the handler. Only our own cancellation and a broken barrier come out of here as exceptions."""
    try:
        with TimeLimit(call.limit_s) as limit:
            result = await call.route.handler.function(**_arguments(call, db))
        if isinstance(result, Rejected | Failed):
            raise result  # returned, as to `answer(…)`: it means the same
    except BarrierBroken:
        raise
    except Rejected as no:
        return Ended(ending=Ending.REJECTED, content=failure(no.code, no.message))
    except Failed as failed:
        retry_ms = None if failed.retry_after is None else int(failed.retry_after.total_seconds() * 1000)
        return _failed(call, failed.code, failed, failed.message, retry_ms)
    except Misused as misused:  # a no that could not be said: the author has to see what is wrong with it
        log_of(call.headers).error("%s: %s at %s", call.route.handler.name, misused, where(misused))
        return _failed(call, "outcome_misused", misused, str(misused))
    except asyncio.CancelledError as cancelled:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise  # we are being stopped; a handler that raises this by itself has failed
        return _failed(call, "cancelled", cancelled)
    except TimeoutError as late:
        return _failed(call, "handler_timeout" if limit.expired else "timeout", late)
    except BaseException as error:  # SystemExit, KeyboardInterrupt and GeneratorExit included: see above
        return _failed(call, code_of(error), error)
    return _returned(call, result)


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
    if isinstance(result, InProgress) and handler.kind is Kind.ACTION:
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
    return Ended(ending=Ending.FAILED, content=failure(code, message or type(error).__name__, retry_ms), error=error)


def code_of(error: BaseException) -> str:
    """`IntegrityError` as `integrity_error`."""
    return _WORD.sub("_", type(error).__name__).lower()


def where(error: BaseException) -> str:
    """File and line an exception came from, without its text; of a misused outcome the line that made it."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != outcomes.__file__]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "an unknown place"


class _Unwound(Exception):  # carries what was ended past the closing of `db`
    def __init__(self, ended: Ended) -> None:
        self.ended = ended


async def perform(call: Call, transaction: Transaction) -> Ended:
    """Run a transactional handler with its `db`. BarrierBroken when it ended the transaction, whatever it said afterwards."""
    wanted = call.route.handler.handle
    if wanted is None:
        return await invoke(call, None)
    ended = await _with_db(call, transaction, wanted)
    if ended.ending in (Ending.FAILED, Ending.REJECTED) and not transaction.lost() and not await transaction.intact():
        raise BarrierBroken("the handler ended the transaction it was given")
    return ended


async def _with_db(call: Call, transaction: Transaction, wanted: Handle) -> Ended:
    """What an ORM session could not write in the end is a technical failure like any other."""
    try:
        async with transaction.handle(wanted) as db:
            ended = await invoke(call, db)
            if ended.ending in (Ending.FAILED, Ending.REJECTED):
                raise _Unwound(ended)
    except _Unwound as unwound:
        return unwound.ended
    except BarrierBroken:
        raise
    except Exception as error:
        return _failed(call, code_of(error), error)
    return ended
