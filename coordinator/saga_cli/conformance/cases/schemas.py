"""Commands in schemas that the participant was not built with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from uuid import uuid4

from saga_cli.conformance.case import Case, case
from saga_cli.conformance.findings import Deviation, NotHere
from saga_cli.conformance.given import Part
from saga_cli.conformance.messages import MADE_UP, Command, Reply, act
from saga_cli.conformance.saga import TestedSaga, expect
from saga_cli.conformance.stage import Stage
from saga_messaging.broker import Outgoing
from saga_schemas.codec import decode, encode
from saga_schemas.published import HEADERS, schema_key
from saga_schemas.schema import Schema

_READING: Final = "what-is-wrong-and-what-happens"
_TOPIC: Final = "the-topic-of-schemas"
_UNKNOWN: Final = (
    "A record that is handled, in an unknown schema: wait some seconds for it on saga.schemas; then FAILED unknown_schema."
)
_MISMATCH: Final = "A record that is handled, whose schema does not resolve to the reader's: FAILED schema_mismatch."
_UNTRUSTED: Final = "Do not trust it. Take a schema only when its canonical document has the id of the key."


@case("schemas.newer", "a command in a newer schema that stands on saga.schemas", _UNKNOWN, _TOPIC)
async def _newer(stage: Stage) -> None:
    saga = stage.saga()
    command, schema = _widened(saga)
    await _published(stage, schema, schema.id)
    await saga.send(command)
    expect(saga, await saga.answer(command), "SUCCEEDED")


@case("schemas.unknown", "a command in a schema that is nowhere", _UNKNOWN, _READING, idle=True)
async def _unknown(stage: Stage) -> None:
    saga = stage.saga()
    command, _ = _widened(saga)
    await saga.send(command)
    _failed(saga, await saga.answer(command), "unknown_schema")
    expect(saga, await saga.ask(act()), "SUCCEEDED")


@case("schemas.lie", "a schema on saga.schemas under the key of another", _UNTRUSTED, _TOPIC, idle=True)
async def _lie(stage: Stage) -> None:
    saga = stage.saga()
    command, schema = _widened(saga)
    _, other = _widened(saga)
    await _published(stage, other, schema.id)
    await saga.send(command)
    _failed(saga, await saga.answer(command), "unknown_schema")


@case("schemas.mismatch", "a schema on saga.schemas that does not resolve to the participant's", _MISMATCH, _READING)
async def _mismatch(stage: Stage) -> None:
    saga = stage.saga()
    command = saga.command(act())
    schema, value = _unlike(_schema_of(saga))
    await _published(stage, schema, schema.id)
    command = command.valued(encode(schema, value))
    await saga.send(command)
    _failed(saga, await saga.answer(command), "schema_mismatch")


def _schema_of(saga: TestedSaga) -> Schema:
    schema = saga.bench.composer.catalog.latest(saga.bench.given.bodies[Part.ACTION].record)
    assert schema is not None
    return schema


def _widened(saga: TestedSaga) -> tuple[Command, Schema]:
    """An action in a schema that has one field more, which nobody has seen before."""
    known, name = _schema_of(saga), f"check_{uuid4().hex[:12]}"
    more = {"name": name, "type": "string", "default": ""}
    document = {**known.document, "fields": [*known.document["fields"], more], MADE_UP: "check"}
    schema, command = Schema.parse(document), saga.command(act())
    value: dict[str, Any] = decode(command.value or b"", saga.bench.composer.catalog).value
    return command.valued(encode(schema, value | {name: "more"})), schema


def _unlike(known: Schema) -> tuple[Schema, dict[str, Any]]:
    """A record of that name with nothing of its fields, and a value of it."""
    wanted = next((entry["name"] for entry in known.document["fields"] if "default" not in entry), None)
    if wanted is None:
        raise NotHere("every field of the action's record has a default: anything resolves to it")
    name = f"check_{uuid4().hex[:12]}"
    document = {"type": "record", "name": known.full_name, "fields": [{"name": name, "type": "string"}], MADE_UP: "check"}
    return Schema.parse(document), {name: "nothing else"}


async def _published(stage: Stage, schema: Schema, under_id: int) -> None:
    topic = stage.line.topics.schemas
    await stage.line.send([Outgoing(topic=topic, key=schema_key(under_id), value=schema.canonical, headers=HEADERS)])


def _failed(saga: TestedSaga, reply: Reply, code: str) -> None:
    expect(saga, reply, "FAILED")
    said = (reply.content or {}).get("code")
    if said != code:
        raise Deviation(f"{saga.of(reply)} was answered {reply}; the code {code} was expected")


def schema_cases() -> Iterator[Case]:
    yield from (_newer, _unknown, _lie, _mismatch)
