"""`answer(…)`: how the block of an answer given later says what it is. It is checked in the line that says it."""

from __future__ import annotations

from typing import Final, Protocol

from pydantic import BaseModel

from saga_participant.barrier.answers import failure
from saga_participant.barrier.entry import Stored
from saga_participant.barrier.table import Ending
from saga_participant.delivery.invocation import Ended
from saga_participant.handling.registry import Route
from saga_participant.outcomes import Failed, InProgress, Rejected
from saga_schemas.codec import encode

_INSTEAD: Final[dict[type, str]] = {
    Failed: "; to let it be tried again say nothing and leave the block by an exception",
    InProgress: "; news of what goes on is told by progress(ref, note)",
}


class AnswerLater(Protocol):
    """Takes the action's reply, nothing where the action has none, or `Rejected(code, message)`.

    TypeError when it is something else, EncodingFailed when the reply does not fit its schema, RuntimeError when it is called twice.
    """

    def __call__(self, value: BaseModel | Rejected | None = None, /) -> None: ...


class Said:
    """What `answer(…)` was called with."""

    def __init__(self, route: Route) -> None:
        self._route = route
        self._ended: Ended | None = None

    def __call__(self, value: BaseModel | Rejected | None = None, /) -> None:
        if self._ended is not None:
            raise RuntimeError("answer() was called twice in one answering block")
        self._ended = self._read(value)

    @property
    def ended(self) -> Ended:
        if self._ended is None:
            raise RuntimeError("the answering block ended without calling answer(): nothing was recorded")
        return self._ended

    def _read(self, value: object) -> Ended:
        binding = self._route.reply
        if isinstance(value, Rejected):
            return Ended(ending=Ending.REJECTED, content=failure(value.code, value.message))
        if binding is None and value is None:
            return Ended(ending=Ending.DONE)
        if binding is None or not isinstance(value, binding.model):
            wanted = "nothing" if binding is None else binding.model.__name__
            instead = _INSTEAD.get(type(value), "")
            raise TypeError(f"answer() takes {wanted} or Rejected here, not {type(value).__name__}{instead}")
        content = Stored(record=binding.schema.full_name, payload=encode(binding.schema, binding.to_value(value)))
        return Ended(ending=Ending.DONE, content=content)
