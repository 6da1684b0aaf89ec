"""Schemas that a participant learns from the coordinator's topic: at the start, when a command
needs one, and from hostile entries none."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from saga_messaging import whole_topic
from saga_messaging.broker import BrokerError, Outgoing
from saga_messaging.memory import MemoryBroker
from saga_participant import Participant
from saga_participant.consuming import schema_topic
from saga_schemas.outcomes import Kind
from saga_schemas.published import HEADERS, schema_key
from saga_schemas.schema import Schema
from support.till.later_schemas import BACK_2, TAKE_2, later, written_in
from support.till.shop import make_till
from support.till.wire import CATALOG, REPLIES, command, records, replies, send, until

TOPIC = "saga.schemas"


async def publish(broker: MemoryBroker, *entries: tuple[bytes | None, bytes | None]) -> None:
    await broker.ensure_topics([TOPIC], compacted=True)
    sent = [Outgoing(topic=TOPIC, key=key, value=value, headers=HEADERS) for key, value in entries]
    assert await broker.producer().send_all(sent, timeout_s=1) == [None] * len(sent)


def entry(schema: Schema) -> tuple[bytes, bytes]:
    return schema_key(schema.id), schema.canonical


def learnt(till: Participant, schema: Schema) -> bool:
    assert till._execution is not None
    return till._execution.registry.catalog.by_id(schema.id) is not None


def outcomes(found: list[Any]) -> list[str]:
    return sorted(reply.outcome.value for reply in found)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema_topic, "AGAIN_S", 0.01)


@pytest.mark.parametrize(
    ("kind", "schema", "outcome"), [(Kind.ACTION, TAKE_2, "SUCCEEDED"), (Kind.COMPENSATION, BACK_2, "NOTHING_TO_UNDO")]
)
async def test_what_stands_there_at_the_start_is_read_before_the_first_command(
    kind: Kind, schema: Schema, outcome: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema_topic, "PATIENCE_S", 0.0)
    broker, (till, _) = MemoryBroker(), make_till()
    await publish(broker, entry(schema))
    await send(broker, written_in(schema, command(kind=kind)))
    async with till.served(broker):
        assert outcomes(await replies(broker, 1)) == [outcome]


async def test_a_command_waits_for_its_schema_and_holds_up_nobody(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite has one worker: if the command waited in it, nobody else would be served."""
    monkeypatch.setattr(schema_topic, "PATIENCE_S", 600.0)
    broker, (till, _) = MemoryBroker(), make_till()
    async with till.served(broker) as _:
        await send(broker, *(written_in(TAKE_2, command()) for _ in range(20)), command())
        assert outcomes(await replies(broker, 1)) == ["SUCCEEDED"]
        service = till._service
        assert service is not None
        await until(lambda: service.workers.in_hand == 20)  # a reply is there a moment before its command is out of hand
        await publish(broker, entry(TAKE_2))
        assert outcomes(await replies(broker, 21)) == ["SUCCEEDED"] * 21
        await until(lambda: service.workers.in_hand == 0)
        assert service.metrics.commands == 21


async def test_what_nobody_brings_is_answered_after_some_seconds_and_at_once_for_a_while(
    quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema_topic, "PATIENCE_S", 0.05)
    broker, (till, _) = MemoryBroker(), make_till()
    async with till.served(broker):
        await send(broker, written_in(TAKE_2, command()))
        assert outcomes(await replies(broker, 1)) == ["FAILED"]
        service = till._service
        assert service is not None and service.processor.schemas.expect(TAKE_2.id) is None
        await send(broker, written_in(TAKE_2, command()))
        assert outcomes(await replies(broker, 2)) == ["FAILED", "FAILED"]


async def test_no_more_than_a_bounded_number_of_schemas_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema_topic, "MOST_WAITED_FOR", 3)
    broker, (till, _) = MemoryBroker(), make_till()
    async with till.served(broker):
        service = till._service
        assert service is not None
        waits = [service.processor.schemas.expect(0x4000_0000 + number) for number in range(5)]
        assert [wait is None for wait in waits] == [False] * 3 + [True] * 2


