"""A coordinator's figures as they are read: `/metrics` in both formats, and a collector behind
OTLP."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as classic

from saga_coordinator.api.app import create_app
from saga_coordinator.settings import OtlpProtocol
from saga_coordinator.telemetry.catalog import ALL, Type
from saga_coordinator.traces.spans import attempt_span_id, root_span_id
from saga_coordinator.wiring import Instance
from saga_messaging.background import end
from saga_messaging.broker import Outgoing
from saga_messaging.memory import MemoryBroker
from saga_schemas.headers import CommandHeaders, StartHeaders
from saga_schemas.outcomes import Kind, Outcome
from support.collector import Collector
from support.coordinators import closed, opened, register, running, settings_for, start
from support.paths import DOCS
from support.scripted import DONE, FENCED, UNDONE, Answer, ScriptedParticipant, catalog_of, until

DEFINITION = """
saga: counted
version: 1
input: t.Input
steps:
  - {name: one, participant: part, command: t.Do, compensation: t.Do}
  - {name: two, participant: part, command: t.Do, compensation: none, retry: {attempts: 2, first: 1ms, cap: 1ms}}
"""
CATALOG = catalog_of("t.Input", "t.Do")
PAGE = (DOCS / "metrics.md").read_text()
OPENMETRICS = {"accept": "application/openmetrics-text"}
NOT_THE_PROJECTOR = "api,replies,starts,timers,sweeper,watchdog"


def fails_once(command: CommandHeaders) -> Sequence[Answer]:
    """Step two fails, is retried, and then says no. Its answers tell their times."""
    if command.kind is Kind.ACTION and command.step == "two":
        outcome = Outcome.FAILED if command.attempt == 1 else Outcome.REJECTED
        return [Answer(outcome=outcome, code="no", taken_at_us=time.time_ns() // 1000, handler_us=1)]
    return [{Kind.ACTION: DONE, Kind.COMPENSATION: UNDONE, Kind.RESOLVE: FENCED}[command.kind]]


class Watched:
    """A coordinator at work, what its participant was asked, and its metrics."""

    def __init__(
        self, broker: MemoryBroker, instance: Instance, participant: ScriptedParticipant, http: httpx.AsyncClient
    ) -> None:
        self.broker, self.instance, self.participant, self.http = broker, instance, participant, http

    async def saga(self) -> str:
        saga_id = await start(self.instance, "counted", {"id": "x"})
        assert await closed(self.instance, saga_id) == "COMPENSATED"
        return str(saga_id)

    async def send_start(self, definition: str, value: bytes = b"") -> None:
        headers = StartHeaders(
            message_id=str(uuid4()), source="/test", record="t.Input", tenant="default", definition=definition, time_us=1
        )
        producer = self.broker.producer()
        await producer.start()
        record = Outgoing(topic="saga.start", key=b"k", value=value, headers=headers.encode())
        assert await producer.send_all([record], timeout_s=5) == [None]
        await producer.stop()

    async def families(self) -> dict[str, Any]:
        text = (await self.http.get("/metrics", headers=OPENMETRICS)).text
        return {family.name: family for family in openmetrics(text)}  # type: ignore[no-untyped-call]

    async def value(self, name: str, **labels: str) -> float | None:
        for family in (await self.families()).values():
            for sample in family.samples:
                if sample.name == name and sample.labels == labels:
                    return float(sample.value)
        return None

    async def until_shown(self, name: str, expected: Callable[[float], bool], **labels: str) -> None:
        async with asyncio.timeout(30):
            while (shown := await self.value(name, **labels)) is None or not expected(shown):  # noqa: ASYNC110 - as a scraper does
                await asyncio.sleep(0.05)

    async def exemplars(self) -> dict[str, list[dict[str, str]]]:
        return {
            name: [sample.exemplar.labels for sample in family.samples if sample.exemplar is not None]
            for name, family in (await self.families()).items()
            if any(sample.exemplar is not None for sample in family.samples)
        }


@asynccontextmanager
async def watched(url: str, **settings: object) -> AsyncIterator[Watched]:
    broker = MemoryBroker()
    participant = ScriptedParticipant(broker, "part", fails_once)
    async with opened(url) as store:
        await register(store, DEFINITION, CATALOG)
        answering = asyncio.create_task(participant.run())
        try:
            async with running(store, broker, settings_for(url, **settings)) as instance:
                transport = httpx.ASGITransport(create_app(instance.coordinator))
                async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8700") as http:
                    yield Watched(broker, instance, participant, http)
        finally:
            await end((answering,))


def named_on_the_page() -> set[str]:
    table = PAGE.partition("\n## Metrics\n")[2].partition("\n## Alerts\n")[0]
    return set(re.findall(r"^\| `(saga_\w+)` \|", table, re.MULTILINE))


async def test_every_metric_of_the_page_is_served_in_both_formats_and_no_other(sqlite_url: str) -> None:
    async with watched(sqlite_url) as at_work:
        await at_work.saga()
        plain = await at_work.http.get("/metrics")
        open_ = await at_work.http.get("/metrics", headers=OPENMETRICS)

    assert plain.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert open_.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    told = {metric.name: metric.type.value for metric in ALL}
    assert told.keys() == named_on_the_page()
    types = dict(re.findall(r"^# TYPE (saga_\w+) (\w+)$", plain.text, re.MULTILINE))
    assert {name: kind for name, kind in types.items() if not name.endswith("_created")} == told
    families = {family.name: family.type for family in openmetrics(open_.text)}  # type: ignore[no-untyped-call]
    assert families == {metric.family: metric.type.value for metric in ALL}
    assert list(classic(plain.text))


async def test_what_a_saga_did_is_counted(sqlite_url: str) -> None:
    async with watched(sqlite_url) as at_work:
        await at_work.saga()
        order = {"definition": "counted"}

        assert await at_work.value("saga_started_total", **order) == 1
        assert await at_work.value("saga_finished_total", **order, phase="COMPENSATED") == 1
        assert await at_work.value("saga_retries_total", **order, step="two", kind="action", cause="failed") == 1
        latency = "saga_step_latency_seconds_count"
        for outcome in ("FAILED", "REJECTED"):
            assert await at_work.value(latency, **order, step="two", kind="action", outcome=outcome) == 1
        assert await at_work.value(latency, **order, step="one", kind="compensation", outcome="UNDONE") == 1
        for part in ("queue", "handler", "wire"):
            assert await at_work.value("saga_attempt_part_seconds_count", participant="part", part=part) == 2
        assert (await at_work.value("saga_attempt_part_seconds_sum", participant="part", part="handler") or 0) <= 2e-6
        assert await at_work.value("saga_start_batch_requests_count", source="http") == 1
        assert (await at_work.value("saga_reply_batch_records_sum") or 0) == 4
        assert (await at_work.value("saga_timer_batch_sagas_count") or 0) >= 1  # the retry
        await at_work.until_shown("saga_drained_age_seconds", lambda age: 0 <= age < 60, topic="saga.reply.part")
        await at_work.until_shown("saga_sender_sent_records_total", lambda sent: sent >= 4)


async def test_a_refused_start_is_counted_by_its_door(sqlite_url: str) -> None:
    async with watched(sqlite_url) as at_work:
        await at_work.saga()
        over_http = await at_work.http.post("/v1/sagas", json={"definition": "unheard-of", "input": {}})
        await at_work.send_start("unheard-of")
        await at_work.send_start("counted", b"not Avro")
        refused = "saga_start_refusals_total"

        assert over_http.status_code == 404
        assert await at_work.value(refused, source="http", cause="definition_unknown") == 1
        await at_work.until_shown(refused, lambda count: count == 1, source="kafka", cause="definition_unknown")
        await at_work.until_shown(refused, lambda count: count == 1, source="kafka", cause="bad_framing")
        for cause in ("definition_unknown", "bad_framing"):
            assert await at_work.value("saga_dead_letters_total", consumer="starts", reason=cause) == 1


async def test_gauges_come_from_the_database(sqlite_url: str) -> None:
    async with watched(sqlite_url) as at_work:
        at_work.participant.answering = False
        await start(at_work.instance, "counted", {"id": "y"})
        await at_work.until_shown("saga_open_sagas", lambda count: count == 1, definition="counted", phase="RUNNING")

        assert await at_work.value("saga_watchdog_trouble", what="figures") == 0


@pytest.mark.parametrize("sampling", [1.0, 0.0])
async def test_only_a_sampled_saga_leaves_its_trace(sqlite_url: str, sampling: float) -> None:
    collector = {"otlp_endpoint": "http://127.0.0.1:9", "trace_sampling": sampling, "roles": NOT_THE_PROJECTOR}
    async with watched(sqlite_url, **collector) as at_work:
        saga_id = await at_work.saga()
        found = await at_work.exemplars()
        plain = (await at_work.http.get("/metrics")).text
        shown = (await at_work.http.get(f"/v1/sagas/{saga_id}")).json()
        commands = {(c.step, c.kind, c.attempt): c for c, _ in at_work.participant.seen}

    assert "trace_id" not in plain  # the classic format has no place for it
    if not sampling:
        assert found == {}
        return
    assert found.keys() == {metric.family for metric in ALL if metric.exemplars}
    assert {ids["trace_id"] for each in found.values() for ids in each} == {shown["trace_id"]}
    again = commands["two", Kind.ACTION, 2]
    span = attempt_span_id(again.message_id, again.saga_id, 1, "two", Kind.ACTION, 1, 2)
    assert [ids["span_id"] for ids in found["saga_retries"]] == [span]
    assert again.traceparent is not None and again.traceparent.split("-")[2] == span
    assert [ids["span_id"] for ids in found["saga_finished"]] == [root_span_id(again.saga_id)]


# --- OTLP -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
async def test_the_same_figures_go_to_a_collector(sqlite_url: str, protocol: OtlpProtocol) -> None:
    with Collector(protocol) as collector:
        settings = {
            "otlp_endpoint": collector.endpoint,
            "otlp_protocol": protocol,
            "otlp_metrics_interval_s": 0.1,
            "instance": "a",
        }
        async with watched(sqlite_url, **settings, roles=NOT_THE_PROJECTOR) as at_work:
            await at_work.saga()
            served = await at_work.families()
            before = len(collector.metrics)
            await until(lambda: len(collector.metrics) > before + 1)  # one of them began after that
            assert await at_work.value("saga_metric_export_failures_total") == 0
    (resource,) = collector.metrics[-1].resource_metrics

    told = {each.key: each.value.string_value for each in resource.resource.attributes}
    assert (told["service.name"], told["service.instance.id"]) == ("saga-coordinator", "a")
    metrics = {metric.name: metric for metric in resource.scope_metrics[0].metrics}
    with_series = {metric for metric in ALL if served[metric.family].samples}
    assert len(with_series) > 30
    assert metrics.keys() >= {metric.otel_name for metric in with_series}
    for metric in with_series:
        data = metrics[metric.otel_name]
        assert data.WhichOneof("data") == {Type.COUNTER: "sum", Type.GAUGE: "gauge", Type.HISTOGRAM: "histogram"}[metric.type]
        assert (data.unit, data.description) == (metric.unit, metric.meaning)
    (finished,) = metrics["saga.finished"].sum.data_points
    assert (finished.as_double, {each.key: each.value.string_value for each in finished.attributes}) == (
        1.0,
        {"definition": "counted", "phase": "COMPENSATED"},
    )
