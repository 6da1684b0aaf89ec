"""The records of the protocol itself: Empty, Failure, Progress, SagaEvent, and those of
announcements and their answers.

The .avsc files beside this module are canonical; the models are checked against them when this
module is first imported. A Failure or Progress is cut to its bounds, when it is built and when it
is read: an outcome counts in spite of its text. Nothing but a list can be spelled in two ways in
these records, so the bytes of those without one must be canonical.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from importlib import resources
from itertools import pairwise
from typing import Annotated, ClassVar, Final, TypeVar
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from saga_schemas import limits
from saga_schemas.binding import Binding, bind
from saga_schemas.catalog import Catalog
from saga_schemas.codec import decode, encode
from saga_schemas.errors import BadMessage
from saga_schemas.headers.names import RawHeaders
from saga_schemas.horizon import Horizon
from saga_schemas.ids import saga_text, uuid7_unix_ms, valid_step
from saga_schemas.outcomes import RowState
from saga_schemas.schema import Schema
from saga_schemas.times import from_datetime, to_datetime

NAMESPACE: Final = "saga.v1."
Text = Annotated[str, Field(min_length=1, max_length=limits.TEXT_CHARS)]
_INT32 = Annotated[int, Field(ge=0, le=limits.INT32_MAX)]


class _Own(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class Empty(_Own):
    """Nothing to say beyond the headers."""

    avro_name: ClassVar[str] = "saga.v1.Empty"
    padding: Annotated[int, Field(ge=-limits.INT32_MAX - 1, le=limits.INT32_MAX)] = 0


class Failure(_Own):
    """Why a command was REJECTED or FAILED."""

    avro_name: ClassVar[str] = "saga.v1.Failure"
    code: Annotated[str, Field(min_length=1, max_length=limits.FAILURE_CODE_CHARS)]
    message: Annotated[str, Field(max_length=limits.FAILURE_MESSAGE_CHARS)] = ""
    retry_after_ms: Annotated[int, Field(ge=0, le=limits.RETRY_AFTER_MS)] | None = None

    @classmethod
    def of(cls, code: str, message: str = "", retry_after_ms: int | None = None) -> Failure:
        """Cut to the bounds rather than refused; a code of nothing is `failed`."""
        return cls(
            code=_sendable(code)[: limits.FAILURE_CODE_CHARS] or "failed",
            message=_sendable(message)[: limits.FAILURE_MESSAGE_CHARS],
            retry_after_ms=None if retry_after_ms is None else min(max(0, retry_after_ms), limits.RETRY_AFTER_MS),
        )


class Progress(_Own):
    """IN_PROGRESS: accepted, the answer comes later."""

    avro_name: ClassVar[str] = "saga.v1.Progress"
    note: Annotated[str, Field(max_length=limits.NOTE_CHARS)] = ""

    @classmethod
    def of(cls, note: str = "") -> Progress:
        """Cut to its bound rather than refused."""
        return cls(note=_sendable(note)[: limits.NOTE_CHARS])


class EventKind(StrEnum):
    """What happened to a saga."""

    STARTED = "started"
    SCHEDULED = "scheduled"
    """It waits for its start time, which the reason is; again when that was moved."""
    COMPENSATING = "compensating"
    FINISHED = "finished"
    ATTENTION = "attention"


class SagaEvent(_Own):
    """A lifecycle event of a saga."""

    avro_name: ClassVar[str] = "saga.v1.SagaEvent"
    event: EventKind
    sequence: Annotated[int, Field(ge=0, le=limits.INT64_MAX)]
    saga_id: UUID
    definition: Text
    version: _INT32
    phase: Text
    business_key: Text | None = None
    step: Text | None = None
    reason: Text | None = None
    at: datetime


def _saga_id(value: UUID) -> UUID:
    if value.version != 7:
        raise ValueError("not a UUIDv7")
    return value


def _step(value: str) -> str:
    if not valid_step(value):
        raise ValueError("not a step name")
    return value


def _rising(sagas: tuple[UUID, ...]) -> tuple[UUID, ...]:
    if any(one >= next_one for one, next_one in pairwise(sagas)):
        raise ValueError("not rising, or one twice")
    return sagas


_SagaId = Annotated[UUID, AfterValidator(_saga_id)]
_Step = Annotated[str, AfterValidator(_step)]
_Exceptions = Annotated[tuple[_SagaId, ...], Field(max_length=limits.HORIZON_EXCEPTIONS), AfterValidator(_rising)]
_Digest = Annotated[bytes, Field(min_length=32, max_length=32)]
_Payload = Annotated[bytes, Field(max_length=limits.PAYLOAD_BYTES)]


class HorizonRecord(_Own):
    """The horizon as it is announced."""

    avro_name: ClassVar[str] = "saga.v1.Horizon"
    below: datetime
    exceptions: _Exceptions

    @classmethod
    def of(cls, horizon: Horizon) -> HorizonRecord:
        """Raises ValidationError where it has too many exceptions."""
        return cls(below=_instant(horizon.below_ms), exceptions=tuple(sorted(horizon.exceptions)))

    def horizon(self) -> Horizon:
        """What it says. Raises BadMessage where an exception is not below it."""
        below_ms = _unix_ms(self.below)
        if self.exceptions and uuid7_unix_ms(self.exceptions[-1]) >= below_ms:
            raise BadMessage("invalid_value", f"{self.avro_name}.exceptions: one is not below the horizon")
        return Horizon(below_ms=below_ms, exceptions=frozenset(self.exceptions))


class HorizonHeard(_Own):
    """The answer to a horizon: what the participant remembers."""

    avro_name: ClassVar[str] = "saga.v1.HorizonHeard"
    below: datetime
    asked: _Digest
    """SHA-256 of the value that is answered."""

    @classmethod
    def of(cls, horizon: Horizon, asked: bytes) -> HorizonHeard:
        return cls(below=_instant(horizon.below_ms), asked=asked)

    @property
    def below_ms(self) -> int:
        """In milliseconds since 1970."""
        return _unix_ms(self.below)


class SweepPosition(_Own):
    """A place among barrier rows, in the order of saga id and step."""

    avro_name: ClassVar[str] = "saga.v1.SweepPosition"
    saga_id: _SagaId
    step: _Step


class Sweep(_Own):
    """Asks a participant for a page of its barrier rows."""

    avro_name: ClassVar[str] = "saga.v1.Sweep"
    after: SweepPosition | None = None
    """Only rows behind this one; None: from the beginning."""
    above: datetime
    """Rows of sagas below this time need not be told."""
    limit: Annotated[int, Field(ge=1, le=limits.SWEEP_ROWS)]
    detail: bool = False
    """Whether the rows come with their command and reply."""

    @classmethod
    def of(cls, *, after: SweepPosition | None = None, above_ms: int = 0, limit: int, detail: bool = False) -> Sweep:
        return cls(after=after, above=_instant(above_ms), limit=limit, detail=detail)

    @property
    def above_ms(self) -> int:
        """In milliseconds since 1970."""
        return _unix_ms(self.above)


class SweptRow(_Own):
    """One barrier row, as a sweep's answer tells it."""

    avro_name: ClassVar[str] = "saga.v1.SweptRow"
    saga_id: _SagaId
    step: _Step
    run: Annotated[int, Field(ge=1, le=limits.INT32_MAX)]
    state: RowState
    definition_hash: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    command: _Payload | None = None
    """The framed value of the action's command."""
    action_record: Text | None = None
    action_reply: _Payload | None = None