async def test_while_the_topic_cannot_be_read_the_files_are_enough_and_one_line_says_so(
    caplog: pytest.LogCaptureFixture, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema_topic, "PATIENCE_S", 0.05)
    broker, (till, _) = MemoryBroker(), make_till()
    with caplog.at_level(logging.WARNING, "saga_participant"):
        async with till.served(broker):
            await send(broker, command(), written_in(TAKE_2, command()))
            assert outcomes(await replies(broker, 2)) == ["FAILED", "SUCCEEDED"]
    said = [record.getMessage() for record in caplog.records if "from the files alone" in record.getMessage()]
    assert said == ["schemas come from the files alone: the topic saga.schemas is not there, or may not be read"]


LARGE = later("till.Take", name="x", type=["null", "long"], default=None).document
DEEP: Any = "long"
for _ in range(40):
    DEEP = {"type": "array", "items": DEEP}
TAKE = CATALOG.latest("till.Take")
assert TAKE is not None
HOSTILE: dict[str, tuple[bytes | None, bytes]] = {
    "no JSON": (b"80000000", b"\xff\0garbage"),
    "no schema": (b"80000000", b"[1, 2]"),
    "another id": (schema_key(TAKE.id), TAKE_2.canonical),
    "no id": (None, TAKE_2.canonical),
    "an id in capitals": (schema_key(TAKE_2.id).upper() + b" ", TAKE_2.canonical),
    "recursion": (b"80000000", b'{"type":"record","name":"till.Take","fields":[{"name":"a","type":"till.Take"}]}'),
    "zero width": (
        b"80000000",
        b'{"type":"record","name":"till.Take","fields":[{"name":"a","type":{"type":"array","items":"null"}}]}',
    ),
    "too deep": (
        b"80000000",
        json.dumps({"type": "record", "name": "till.Take", "fields": [{"name": "a", "type": DEEP}]}).encode(),
    ),
    "JSON without end": (b"80000000", b"[" * 200_000),
    "too large": (b"80000000", json.dumps({**LARGE, "x": "y" * 300_000}).encode()),
}


async def test_bad_entries_are_ignored_with_a_line_each_counted_once_and_hide_no_good_one(
    caplog: pytest.LogCaptureFixture, quick: None
) -> None:
    broker, (till, _) = MemoryBroker(), make_till()
    other = Schema.parse({"type": "record", "name": "somebody.Elses", "fields": []})
    await publish(broker, *HOSTILE.values(), (schema_key(TAKE_2.id), None), entry(other), entry(TAKE_2))
    with caplog.at_level(logging.WARNING, "saga_participant"):
        async with till.served(broker):
            service = till._service
            assert service is not None
            for _ in range(3):
                await service.processor.schemas.look()
            assert learnt(till, TAKE_2) and not learnt(till, other)
            assert service.metrics.refused_schemas == len(HOSTILE) - 1, "what is of no record of ours is not looked into"
            await send(broker, written_in(TAKE_2, command()))
            assert outcomes(await replies(broker, 1)) == ["SUCCEEDED"]
    said = [record for record in caplog.records if "bad schema ignored" in record.getMessage()]
    assert len(said) == len(HOSTILE) - 1


async def test_no_more_than_a_bounded_number_of_schemas_is_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema_topic, "MOST_LEARNT", 5)
    broker, (till, _) = MemoryBroker(), make_till()
    many = [later("till.Take", name=f"f{n}", type=["null", "long"], default=None) for n in range(10)]
    await publish(broker, *map(entry, many))
    async with till.served(broker):
        assert sum(learnt(till, one) for one in many) == 5


async def test_a_command_in_hand_when_the_participant_stops_is_answered_first(
    quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema_topic, "PATIENCE_S", 0.2)
    broker, (till, _) = MemoryBroker(), make_till()
    async with till.served(broker):
        await send(broker, written_in(TAKE_2, command()))
        service = till._service
        assert service is not None
        await until(lambda: service.workers.in_hand == 1)
    assert len(await records(broker, REPLIES, 1)) == 1


async def test_a_client_that_breaks_while_it_reads_ends_nothing(
    caplog: pytest.LogCaptureFixture, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = [BrokerError("away"), RuntimeError("a bug of a library")]

    async def broken(*arguments: Any, **named: Any) -> None:
        if errors:
            raise errors.pop()
        await read(*arguments, **named)

    read: Callable[..., Any] = whole_topic.read_whole
    monkeypatch.setattr(schema_topic, "read_whole", broken)
    broker, (till, _) = MemoryBroker(), make_till()
    await publish(broker, entry(TAKE_2))
    async with asyncio.timeout(60), till.served(broker):
        await send(broker, replace(written_in(TAKE_2, command())))
        assert outcomes(await replies(broker, 1)) == ["SUCCEEDED"]
