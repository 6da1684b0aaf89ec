"""What the engine asks for bytes and truths: a command's payload from a saga's context, and a
`when:`.

The same context gives the same bytes: nothing here reads a clock or draws a number. Every failure
is MappingFailed, naming fields and never values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from saga_coordinator.definitions.avro_types import AvroType
from saga_coordinator.definitions.conversion import DoesNotFit, convert
from saga_coordinator.definitions.values import Default, Value
from saga_coordinator.engine.definition import Context, MappingFailed
from saga_schemas import codec
from saga_schemas.catalog import Catalog
from saga_schemas.errors import BadMessage, EncodingFailed
from saga_schemas.headers import StartHeaders
from saga_schemas.inbound import Envelope, StartPayload, read_start_payload
from saga_schemas.schema import Schema

_WRONG_TYPE: Final = "wrong_type"
_SMALL_BYTES: Final = 2_048
_INPUTS_KEPT: Final = 1_024
_INPUTS: Final[dict[tuple[bytes, int], dict[str, Any]]] = {}
"""Inputs decoded lately, by framed bytes and reader schema.

The same bytes under the same schema always give the same value.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replies:
    """Reads the framed bytes of a context under the pinned schemas."""

    catalog: Catalog
    input: Schema
    replies: Mapping[str, Schema]
    command: Schema | None
    """For a compensation: the record its action was sent with."""

    def scope(self, context: Context, steps: frozenset[str]) -> dict[str, Any]:
        """Decoded: the input, the replies of `steps`, the saga's own facts, the action's command.

        Raises MappingFailed.
        """
        scope: dict[str, Any] = {
            "input": read_input(context.input, self.catalog, self.input),
            "steps": {
                name: read_framed(context.replies[name], self.catalog, self.replies[name])
                for name in steps
                if name in context.replies and name in self.replies
            },
            "saga": context.saga,
        }
        if self.command is not None:
            if context.command is None:
                raise MappingFailed("command_missing", f"the {self.command.full_name} of the action is not known")
            scope["command"] = read_framed(context.command, self.catalog, self.command)
        return scope


def read_input(framed: bytes, catalog: Catalog, schema: Schema) -> dict[str, Any]:
    """Decoded, once for all commands of a saga when it is small.

    Nobody changes what they get. Raises MappingFailed.
    """
    if len(framed) > _SMALL_BYTES:
        return read_framed(framed, catalog, schema)
    known = _INPUTS.get((framed, schema.id))
    if known is None:
        known = read_framed(framed, catalog, schema)
        _keep(framed, schema, known)
    return known


def take_input(start: Envelope[StartHeaders], catalog: Catalog, schema: Schema) -> StartPayload:
    """A start's input from untrusted bytes, under the reader's schema.

    `read_input` need not decode it again. Raises BadMessage.
    """
    payload = read_start_payload(start, catalog, schema)
    if payload.as_written and len(payload.framed) <= _SMALL_BYTES:
        _keep(payload.framed, schema, payload.value)
    return payload


def _keep(framed: bytes, schema: Schema, value: dict[str, Any]) -> None:
    if len(_INPUTS) >= _INPUTS_KEPT:
        _INPUTS.pop(next(iter(_INPUTS)))
    _INPUTS[framed, schema.id] = value


def read_framed(framed: bytes, catalog: Catalog, schema: Schema) -> dict[str, Any]:
    """Decoded under a pinned schema. Raises MappingFailed."""
    try:
        return codec.decode(framed, catalog, schema).value
    except BadMessage as problem:
        raise MappingFailed("decoding_failed", f"{schema.full_name}: {problem.reason}") from problem


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldSource:
    """One field of a command and where its value comes from."""

    name: str
    type: AvroType
    value: Value


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandMessage:
    """A `saga_coordinator.engine.definition.Message`."""

    schema: Schema
    fields: tuple[FieldSource, ...]
    reads: frozenset[str]
    """Steps whose replies some field reads."""
    replies: Replies

    @property
    def record(self) -> str:
        return self.schema.full_name

    def render(self, context: Context) -> bytes:
        scope = self.replies.scope(context, self.reads)
        payload = {one.name: self._field(one, scope) for one in self.fields}
        try:
            return codec.encode(self.schema, payload)
        except EncodingFailed as problem:
            raise MappingFailed("encoding_failed", str(problem)) from problem

    def _field(self, one: FieldSource, scope: Mapping[str, Any]) -> Any:
        if isinstance(one.value, Default):
            return one.value.value
        try:
            return convert(one.value.make(scope), one.type, one.name)
        except DoesNotFit as problem:
            raise MappingFailed(_WRONG_TYPE, f"{self.record}.{problem}") from None


@dataclass(frozen=True, slots=True)
class Predicate:
    """A `saga_coordinator.engine.definition.Condition`."""

    value: Value
    replies: Replies

    @property
    def reads(self) -> frozenset[str]:
        return self.value.reads

    def holds(self, context: Context) -> bool:
        held = self.value.make(self.replies.scope(context, self.reads))
        if not isinstance(held, bool):
            raise MappingFailed(_WRONG_TYPE, "when: gives no boolean")
        return held
