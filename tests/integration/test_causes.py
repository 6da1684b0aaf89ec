"""Each message on Kafka names the one that caused it, and the sweeper, which makes it again from
the database, gives the very bytes that were to leave right after the commit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import httpx
import pytest

from saga_coordinator.api.app import create_app
from saga_coordinator.loops import lookout, sweeper
from saga_coordinator.wiring import Instance
from saga_messaging.background import end
from saga_messaging.broker import Outgoing, Record
from saga_messaging.memory import MemoryBroker
from saga_messaging.sender import Dispatch
from saga_schemas.codec import encode
from saga_schemas.headers import CommandHeaders, StartHeaders
from saga_schemas.outcomes import Kind, Outcome
from support.coordinators import opened, register, running, settings_for
from support.scripted import DONE, UNDONE, Answer, ScriptedParticipant, catalog_of, until

DEFINITION = """
saga: caused
version: 1
input: t.Input
key: ${input.id}
steps:
  - {name: one, participant: one, command: t.Do, compensation: t.Do}
  - {name: two, participant: one, command: t.Do, compensation: none, retry: {attempts: 2, first: 1ms, cap: 1ms}}
"""
CATALOG = catalog_of("t.Input", "t.Do")


def fails_then_refuses(command: CommandHeaders) -> Sequence[Answer]:
    if command.step == "two":
        return [Answer(outcome=Outcome.FAILED if command.attempt == 1 else Outcome.REJECTED, code="no")]
    return [UNDONE if command.kind is Kind.COMPENSATION else DONE]


async def started_over_http(instance: Instance, broker: MemoryBroker) -> str:
    """The request id that the API made."""
    transport = httpx.ASGITransport(create_app(instance.coordinator))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        answer = await http.post("/v1/sagas", json={"definition": "caused", "input": {"id": "k"}})
    assert answer.status_code == 201, answer.text
    return answer.headers["Idempotency-Key"]


async def started_on_kafka(instance: Instance, broker: MemoryBroker) -> str:
    """The start's `ce_id`."""
    headers = StartHeaders(
        message_id="till-4:81", source="/till", record="t.Input", tenant="default", definition="caused", time_us=1
    )
    schema = CATALOG.latest("t.Input")
    assert schema is not None
    start = Outgoing(topic="saga.start", key=None, value=encode(schema, {"id": "k"}), headers=headers.encode())
    await broker.ensure_topics(["saga.start"])
    assert await broker.producer().send_all([start], timeout_s=5) == [None]
    return "till-4:81"


def at(record: Record | Outgoing) -> tuple[int, ...]:
    """Incarnation, version and place: the message's own."""
    return tuple(int(part) for part in headers_of(record)["ce_id"].split(".")[1:])


def headers_of(record: Record | Outgoing) -> dict[str, str]:
    return {name: (value or b"").decode() for name, value in record.headers}


def what(record: Record) -> str:
    given = headers_of(record)
    return "event" if record.topic == "saga.events" else f"{given['ce_sagakind']} {given['ce_sagastep']}"


@pytest.mark.parametrize(("begin", "url"), [(started_over_http, "sqlite_url"), (started_on_kafka, "database_url")])
async def test_every_message_made_again_names_its_cause_in_the_bytes_of_the_first_making(
    begin: Callable[[Instance, MemoryBroker], Awaitable[str]],
    url: str,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sweeper, "OLDER_THAN_US", 0)
    monkeypatch.setattr(lookout, "AT_WORK_S", 0.02)
    store_url, broker = request.getfixturevalue(url), MemoryBroker()
    one = ScriptedParticipant(broker, "one", fails_then_refuses)
    kept: list[Outgoing] = []

    def keep(items: Sequence[Dispatch[Any]]) -> int:
        """Nothing leaves right after its commit."""
        kept.extend(item.record for item in items)
        return 0

    async with opened(store_url) as store:
        await register(store, DEFINITION, CATALOG)
        async with running(store, broker, settings_for(store_url)) as instance:
            instance.sender.offer = keep  # type: ignore[method-assign]
            answering = asyncio.create_task(one.run())
            start_id = await begin(instance, broker)
            await until(lambda: len(broker.records("saga.events")) == 3 and len(kept) == 7)
            await end((answering,))

    swept = sorted((*broker.records("saga.cmd.one"), *broker.records("saga.events")), key=at)
    assert [(r.topic, r.key, r.value, r.headers) for r in swept] == [
        (r.topic, r.key, r.value, r.headers) for r in sorted(kept, key=at)
    ]
    replies = [headers_of(record) for record in broker.records("saga.reply.one")]
    known = {start_id: "start", **{reply["ce_id"]: reply["ce_sagaoutcome"] for reply in replies}}
    causes = [headers_of(record).get("ce_causationid") for record in swept]
    assert [(what(record), cause and known[cause]) for record, cause in zip(swept, causes, strict=True)] == [
        ("event", "start"),
        ("action one", "start"),
        ("action two", "SUCCEEDED"),
        ("action two", None),
        ("event", "REJECTED"),
        ("compensation one", "REJECTED"),
        ("event", "UNDONE"),
    ]
