"""An effect that no saga owns is undone: what its compensation says, and what an answer to it
means. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from saga_coordinator.definitions.avro_types import assignable, type_of
from saga_coordinator.definitions.compile import CompiledDefinition
from saga_coordinator.definitions.messages import CommandMessage
from saga_coordinator.engine.definition import Step
from saga_coordinator.store.port import LostEffect
from saga_coordinator.store.sweep_tables import UNDONE
from saga_schemas.catalog import Catalog
from saga_schemas.codec import decode, encode
from saga_schemas.errors import BadMessage, EncodingFailed, PlainInvalid
from saga_schemas.headers import ReplyHeaders
from saga_schemas.outcomes import Kind, Outcome
from saga_schemas.plain import from_plain, to_plain
from saga_schemas.schema import Schema

_SETTLES = frozenset({Outcome.UNDONE, Outcome.NOTHING_TO_UNDO})


class UndoIncomplete(Exception):
    """The compensation cannot be made of what is known and was given; the message names the
    fields.
    """


def compensation(
    compiled: CompiledDefinition, effect: LostEffect, given: Mapping[str, Any], catalog: Catalog
) -> tuple[str, bytes]:
    """The record and the framed value of the compensation.

    Fields that were not given are taken from the action's reply, then from its command, where they
    have the same name and a type that fits.

    Raises:
        UndoIncomplete: A field is missing or wrong, or the step has no compensation.
    """
    step = compiled.definition.by_name.get(effect.step)
    if step is None or step.participant != effect.participant:
        raise UndoIncomplete(f"{_named(compiled)} has no step {effect.step} of {effect.participant}: name another definition")
    schema = _compensation_schema(compiled, step)
    known = {**_like(schema, _read(effect.command, catalog)), **_like(schema, _read(effect.reply, catalog))}
    plain = {**known, **given}
    missing = [one for name, one in type_of(schema).fields.items() if name not in plain and not one.has_default]
    if missing:
        fields = ", ".join(f"{one.name} ({one.type})" for one in missing)
        raise UndoIncomplete(f"the row of {effect.participant} does not hold all of {schema.full_name}: give {fields}")
    try:
        return schema.full_name, encode(schema, from_plain(schema, plain))
    except PlainInvalid as wrong:
        raise UndoIncomplete(f"{schema.full_name}: {wrong.problems[0].said}") from None
    except EncodingFailed as wrong:
        raise UndoIncomplete(f"{schema.full_name}: {wrong}") from None


def answered(effect: LostEffect, reply: ReplyHeaders, *, now_us: int) -> LostEffect | None:
    """The effect after an answer to its compensation; None: the answer says nothing about it."""
    if reply.kind is not Kind.COMPENSATION or reply.run != effect.run:
        return None
    if reply.outcome in _SETTLES:
        return replace(effect, status=UNDONE, settled_at_us=now_us, note=reply.outcome.value)
    if reply.outcome is Outcome.SUCCEEDED:
        newer = reply.row_run if reply.row_run is not None and reply.row_run > effect.run else None
        return None if newer is None else replace(effect, run=newer, asked_at_us=0, asks=0)
    return None if effect.note == reply.outcome else replace(effect, note=reply.outcome.value)


def _compensation_schema(compiled: CompiledDefinition, step: Step) -> Schema:
    if step.compensation is None:
        raise UndoIncomplete(f"step {step.name} of {_named(compiled)} has no compensation: keep the effect, or undo it by hand")
    message = step.compensation.message
    assert isinstance(message, CommandMessage), "definitions are compiled to these"
    return message.schema


def _read(framed: bytes | None, catalog: Catalog) -> tuple[Schema, Mapping[str, Any]] | None:
    """As plain JSON; None where it is not there, or its schema is not known."""
    if framed is None:
        return None
    try:
        decoded = decode(framed, catalog)
    except BadMessage:
        return None
    return decoded.writer, to_plain(decoded.writer, decoded.value)


def _like(schema: Schema, read: tuple[Schema, Mapping[str, Any]] | None) -> Mapping[str, Any]:
    return {} if read is None else dict(_same(schema, *read))


def _same(schema: Schema, writer: Schema, value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    theirs = type_of(writer).fields
    for name, one in type_of(schema).fields.items():
        if name in theirs and assignable(theirs[name].type, one.type):
            yield name, value[name]


def _named(compiled: CompiledDefinition) -> str:
    return f"{compiled.definition.name}@{compiled.definition.version}"
