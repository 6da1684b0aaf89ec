"""One trace per saga, on every hop and in the rows: who begins it, who continues it, what is
written when it is sampled."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from saga_coordinator.api.app import create_app
from saga_coordinator.settings import Settings
from saga_coordinator.store.port import Store
from saga_coordinator.wiring import Instance
from saga_messaging.background import end_one
from saga_messaging.broker import Outgoing, Record
from saga_messaging.memory import MemoryBroker
from saga_participant.barrier.answers import Answer
from saga_participant.telemetry.tracing import Tracing
from saga_schemas.codec import encode
from saga_schemas.headers import CommandHeaders, StartHeaders
from saga_schemas.outcomes import Kind, Outcome
from support.coordinators import TOKEN_KEYS, closed, opened, register, running, settings_for
from support.scripted import DONE, FENCED, UNDONE, ScriptedParticipant, catalog_of, until
from support.scripted import Answer as Said

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-00"
MALFORMED = {
    "nonsense": ["nonsense"],
    "capitals": [SAMPLED.upper()],
    "no trace id": [f"00-{'0' * 32}-{SPAN}-01"],
    "no span id": [f"00-{TRACE}-{'0' * 16}-01"],
    "version ff": [f"ff-{TRACE}-{SPAN}-01"],
    "more behind version 00": [f"{SAMPLED}-more"],
    "a version that nobody knows": [SAMPLED.replace("00-", "01-", 1)],
    "empty": [""],
    "two of them": [SAMPLED, SAMPLED],
    "very long": [SAMPLED + "x" * 3000],
}
DEFINITION = """
saga: traced
version: 1
input: t.Input
steps:
  - {name: one, participant: one, command: t.Do, compensation: t.Do}
  - {name: two, participant: one, command: t.Do, compensation: none}
