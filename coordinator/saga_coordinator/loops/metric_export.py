"""The metrics over OTLP, every minute, when a collector is configured.

An export blocks, so it runs in a thread, with a time limit of its own. A collector that is away
harms nothing. It is logged once and counted; sums are cumulative, so the next export carries
everything again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final
from uuid import uuid4

import structlog
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult
from opentelemetry.sdk.resources import Resource

from saga_coordinator.settings import Settings
from saga_coordinator.telemetry.instruments import Instruments
from saga_coordinator.telemetry.otlp_metrics import metrics_data
from saga_coordinator.traces.exporter_errors import ExporterErrors
from saga_coordinator.traces.spans import SERVICE_NAME
from saga_messaging.clock import Clock

EXPORT_TIMEOUT_S: Final = 10.0
LAST_EXPORT_S: Final = 2.0
"""How long a stop may take to export the figures since the last round."""
_METRICS_PATH: Final = "/v1/metrics"
POINTS_AT_ONCE: Final = 2_000
"""Data points of one request: a collector takes 4 MiB."""


class MetricExport:
    """Exports the metrics of this instance."""

    def __init__(
        self,
        *,
        instruments: Instruments,
        exporter: Callable[[], MetricExporter],
        resource: Resource,
        clock: Clock,
        interval_s: float,
    ) -> None:
        self._instruments = instruments
        self._make_exporter = exporter
        self._resource = resource
        self._clock = clock
        self._interval_s = interval_s
        self._started_ns = clock.unix_us() * 1000
        self._failures = 0
        self._well = False
        """Whether the last export was taken."""
        self._exporter_errors = ExporterErrors("metric")
        self._log = structlog.get_logger("metric_export")

    async def run(self) -> None:
        exporter = self._make_exporter()
        try:
            while True:
                await self.once(exporter)  # the first at once: a wrong address shows at the start
                await self._clock.sleep(self._interval_s)
        except asyncio.CancelledError:
            if self._well:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LAST_EXPORT_S):
                        await self.once(exporter)
            raise
        finally:
            exporter.shutdown()
            self._exporter_errors.close()

    async def once(self, exporter: MetricExporter) -> None:
        try:
            result = await asyncio.to_thread(self._export, exporter, self._clock.unix_us() * 1000)
        except Exception as error:
            self._failed(f"{type(error).__name__}: {error}")
        else:
            self._succeeded() if result is MetricExportResult.SUCCESS else self._failed(self._exporter_errors.last)

    def _export(self, exporter: MetricExporter, now_ns: int) -> MetricExportResult:
        """Runs in a thread."""
        data = metrics_data(self._instruments.registry, self._resource, started_ns=self._started_ns, now_ns=now_ns)
        return exporter.export(data, timeout_millis=EXPORT_TIMEOUT_S * 1000)

    def _failed(self, why: str) -> None:
        self._instruments.metric_export_failed()
        if not self._failures:
            self._log.warning("metrics_not_exported", error=why or "the collector did not acknowledge them")
        self._failures += 1
        self._well = False

    def _succeeded(self) -> None:
        if self._failures:
            self._log.info("metrics_exported_again", failures=self._failures)
        self._failures = 0
        self._well = True


def metric_export(settings: Settings, instruments: Instruments, clock: Clock) -> MetricExport:
    """The export to the endpoint of the settings."""
    identity = {"service.name": SERVICE_NAME, "service.instance.id": settings.instance or str(uuid4())}
    return MetricExport(
        instruments=instruments,
        exporter=lambda: otlp_exporter(settings),
        resource=Resource.create(identity),
        clock=clock,
        interval_s=settings.otlp_metrics_interval_s,
    )


def otlp_exporter(settings: Settings) -> MetricExporter:
    """The exporter for the endpoint of the settings.

    Headers, certificates and compression come from OpenTelemetry's own variables
    (`OTEL_EXPORTER_OTLP_…`).
    """
    assert settings.otlp_endpoint is not None
    if settings.otlp_protocol == "grpc":
        # Imported when needed: a megabyte and a tenth of a second each.
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as Grpc

        return Grpc(endpoint=settings.otlp_endpoint, timeout=EXPORT_TIMEOUT_S, max_export_batch_size=POINTS_AT_ONCE)
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as Http

    base = settings.otlp_endpoint.rstrip("/")
    endpoint = base.removesuffix("/v1/traces").removesuffix(_METRICS_PATH) + _METRICS_PATH
    return Http(endpoint=endpoint, timeout=EXPORT_TIMEOUT_S, max_export_batch_size=POINTS_AT_ONCE)
