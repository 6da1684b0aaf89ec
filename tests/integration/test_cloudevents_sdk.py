"""A start that CloudEvents' own SDK writes begins a saga in its trace, and the SDK reads all that
the saga writes."""

from __future__ import annotations

import asyncio
from typing import Any

from cloudevents.core.bindings.kafka import KafkaMessage, from_binary, to_binary
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from saga_messaging.background import end
from saga_messaging.broker import Outgoing, Record
from saga_messaging.memory import MemoryBroker
from saga_schemas.codec import encode
from support.coordinators import opened, register, running, settings_for
from support.scripted import ScriptedParticipant, catalog_of, until

DEFINITION = """
saga: written
version: 1
input: t.Input
key: ${input.id}
steps:
  - {name: one, participant: one, command: t.Do, compensation: t.Do}
"""
CATALOG = catalog_of("t.Input", "t.Do")
TRACE = "0af7651916cd43dd8448eb211c80319c"


def start() -> Outgoing:
    schema = CATALOG.latest("t.Input")
    assert schema is not None
    event = CloudEvent(
        attributes={
            "id": "web-1",
            "source": "/web",
            "type": "t.Input",
            "datacontenttype": "application/avro",
            "sagaprotocol": "1",
            "sagatenant": "default",
            "sagadefinition": "written",
            "traceparent": f"00-{TRACE}-b7ad6b7169203331-01",
        },
        data=encode(schema, {"id": "k"}),
    )
    message = to_binary(event, JSONFormat())
    assert message.key is None
    return Outgoing(topic="saga.start", key=None, value=message.value, headers=tuple(message.headers.items()))


def read(record: Record) -> Any:
    assert record.value is not None and record.key is not None
    headers = {name: value or b"" for name, value in record.headers}
    return from_binary(KafkaMessage(headers=headers, key=record.key, value=record.value), JSONFormat())


async def test_a_saga_keeps_the_trace_that_the_sdk_wrote(sqlite_url: str) -> None:
    broker = MemoryBroker()
    one = ScriptedParticipant(broker, "one")
    async with opened(sqlite_url) as store:
        await register(store, DEFINITION, CATALOG)
        async with running(store, broker, settings_for(sqlite_url)):
            answering = asyncio.create_task(one.run())
            await broker.ensure_topics(["saga.start"])
            assert await broker.producer().send_all([start()], timeout_s=5) == [None]
            await until(lambda: len(broker.records("saga.events")) == 2)
            await end((answering,))

    (command,), (reply,) = broker.records("saga.cmd.one"), broker.records("saga.reply.one")
    events = [read(record) for record in broker.records("saga.events")]
    assert read(command).get_extension("causationid") == "web-1"
    assert read(reply).get_extension("sagaoutcome") == "SUCCEEDED"
    assert [event.get_type() for event in events] == ["saga.v1.SagaEvent"] * 2
    origins = {read(record).get_extension("traceparent").split("-")[1] for record in (command, reply)}
    assert origins | {event.get_extension("traceparent").split("-")[1] for event in events} == {TRACE}
    assert dict(command.headers)["traceparent"].decode().split("-")[1] == TRACE
    assert events[0].get_extension("sequence") < events[1].get_extension("sequence"), "as text"