"""
BUT_THE_PROJECTOR = "api,replies,starts,timers,sweeper,watchdog"
"""What is owed stays owed, to be looked at."""
CATALOG = catalog_of("t.Input", "t.Do")


def no_to_two(command: CommandHeaders) -> Sequence[Said]:
    """The first step is done and undone, because the second is refused."""
    if command.kind is Kind.ACTION and command.step == "two":
        return [Said(outcome=Outcome.REJECTED, code="no")]
    return [{Kind.ACTION: DONE, Kind.COMPENSATION: UNDONE, Kind.RESOLVE: FENCED}[command.kind]]


@dataclass(frozen=True, slots=True)
class Traced:
    """A coordinator and a participant that says no to the second step."""

    url: str
    instance: Instance
    broker: MemoryBroker
    participant: ScriptedParticipant
    http: httpx.AsyncClient

    async def start(self, traceparents: Sequence[str] = (), tracestate: str | None = None) -> UUID:
        """Over HTTP; the saga is at its end."""
        headers = [("traceparent", each) for each in traceparents] + ([("tracestate", tracestate)] if tracestate else [])
        answer = await self.http.post("/v1/sagas", json={"definition": "traced", "input": {"id": "x"}}, headers=headers)
        assert answer.status_code == 201, answer.text
        saga_id = UUID(answer.json()["id"])
        assert await closed(self.instance, saga_id) == "COMPENSATED"
        return saga_id

    async def start_on_kafka(
        self, traceparents: Sequence[str] = (), tracestate: str | None = None, cloud: Mapping[str, str] | None = None
    ) -> UUID:
        """By `saga.start`; the saga is at its end. `cloud` are further headers, of CloudEvents."""
        key = f"k-{uuid4()}"
        headers = StartHeaders(
            message_id=str(uuid4()),
            source="/test",
            record="t.Input",
            tenant="default",
            definition="traced",
            time_us=1,
            tracestate=tracestate,
        ).encode()
        headers += tuple(("traceparent", each.encode()) for each in traceparents)
        headers += (("tracestate", tracestate.encode()),) if tracestate else ()
        headers += tuple((name, value.encode()) for name, value in (cloud or {}).items())
        schema = CATALOG.latest("t.Input")
        assert schema is not None
        producer = self.broker.producer()
        await producer.start()
        start = Outgoing(topic="saga.start", key=key.encode(), value=encode(schema, {"id": "x"}), headers=headers)
        assert await producer.send_all([start], timeout_s=5) == [None]
        await producer.stop()
        async with asyncio.timeout(20):
            while not (found := await self.rows("SELECT id FROM saga WHERE business_key = $1", key)):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert await closed(self.instance, found[0]["id"]) == "COMPENSATED"
        return UUID(str(found[0]["id"]))

    async def rows(self, sql: str, *arguments: object) -> list[dict[str, Any]]:
        connection = await asyncpg.connect(self.url.replace("postgresql+asyncpg:", "postgresql:", 1))
        try:
            return [dict(row) for row in await connection.fetch(sql, *arguments)]
        finally:
            await connection.close()

    async def trace_of(self, saga_id: UUID) -> dict[str, Any]:
        found = await self.rows("SELECT trace_id, parent_span, trace_flags, tracestate FROM saga WHERE id = $1", saga_id)
        return found[0]

    async def spans_due(self, saga_id: UUID) -> list[dict[str, Any]]:
        return await self.rows("SELECT version, xmin::text AS tx FROM span_due WHERE saga_id = $1 ORDER BY version", saga_id)

    async def journal(self, saga_id: UUID) -> list[dict[str, Any]]:
        return await self.rows("SELECT version, xmin::text AS tx FROM journal WHERE saga_id = $1 ORDER BY version", saga_id)

    def commands(self, saga_id: UUID) -> list[CommandHeaders]:
        return [command for command, _ in self.participant.seen if command.saga_id == saga_id]


@asynccontextmanager
async def traced(url: str, store: Store, settings: Settings, broker: MemoryBroker | None = None) -> AsyncIterator[Traced]:
    broker = broker or MemoryBroker()
    participant = ScriptedParticipant(broker, "one", no_to_two)
    async with running(store, broker, settings) as instance:
        answering = asyncio.create_task(participant.run())
        transport = httpx.ASGITransport(create_app(instance.coordinator))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            yield Traced(url, instance, broker, participant, http)
        await end_one(answering)


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    async with opened(database_url) as store:
        await register(store, DEFINITION, CATALOG)
        yield store


def told(sampling: str) -> dict[str, object]:
    """The setting as `saga serve` reads it."""
    environ = {
        "SAGA_TRACE_SAMPLING": sampling,
        "SAGA_OTLP_ENDPOINT": "http://127.0.0.1:9",
        "SAGA_DATABASE_URL": "sqlite+aiosqlite:///x",
        "SAGA_TOKEN_KEYS": TOKEN_KEYS,
        "SAGA_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
    }
    settings = Settings.from_env(environ)
    return {"trace_sampling": settings.trace_sampling, "otlp_endpoint": settings.otlp_endpoint, "roles": BUT_THE_PROJECTOR}


@pytest.fixture
async def sampling(database_url: str, store: Store) -> AsyncIterator[Traced]:
    async with traced(database_url, store, settings_for(database_url, **told("1"))) as found:
        yield found


@pytest.fixture
async def by_default(database_url: str, store: Store) -> AsyncIterator[Traced]:
    async with traced(database_url, store, settings_for(database_url)) as found:
        yield found


def span_id(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


async def test_a_saga_started_without_a_context_begins_a_trace_of_its_own(sampling: Traced) -> None:
    saga_id = await sampling.start()
    trace = await sampling.trace_of(saga_id)
    assert (len(trace["trace_id"]), trace["parent_span"], trace["trace_flags"]) == (32, None, 1)
    other = await sampling.trace_of(await sampling.start())
    assert other["trace_id"] != trace["trace_id"]


async def test_every_command_of_a_saga_carries_its_trace_and_a_span_of_its_own(sampling: Traced) -> None:
    saga_id = await sampling.start()
    trace = (await sampling.trace_of(saga_id))["trace_id"]
    commands = sampling.commands(saga_id)
    assert [(command.step, command.kind.value) for command in commands] == [
        ("one", "action"),
        ("two", "action"),
        ("one", "compensation"),
    ]
    for command in commands:
        assert command.traceparent == f"00-{trace}-{span_id(command.message_id)}-01"
    assert {command.origin_traceparent for command in commands} == {f"00-{trace}-{span_id(str(saga_id))}-01"}


async def test_a_span_is_due_for_every_transition_and_written_in_its_transaction(sampling: Traced) -> None:
    saga_id = await sampling.start()
    journal = await sampling.journal(saga_id)
    assert len(journal) >= 4
    assert await sampling.spans_due(saga_id) == journal, "version by version, of the same transaction"


async def test_events_carry_the_trace_too(sampling: Traced) -> None:
    saga_id = await sampling.start()
    trace = (await sampling.trace_of(saga_id))["trace_id"]
    consumer = sampling.broker.consumer(group="listener")
    await consumer.start()
    await consumer.subscribe(["saga.events"])
    heard: list[dict[str, str]] = []
    async with asyncio.timeout(20):
        while not any(event["ce_correlationid"] == str(saga_id) for event in heard):
            for position in consumer.awaiting_seek():
                consumer.seek(position, 0)
            records = await consumer.poll(timeout_s=0.2, max_records=100)
            heard += [{name: (value or b"").decode() for name, value in record.headers} for record in records]
    await consumer.stop()
    for event in heard:
        assert event["traceparent"] == f"00-{trace}-{span_id(str(saga_id))}-01", "the root: a span that will be there"
        assert event["ce_traceparent"] == event["traceparent"]


@pytest.mark.parametrize("way", ["start", "start_on_kafka"])
async def test_a_start_with_a_context_continues_that_trace(way: str, sampling: Traced) -> None:
    saga_id = await getattr(sampling, way)([SAMPLED], "vendor=1")
    assert await sampling.trace_of(saga_id) == {
        "trace_id": TRACE,
        "parent_span": SPAN,
        "trace_flags": 1,
        "tracestate": "vendor=1",
    }
    for command in sampling.commands(saga_id):
        assert (command.traceparent or "").split("-")[1::2] == [TRACE, "01"]
        assert command.tracestate == "vendor=1"
    assert await sampling.spans_due(saga_id)


async def test_a_start_with_the_trace_headers_of_cloudevents_alone_continues_that_trace(sampling: Traced) -> None:
    cloud = {"ce_traceparent": SAMPLED, "ce_tracestate": "vendor=1"}
    saga_id = await sampling.start_on_kafka(cloud=cloud)
    assert await sampling.trace_of(saga_id) == {
        "trace_id": TRACE,
        "parent_span": SPAN,
        "trace_flags": 1,
        "tracestate": "vendor=1",
    }
    for command in sampling.commands(saga_id):
        assert (command.traceparent or "").split("-")[1::2] == [TRACE, "01"]
        assert command.origin_traceparent == f"00-{TRACE}-{span_id(str(saga_id))}-01", "the saga's root, not the caller's span"
    assert "saga_trace_context_invalid_total{" not in (await sampling.http.get("/metrics")).text


async def test_traceparent_wins_over_the_one_of_cloudevents(sampling: Traced) -> None:
    other = f"00-{'c' * 32}-{'d' * 16}-01"
    trace = await sampling.trace_of(await sampling.start_on_kafka([SAMPLED], cloud={"ce_traceparent": other}))
    assert (trace["trace_id"], trace["parent_span"]) == (TRACE, SPAN)


async def test_a_malformed_context_of_cloudevents_begins_a_new_trace_and_is_counted(sampling: Traced) -> None:
    trace = await sampling.trace_of(await sampling.start_on_kafka(cloud={"ce_traceparent": "nonsense"}))
    assert (trace["parent_span"], trace["trace_flags"]) == (None, 1)
    assert 'saga_trace_context_invalid_total{source="kafka"} 1.0' in (await sampling.http.get("/metrics")).text


@pytest.mark.parametrize("way", ["start", "start_on_kafka"])
async def test_a_caller_that_does_not_sample_is_obeyed(way: str, sampling: Traced) -> None:
    saga_id = await getattr(sampling, way)([UNSAMPLED])
    trace = await sampling.trace_of(saga_id)
    assert (trace["trace_id"], trace["parent_span"], trace["trace_flags"]) == (TRACE, SPAN, 0)
    assert {(command.traceparent or "")[-3:] for command in sampling.commands(saga_id)} == {"-00"}
    assert await sampling.spans_due(saga_id) == []


@pytest.mark.parametrize("way", ["start", "start_on_kafka"])
async def test_by_default_no_span_is_due_and_the_flag_goes_out_unset_whatever_the_caller_says(
    way: str, by_default: Traced
) -> None:
    for traceparents in ([], [SAMPLED]):
        saga_id = await getattr(by_default, way)(traceparents)
        trace = await by_default.trace_of(saga_id)
        assert trace["trace_flags"] == 0
        assert (trace["trace_id"] == TRACE) == bool(traceparents), "the trace is continued all the same"
        for command in by_default.commands(saga_id):
            assert command.traceparent == f"00-{trace['trace_id']}-{span_id(command.message_id)}-00"
            assert (command.origin_traceparent or "")[-3:] == "-00"
        assert await by_default.spans_due(saga_id) == []


@pytest.mark.parametrize("way", ["start", "start_on_kafka"])
async def test_a_malformed_context_begins_a_new_trace_and_refuses_nothing(way: str, sampling: Traced) -> None:
    for name, given in MALFORMED.items():
        trace = await sampling.trace_of(await getattr(sampling, way)(given, "vendor=1"))
        assert (trace["parent_span"], trace["trace_flags"], trace["tracestate"]) == (None, 1, None), name
        assert trace["trace_id"] != TRACE, name


@pytest.mark.parametrize("way", ["start", "start_on_kafka"])
async def test_a_malformed_tracestate_begins_a_new_trace_too(way: str, sampling: Traced) -> None:
    for tracestate in ("no equals sign", "a=1,a=2", "k=" + "v" * 600):
        trace = await sampling.trace_of(await getattr(sampling, way)([SAMPLED], tracestate))
        assert (trace["trace_id"] != TRACE, trace["parent_span"], trace["tracestate"]) == (True, None, None), tracestate


@pytest.mark.parametrize("way", ["start", "start_on_kafka"])
async def test_what_is_ignored_is_counted_by_the_door_it_came_through(way: str, sampling: Traced) -> None:
    await getattr(sampling, way)(MALFORMED["two of them"])
    source = {"start": "http", "start_on_kafka": "kafka"}[way]
    assert f'saga_trace_context_invalid_total{{source="{source}"}} 1.0' in (await sampling.http.get("/metrics")).text


async def test_a_restart_loses_no_trace(database_url: str, store: Store) -> None:
    broker, settings = MemoryBroker(), settings_for(database_url, **told("1"))
    async with traced(database_url, store, settings, broker) as first:
        first.participant.answering = False
        answer = await first.http.post(
            "/v1/sagas", json={"definition": "traced", "input": {"id": "x"}}, headers={"traceparent": SAMPLED}
        )
        saga_id = UUID(answer.json()["id"])
        await until(lambda: len(first.commands(saga_id)) == 1)
    lost = first.commands(saga_id)[0]
    async with traced(database_url, store, settings_for(database_url), broker) as second:
        await second.http.post(f"/v1/sagas/{saga_id}/cancel", json={"reason": "restarted"})
        assert await closed(second.instance, saga_id) == "COMPENSATED"
        assert {command.origin_traceparent for command in second.commands(saga_id)} == {lost.origin_traceparent}
        assert {(command.traceparent or "").split("-")[1] for command in second.commands(saga_id)} == {TRACE}
        assert await second.spans_due(saga_id) == await second.journal(saga_id), "sampled is decided once, at the start"


# --- the participant's hop ------------------------------------------------------------------------


def command_with(traceparent: str | None) -> CommandHeaders:
    return CommandHeaders(
        message_id="c-1",
        source="/test",
        record="t.Do",
        time_us=1,
        saga_id=UUID("0198c1a2-0000-7000-8000-000000000001"),
        step="one",
        kind=Kind.ACTION,
        run=1,
        attempt=1,
        incarnation=1,
        version=1,
        tenant="default",
        definition_hash="0" * 64,
        expiry_us=1,
        token="t",
        traceparent=traceparent,
    )


RECORD = Record(topic="saga.cmd.one", partition=3, offset=7, timestamp_ms=1, key=b"k", value=b"secret", headers=())


@dataclass(frozen=True, slots=True)
class WithSdk:
    """A participant's tracing with an SDK that keeps the spans."""

    tracing: Tracing
    kept: InMemorySpanExporter