class SweptRows(_Own):
    """The answer to a sweep: a page of rows."""

    avro_name: ClassVar[str] = "saga.v1.SweptRows"
    rows: Annotated[tuple[SweptRow, ...], Field(max_length=limits.SWEEP_ROWS)]
    after: SweepPosition | None = None
    """As it was asked."""
    next: SweepPosition | None = None
    """Where the next page begins; None: this was the last one."""
    asked: _Digest
    """SHA-256 of the value that is answered."""


def _instant(unix_ms: int) -> datetime:
    return to_datetime(unix_ms * 1000)


def _unix_ms(instant: datetime) -> int:
    return from_datetime(instant) // 1000


Own = Empty | Failure | Progress | SagaEvent | HorizonRecord | HorizonHeard | Sweep | SweptRows
O = TypeVar("O", Empty, Failure, Progress, SagaEvent, HorizonRecord, HorizonHeard, Sweep, SweptRows)  # noqa: E741 - one letter, as type variables are
_WITH_LISTS: Final = frozenset({HorizonRecord, SweptRows})
"""A list may be written in several blocks, and some libraries do."""


def check_models() -> dict[type[BaseModel], Binding[BaseModel]]:
    """Our models against our .avsc files: BindingFailed lists what disagrees."""
    folder = resources.files("saga_schemas") / "avro"
    bindings: dict[type[BaseModel], Binding[BaseModel]] = {}
    for model in O.__constraints__:
        document = json.loads((folder / f"{model.avro_name}.avsc").read_bytes())
        bindings[model] = bind(model, Schema.parse(document))
    return bindings


