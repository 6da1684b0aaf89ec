"""The loop that sends metrics: what a collector that is away costs, and the last export."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData
from opentelemetry.sdk.resources import Resource
from structlog.testing import capture_logs

from saga_coordinator.loops.metric_export import MetricExport, otlp_exporter
from saga_coordinator.settings import Settings
from saga_coordinator.telemetry.instruments import Instruments
from saga_messaging.errors import ConfigurationError
from support.coordinators import settings_for
from support.hand_clock import HandClock
from support.moves import value
from support.scripted import until

MINUTE = 60.0


class Collected(MetricExporter):
    """An exporter whose collector does as the test says."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[MetricsData] = []
        self.threads: set[int] = set()
        self.answers: Callable[[], MetricExportResult] = lambda: MetricExportResult.SUCCESS
        self.tried = 0
        self.closed = 0

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_: Any) -> MetricExportResult:
        self.threads.add(threading.get_ident())
        try:
            result = self.answers()
            if result is MetricExportResult.SUCCESS:
                self.batches.append(metrics_data)
            return result
        finally:
            self.tried += 1

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        return True

    def shutdown(self, timeout_millis: float = 30_000, **_: Any) -> None:
        self.closed += 1


class Bench:
    def __init__(self) -> None:
        self.clock, self.instruments, self.exporter = HandClock(), Instruments(), Collected()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        loop = MetricExport(
            instruments=self.instruments,
            exporter=lambda: self.exporter,
            resource=Resource({}),
            clock=self.clock,
            interval_s=MINUTE,
        )
        task = asyncio.create_task(loop.run())
        try:
            await until(lambda: self.exporter.tried == 1)
            yield
        finally:
            task.cancel()
            (ended,) = await asyncio.gather(task, return_exceptions=True)
            assert isinstance(ended, asyncio.CancelledError)

    async def next_round(self) -> None:
        before = self.exporter.tried
        while self.exporter.tried == before:  # the loop may not be asleep yet
            await self.clock.move(MINUTE)
            await asyncio.sleep(0.01)

    def failures(self) -> float | None:
        return value(self.instruments.registry, "saga_metric_export_failures_total")


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_figures_go_out_each_round_and_once_more_at_the_end(bench: Bench) -> None:
    async with bench.running():
        bench.instruments.swept(3)
        await bench.next_round()
        sent = len(bench.exporter.batches)
        assert sent >= 2
    assert (len(bench.exporter.batches), bench.exporter.closed) == (sent + 1, 1)
    assert threading.get_ident() not in bench.exporter.threads  # an export may block
    metrics = {metric.name: metric for metric in bench.exporter.batches[1].resource_metrics[0].scope_metrics[0].metrics}
    points: list[Any] = list(metrics["saga.outbox_swept_rows"].data.data_points)
    assert [point.value for point in points] == [3.0]


@pytest.mark.parametrize("trouble", [MetricExportResult.FAILURE, OSError("no route")])
async def test_an_outage_is_told_once_and_counted(bench: Bench, trouble: MetricExportResult | Exception) -> None:
    def away() -> MetricExportResult:
        if isinstance(trouble, Exception):
            raise trouble
        return trouble

    bench.exporter.answers = away
    with capture_logs() as told:
        async with bench.running():
            await bench.next_round()
            await bench.next_round()
            tried = bench.exporter.tried
            bench.exporter.answers = lambda: MetricExportResult.SUCCESS
            await bench.next_round()
            bench.exporter.answers = away
            await bench.next_round()
    assert [line["event"] for line in told] == ["metrics_not_exported", "metrics_exported_again", "metrics_not_exported"]
    assert (bench.failures() or 0) > tried


async def test_a_stop_does_not_wait_for_a_collector_that_is_away(bench: Bench) -> None:
    bench.exporter.answers = lambda: MetricExportResult.FAILURE
    async with bench.running():
        pass
    assert (bench.exporter.tried, bench.exporter.closed) == (1, 1)


# --- settings -------------------------------------------------------------------------------------


def settings(**given: object) -> Settings:
    return settings_for("sqlite+aiosqlite:///x.db", **given)


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("http://c:4318", "http://c:4318/v1/metrics"),
        ("http://c:4318/", "http://c:4318/v1/metrics"),
        ("https://c/otlp/v1/traces", "https://c/otlp/v1/metrics"),
        ("https://c/otlp/v1/metrics", "https://c/otlp/v1/metrics"),
    ],
)
def test_over_http_the_address_is_the_endpoints_with_the_path_of_metrics(given: str, address: str) -> None:
    exporter: Any = otlp_exporter(settings(otlp_endpoint=given, otlp_protocol="http/protobuf"))

    assert exporter._endpoint == address


def test_grpc_is_the_default() -> None:
    exporter = otlp_exporter(settings(otlp_endpoint="http://127.0.0.1:4317"))
    exporter.shutdown()

    assert "grpc" in type(exporter).__module__


@pytest.mark.parametrize("interval_s", [0.05, -1, 3601])
def test_an_interval_that_is_none_is_refused(interval_s: float) -> None:
    with pytest.raises(ConfigurationError, match="SAGA_OTLP_METRICS_INTERVAL_S"):
        settings(otlp_metrics_interval_s=interval_s)


def test_an_interval_of_0_sends_no_metrics_to_a_collector_that_takes_only_traces() -> None:
    assert settings(otlp_endpoint="http://127.0.0.1:4317", otlp_metrics_interval_s=0).exports_metrics is False
    assert settings(otlp_endpoint="http://127.0.0.1:4317").exports_metrics is True
    assert settings().exports_metrics is False
