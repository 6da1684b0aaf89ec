"""`saga participant run --otlp` as a process, on a real Kafka: what the collector gets, and that a
dead one costs neither work nor rest."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from saga_cli.dev.process import free_port
from saga_demo.settings import SCHEMAS
from saga_messaging.broker import Outgoing
from saga_messaging.kafka import KafkaBroker
from saga_messaging.settings import KafkaSettings
from saga_schemas.catalog import Catalog
from saga_schemas.codec import encode
from saga_schemas.files import read_schemas
from saga_schemas.headers import CommandHeaders
from saga_schemas.ids import command_id, saga_key, uuid7
from saga_schemas.outcomes import Kind
from support.collector import Collector, Span
from support.processes import STOP_LIMIT_S, SagaProcess, clean_environ

CATALOG = Catalog(read_schemas(SCHEMAS))
PARENT = "b" * 16
CHARGED = ["INSERT accounts", "INSERT charges", "INSERT effect_ledger"]


@dataclass(slots=True)
class Payment:
    """The demo's payment as a process, and a sender of commands to it."""

    kafka: str
    process: SagaProcess
    prefix: str

    def command(self, saga_id: UUID | None = None, *, sampled: bool = True) -> Outgoing:
        saga_id = saga_id or uuid7(time.time_ns() // 1000, uuid.uuid4().bytes[:10])
        headers = CommandHeaders(
            message_id=command_id(saga_id, 1, 1, 0),
            source="tests",
            record="shop.ChargeCard",
            time_us=0,
            saga_id=saga_id,
            step="charge",
            kind=Kind.ACTION,
            run=1,
            attempt=1,
            incarnation=1,
            version=1,
            tenant="default",
            definition_hash="0" * 64,
            expiry_us=time.time_ns() // 1000 + 3_600_000_000,
            token="opaque",
            traceparent=f"00-{saga_id.hex}-{PARENT}-0{int(sampled)}",
        )
        value: dict[str, Any] = {"order_id": "o", "account": str(saga_id), "amount": 1, "reason": "order", "faults": []}
        schema = CATALOG.latest("shop.ChargeCard")
        assert schema is not None
        topic = f"{self.prefix}saga.cmd.payment"
        return Outgoing(topic=topic, key=saga_key(saga_id), value=encode(schema, value), headers=headers.encode())

    async def send(self, *commands: Outgoing) -> None:
        broker = KafkaBroker(KafkaSettings(bootstrap_servers=self.kafka))
        producer = broker.producer()
        await producer.start()
        assert await producer.send_all(commands, timeout_s=30) == [None] * len(commands)
        await producer.stop()
        await broker.stop()

    async def ends_when_told(self) -> None:
        """By itself, long before the half minute that OpenTelemetry's SDK would wait."""
        os.kill(self.process.pid, signal.SIGTERM)
        async with asyncio.timeout(STOP_LIMIT_S):
            while self.process.running:  # noqa: ASYNC110  # a process tells nobody
                await asyncio.sleep(0.05)

    async def has_said(self, words: str) -> None:
        async with asyncio.timeout(60):
            while words not in self.process.log.read_text():  # noqa: ASYNC110  # a file tells nobody
                await asyncio.sleep(0.05)


@asynccontextmanager
async def payment(kafka: str, folder: Path, *options: str, **environ: str) -> AsyncIterator[Payment]:
    prefix, port = f"s{uuid.uuid4().hex[:8]}.", free_port()
    variables = {
        **clean_environ(),
        "SAGA_PAYMENT_DATABASE_URL": f"sqlite+aiosqlite:///{folder / 'payment.sqlite'}",
        "SAGA_KAFKA_BOOTSTRAP_SERVERS": kafka,
        "SAGA_TOPIC_PREFIX": prefix,
        **environ,
    }
    command = ("participant", "run", "saga_demo.payment:payment", "--health-port", str(port), *options)
    process = SagaProcess("payment", *command, environ=variables, folder=folder, ready_url=f"http://127.0.0.1:{port}/readyz")
    await process.start()
    try:
        await process.ready()
        yield Payment(kafka, process, prefix)
    finally:
        await process.stop()


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as made:
        yield made


def names(spans: list[Span], saga_id: UUID) -> list[str]:
    return sorted(span.name for span in spans if span.trace_id == saga_id.hex)


async def test_a_command_its_redelivery_and_a_kill_between_them_show_in_the_trace(
    kafka_address: str, tmp_path: Path, collector: Collector
) -> None:
    async with payment(kafka_address, tmp_path, "--otlp", collector.endpoint) as service:
        command, unsampled = service.command(), service.command(sampled=False)
        assert command.key is not None
        saga_id = UUID(command.key.decode())
        await service.send(unsampled, command)
        await asyncio.to_thread(collector.until, lambda found: names(found, saga_id) == [*CHARGED, "process shop.ChargeCard"])
        killed = service.process.pid
        await service.process.kill()
        await service.process.start()
        await service.process.ready()
        await service.send(command)
        await asyncio.to_thread(collector.until, lambda found: names(found, saga_id).count("process shop.ChargeCard") > 1)

    first, *writes = (span for span in collector.trace(saga_id.hex) if span.resource["process.pid"] == killed)
    again = [span for span in collector.trace(saga_id.hex) if span.resource["process.pid"] != killed]
    assert {span.service for span in collector.spans} == {"payment"}
    assert (first.kind, first.parent_id, first.attributes["saga.duplicate"]) == ("CONSUMER", PARENT, False)
    assert [(span.name, span.kind, span.parent_id) for span in writes] == [(name, "CLIENT", first.span_id) for name in CHARGED]
    assert {(span.name, span.parent_id, span.attributes["saga.duplicate"]) for span in again} == {(first.name, PARENT, True)}
    assert {span.trace_id for span in collector.spans} == {saga_id.hex}, "what the saga does not sample is not sent"


async def test_a_collector_that_is_away_for_a_moment_costs_one_warning_and_one_that_hangs_does_not_hold_the_stop(
    kafka_address: str, tmp_path: Path, collector: Collector
) -> None:
    environ = {"SAGA_OTLP_ENDPOINT": collector.endpoint, "OTEL_BSP_SCHEDULE_DELAY": "100", "OTEL_SERVICE_NAME": "till"}
    async with payment(kafka_address, tmp_path, **environ) as service:
        collector.stop()
        waiting = [service.command(), service.command()]
        await service.send(waiting[0])
        await service.has_said("spans do not reach the collector")
        await service.send(waiting[1])
        collector.start()
        sagas = [UUID(command.key.decode()) for command in waiting if command.key is not None]
        found = await asyncio.to_thread(collector.until, lambda found: all(names(found, saga_id) for saga_id in sagas))
        assert {span.service for span in found} == {"till"}
        asked = collector.requests
        collector.hang()
        await service.send(service.command())
        await asyncio.to_thread(collector.until_asked, asked + 1)
        await service.ends_when_told()

    said = [json.loads(line) for line in service.process.log.read_text().splitlines()]
    events = [line["event"] for line in said]
    assert len([event for event in events if event.startswith("spans do not reach")]) == 1
    assert events[-1] == f"ended before the collector at {collector.endpoint} had taken all spans"
    assert {line["logger"].partition(".")[0] for line in said} <= {"saga_participant", "saga_cli", "saga_messaging"}, (
        "and nothing of the libraries'"
    )