@pytest.fixture
def sdk() -> WithSdk:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return WithSdk(Tracing("one", "saga.one", provider), exporter)


def test_a_participant_with_an_sdk_makes_a_process_span_and_the_reply_carries_it_on(sdk: WithSdk) -> None:
    command = command_with(SAMPLED)
    with sdk.tracing.process(command, RECORD) as processing:
        processing.answered([Answer(to=command, outcome=Outcome.REJECTED)], command)
    (span,) = sdk.kept.get_finished_spans()
    assert (span.name, span.kind, span.status.status_code) == ("process t.Do", SpanKind.CONSUMER, StatusCode.ERROR)
    assert span.parent is not None
    assert (f"{span.context.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, SPAN)
    assert processing.reply_context.traceparent == f"00-{TRACE}-{span.context.span_id:016x}-01"
    assert dict(span.attributes or {}) == {
        "messaging.system": "kafka",
        "messaging.operation.type": "process",
        "messaging.operation.name": "process",
        "messaging.destination.name": "saga.cmd.one",
        "messaging.destination.partition.id": "3",
        "messaging.kafka.message.key": str(command.saga_id),
        "messaging.kafka.offset": 7,
        "messaging.message.id": "c-1",
        "messaging.message.conversation_id": str(command.saga_id),
        "messaging.consumer.group.name": "saga.one",
        "error.type": "REJECTED",
        "saga.participant": "one",
        "saga.id": str(command.saga_id),
        "saga.step": "one",
        "saga.kind": "action",
        "saga.run": 1,
        "saga.attempt": 1,
        "saga.outcome": "REJECTED",
        "saga.duplicate": False,
    }
    assert "secret" not in str(span.to_json())


def test_what_ends_in_an_exception_is_an_error_without_its_words(sdk: WithSdk) -> None:
    with pytest.raises(ValueError, match="4111 1111"), sdk.tracing.process(command_with(SAMPLED), RECORD):
        raise ValueError("secret 4111 1111")
    (span,) = sdk.kept.get_finished_spans()
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "ValueError")
    assert (span.attributes or {})["error.type"] == "ValueError"
    assert "4111 1111" not in str(span.to_json())


def test_an_unsampled_command_makes_no_span_and_its_reply_stays_unsampled(sdk: WithSdk) -> None:
    with sdk.tracing.process(command_with(UNSAMPLED), RECORD) as processing:
        processing.answered([], command_with(UNSAMPLED))
    assert sdk.kept.get_finished_spans() == ()
    traceparent = processing.reply_context.traceparent or ""
    assert (traceparent.split("-")[1], traceparent[-3:]) == (TRACE, "-00")


def test_without_an_sdk_the_commands_own_context_goes_out_again() -> None:
    with Tracing("one", "saga.one").process(command_with(SAMPLED), RECORD) as processing:
        pass
    assert processing.reply_context.traceparent in (None, SAMPLED)