_BINDINGS: Final = check_models()
_CUT: Final[dict[type[BaseModel], Callable[..., BaseModel]]] = {Failure: Failure.of, Progress: Progress.of}
"""What is read as far as it fits."""
_EVENT: Final = _BINDINGS[SagaEvent].schema
OWN: Final = Catalog(binding.schema for binding in _BINDINGS.values())
"""The schemas of the protocol itself: every process has them."""


def own_schema(model: type[BaseModel]) -> Schema:
    """The schema of one of the models above that are records by themselves."""
    return _BINDINGS[model].schema


def encode_own(record: Own) -> bytes:
    """The framed bytes of a record of ours."""
    binding = _BINDINGS[type(record)]
    return encode(binding.schema, binding.to_value(record))


def encode_event(
    event: str,
    *,
    sequence: int,
    saga_id: UUID,
    definition: str,
    version: int,
    phase: str,
    at_us: int,
    business_key: str | None = None,
    step: str | None = None,
    reason: str | None = None,
) -> bytes:
    """The framed bytes of a SagaEvent, without a model on the way.

    The coordinator makes two a saga, and gives what it has bounded before; only `reason` is cut
    here. Raises EncodingFailed when it does not fit the schema.
    """
    return encode(
        _EVENT,
        {
            "event": event,
            "sequence": sequence,
            "saga_id": saga_text(saga_id),
            "definition": definition,
            "version": version,
            "phase": phase,
            "business_key": business_key,
            "step": step,
            "reason": _reason(reason),
            "at": at_us,
        },
    )


def read_own(framed: bytes, model: type[O], headers: RawHeaders = ()) -> O:
    """A record of ours from untrusted bytes.

    A Failure or Progress beyond its bounds is cut. Refused, it would be refused again whenever its
    command is asked again, since a participant remembers its answers.

    Raises:
        BadMessage: It is not canonical, or not of the model's schema.
    """
    binding = _BINDINGS[model]
    decoded = decode(framed, OWN, None, headers, canonical=model not in _WITH_LISTS)
    if decoded.writer.full_name != binding.schema.full_name:
        raise BadMessage("record_mismatch", f"expected {binding.schema.full_name}, this is a {decoded.writer.full_name}")
    cut = _CUT.get(model)
    record = binding.from_value(decoded.value) if cut is None else cut(**decoded.value)
    assert isinstance(record, model)
    return record


def _sendable(text: str) -> str:
    """Lone surrogates cannot be written in UTF-8: an exception's text may hold them."""
    return text.encode("utf-8", "replace").decode()


def _reason(text: str | None) -> str | None:
    return None if text is None else _sendable(text)[: limits.TEXT_CHARS] or None


EMPTY_BYTES: Final = encode_own(Empty())
"""The framed Empty."""
