"""`answer(…)` of an `answering` block. Its value is checked in the line that gives it."""

from __future__ import annotations

from typing import Final, Protocol

from pydantic import BaseModel

from saga_participant.barrier.answers import failure
from saga_participant.barrier.entry import Stored
from saga_participant.barrier.table import Ending
from saga_participant.delivery.invocation import HandlerResult
from saga_participant.handling.registry import Route
from saga_participant.outcomes import Failed, InProgress, Rejected
from saga_schemas.codec import encode

_INSTEAD: Final[dict[type, str]] = {
    Failed: "; to let it be tried again say nothing and leave the block by an exception",
    InProgress: "; news of what goes on is told by progress(ref, note)",
}


class AnswerLater(Protocol):
    """The `answer` of an `answering` block: call it once, with what becomes of the accepted work.

    Args:
        value: The action's reply, nothing where the action has none, or `Rejected(code, message)`.

    Raises:
        TypeError: It is anything else.
        EncodingFailed: The reply does not fit its schema.
        RuntimeError: It is called a second time.
    """

    def __call__(self, value: BaseModel | Rejected | None = None, /) -> None: ...


class AnswerCall:
    """The `answer` of one block, and what it was called with."""

    def __init__(self, route: Route) -> None:
        self._route = route
        self._result: HandlerResult | None = None

    def __call__(self, value: BaseModel | Rejected | None = None, /) -> None:
        if self._result is not None:
            raise RuntimeError("answer() was called twice in one answering block")
        self._result = self._read(value)

    @property
    def result(self) -> HandlerResult:
        if self._result is None:
            raise RuntimeError("the answering block ended without calling answer(): nothing was recorded")
        return self._result

    def _read(self, value: object) -> HandlerResult:
        binding = self._route.reply
        if isinstance(value, Rejected):
            return HandlerResult(ending=Ending.REJECTED, content=failure(value.code, value.message))
        if binding is None and value is None:
            return HandlerResult(ending=Ending.DONE)
        if binding is None or not isinstance(value, binding.model):
            wanted = "nothing" if binding is None else binding.model.__name__
            instead = _INSTEAD.get(type(value), "")
            raise TypeError(f"answer() takes {wanted} or Rejected here, not {type(value).__name__}{instead}")
        content = Stored(record=binding.schema.full_name, payload=encode(binding.schema, binding.to_value(value)))
        return HandlerResult(ending=Ending.DONE, content=content)
