"""The Jaeger of `saga dev` and the tests: it takes spans by both protocols, shows them at once, and
restarts where it was."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from opentelemetry.trace import Link, SpanKind, Status, StatusCode, Tracer, set_span_in_context

from saga_cli.dev.jaeger import JaegerService
from saga_cli.dev.process import ServiceFailed, free_ports
from saga_cli.dev.services import Jaeger, resolve_jaeger
from saga_coordinator.settings import Settings
from support.jaeger import JaegerClient
from support.processes import SAGA

ENDS_LIMIT_S = 30.0
A_MOMENT_OF_2001_NS = 1_000_000_000 * 10**9


def tracer(service: str, exporter: SpanExporter) -> Tracer:
    provider = TracerProvider(resource=Resource({"service.name": service}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider.get_tracer("test")


def by_grpc(jaeger: Jaeger | JaegerService, service: str) -> Tracer:
    return tracer(service, GrpcExporter(endpoint=jaeger.otlp_grpc, insecure=True))


def by_http(jaeger: Jaeger | JaegerService, service: str) -> Tracer:
    return tracer(service, HttpExporter(endpoint=f"{jaeger.otlp_http}/v1/traces"))


def trace_of_one_span(service: Tracer) -> str:
    with service.start_as_current_span("order") as span:
        return f"{span.get_span_context().trace_id:032x}"


async def test_spans_sent_by_grpc_and_by_http_are_one_trace(jaeger_service: Jaeger) -> None:
    shop, stock = by_grpc(jaeger_service, "shop"), by_http(jaeger_service, "stock")
    started = time.time_ns() // 1000 * 1000
    order = shop.start_span("order", start_time=started, attributes={"order": 17, "rush": True})
    reserve = stock.start_span("reserve", set_span_in_context(order), kind=SpanKind.PRODUCER, start_time=started + 2000)
    reserve.add_event("asked", {"attempt": 1}, timestamp=started + 3000)
    reserve.end(end_time=started + 5000)
    undo = stock.start_span(
        "undo reserve", set_span_in_context(order), kind=SpanKind.CONSUMER, links=[Link(reserve.get_span_context())]
    )
    undo.set_status(Status(StatusCode.ERROR, "refused"))
    undo.end()
    order.end(end_time=started + 9000)
    trace_id = f"{order.get_span_context().trace_id:032x}"

    seen = await JaegerClient(jaeger_service.query_url).wait_for(trace_id, lambda trace: len(trace.spans) == 3)

    root, action, compensation = seen.span("order"), seen.span("reserve"), seen.span("undo reserve")
    assert seen.roots == [root]
    assert seen.children(root) == [action, compensation]
    assert (root.service, action.service, compensation.service) == ("shop", "stock", "stock")
    assert (root.kind, action.kind, compensation.kind) == ("internal", "producer", "consumer")
    assert (root.start_us, root.duration_us) == (started // 1000, 9)
    assert (root.tags["order"], root.tags["rush"]) == (17, True)
    assert [(log.at_us, log.fields) for log in action.logs] == [(started // 1000 + 3, {"event": "asked", "attempt": 1})]
    assert [(link.trace_id, link.span_id) for link in compensation.links] == [(trace_id, action.span_id)]
    assert (action.links, action.failed) == ((), False)
    assert (compensation.failed, compensation.tags["otel.status_description"]) == (True, "refused")


async def test_the_very_same_span_sent_twice_is_shown_once(jaeger_service: Jaeger) -> None:
    exporter = GrpcExporter(endpoint=jaeger_service.otlp_grpc, insecure=True)
    provider = TracerProvider(resource=Resource({"service.name": "twice"}), shutdown_on_exit=False)
    for _ in range(2):
        provider.add_span_processor(SimpleSpanProcessor(exporter))

    trace_id = trace_of_one_span(provider.get_tracer("test"))

    seen = await JaegerClient(jaeger_service.query_url).wait_for(trace_id)
    assert [(span.operation, span.warnings) for span in seen.spans] == [("order", ())]


async def test_traces_are_found_by_service_name_and_tag(jaeger_service: Jaeger) -> None:
    service, client = "test-found-by-tag", JaegerClient(jaeger_service.query_url)
    sender = by_grpc(jaeger_service, service)
    for number, name in enumerate(["order", "order", "refund"]):
        sender.start_span(name, attributes={"number": number}, start_time=A_MOMENT_OF_2001_NS).end(A_MOMENT_OF_2001_NS + 5)

    assert len(await client.find(service)) == 3
    assert len(await client.find(service, "order")) == 2
    assert [trace.span("order").tags["number"] for trace in await client.find(service, tags={"number": "1"})] == [1]
    assert await client.find("test-nobody") == []


async def test_a_trace_nobody_sent_is_none(jaeger_service: Jaeger) -> None:
    client = JaegerClient(jaeger_service.query_url)

    assert await client.trace("1" * 32) is None
    with pytest.raises(AssertionError, match="is not as expected after 0 s: no span"):
        await client.wait_for("1" * 32, limit_s=0)


async def test_a_killed_jaeger_comes_back_on_its_ports(own_jaeger: Callable[[], JaegerService]) -> None:
    jaeger = own_jaeger()
    addresses = (jaeger.otlp_grpc, jaeger.otlp_http, jaeger.query_url)
    before = trace_of_one_span(by_grpc(jaeger, "shop"))
    assert await JaegerClient(jaeger.query_url).trace(before) is not None

    jaeger.kill()
    jaeger.restart()

    assert (jaeger.otlp_grpc, jaeger.otlp_http, jaeger.query_url) == addresses
    client = JaegerClient(jaeger.query_url)
    assert await client.trace(before) is None
    for service in (by_grpc(jaeger, "shop"), by_http(jaeger, "shop")):
        assert await client.trace(trace_of_one_span(service)) is not None


async def test_two_run_at_once_and_each_has_its_own_spans(
    jaeger_service: Jaeger, own_jaeger: Callable[[], JaegerService]
) -> None:
    other = own_jaeger()

    trace_id = trace_of_one_span(by_grpc(other, "shop"))

    assert await JaegerClient(other.query_url).trace(trace_id) is not None
    assert await JaegerClient(jaeger_service.query_url).trace(trace_id) is None


@pytest.mark.parametrize("taken", ["otlp_port", "otlp_http_port", "query_port"])
def test_a_port_in_use_is_one_line_even_where_another_jaeger_answers(jaeger_service: Jaeger, taken: str) -> None:
    url = {"otlp_port": "otlp_grpc", "otlp_http_port": "otlp_http", "query_port": "query_url"}[taken]
    port = urlsplit(getattr(jaeger_service, url)).port

    said = r"Jaeger .* ended while starting; .*address already in use"
    with pytest.raises(ServiceFailed, match=said) as failure, JaegerService(**{taken: port}):
        pass

    assert "\n" not in str(failure.value)


def test_a_given_jaeger_is_used_and_left_running(jaeger_service: Jaeger) -> None:
    grpc, http = urlsplit(jaeger_service.otlp_grpc).port, urlsplit(jaeger_service.otlp_http).port

    with resolve_jaeger(f"{jaeger_service.query_url}/?otlp={grpc}&otlp_http={http}") as given:
        assert (given.query_url, given.version) == (jaeger_service.query_url, jaeger_service.version.split()[0])
        assert (given.otlp_grpc, given.otlp_http) == (jaeger_service.otlp_grpc, jaeger_service.otlp_http)

    assert trace_of_one_span(by_http(jaeger_service, "shop"))
    resolve_jaeger(f"{jaeger_service.query_url}?otlp={grpc}&otlp_http={http}")


def test_a_given_jaeger_whose_otlp_is_elsewhere_is_told(jaeger_service: Jaeger) -> None:
    with pytest.raises(ServiceFailed, match=r"takes no OTLP at 127\.0\.0\.1:1 \(otlp\): write http://host:16686"):
        resolve_jaeger(f"{jaeger_service.query_url}?otlp=1")


def test_saga_dev_jaeger_prints_where_it_is_and_ends_with_its_process() -> None:
    grpc, http, query = free_ports(3)
    options = ["--otlp-port", str(grpc), "--otlp-http-port", str(http), "--query-port", str(query), "-o", "json"]
    with subprocess.Popen([SAGA, "dev", "jaeger", *options], stdout=subprocess.PIPE, text=True) as started:
        try:
            assert started.stdout is not None
            told = ""
            while not told.endswith("\n}\n") and (line := started.stdout.readline()):
                told += line
            address = f"http://127.0.0.1:{query}"
            with resolve_jaeger(f"{address}?otlp={grpc}&otlp_http={http}") as jaeger:
                assert json.loads(told) == {
                    "service": f"Jaeger {jaeger.version}",
                    "address": address,
                    "otlp_grpc": jaeger.otlp_grpc,
                    "otlp_http": jaeger.otlp_http,
                    "environment": (
                        exported := {
                            "SAGA_OTLP_ENDPOINT": jaeger.otlp_grpc,
                            "SAGA_OTLP_METRICS_INTERVAL_S": "0",
                            "SAGA_JAEGER_URL": address,
                        }
                    ),
                }
            started.send_signal(signal.SIGTERM)
            assert started.wait(ENDS_LIMIT_S) == 130
        finally:
            started.kill()

    with pytest.raises(ServiceFailed, match="no Jaeger answers at"):
        resolve_jaeger(address)
    others = {"SAGA_DATABASE_URL": "sqlite+aiosqlite:///x.db", "SAGA_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9"}
    assert Settings.from_env({**others, **exported})  # a coordinator started in that shell does not refuse them


async def test_with_a_directory_a_killed_jaeger_still_knows_its_spans(
    own_jaeger: Callable[..., JaegerService], tmp_path: Path
) -> None:
    jaeger = own_jaeger(tmp_path / "spans")
    trace_id = trace_of_one_span(by_grpc(jaeger, "shop"))
    await JaegerClient(jaeger.query_url).wait_for(trace_id)
    jaeger.kill()
    jaeger.start()
    assert (await JaegerClient(jaeger.query_url).wait_for(trace_id)).span("order").service == "shop"
