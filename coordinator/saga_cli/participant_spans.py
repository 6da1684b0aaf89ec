"""Sends a participant's spans to a collector, with OpenTelemetry's SDK.

The kit uses only OpenTelemetry's API.

Import this module only where a collector is named: SDK and exporter take a third of a second to
load. A collector that is away or slow costs spans, but no work. Spans wait in a bounded queue, and
the oldest are dropped when it is full. Each outage logs one warning. A stop waits a bounded time.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from opentelemetry import trace
from opentelemetry.sdk.resources import OTELResourceDetector, ProcessResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from saga_cli.otlp import Otlp
from saga_coordinator.traces.export import span_exporter
from saga_coordinator.traces.exporter_errors import ExporterErrors

EXPORT_TIMEOUT_S: Final = 5.0
"""Limit of one try at a batch, the exporter's own retries included."""
BATCH_LIMIT_S: Final = 30.0
"""A batch that is not taken for so long is dropped. The next batches wait in the queue."""
_RETRY_S: Final = 1.0
STOP_LIMIT_S: Final = 2.0
"""How long a stop waits for spans that have not been sent yet."""
_SCHEDULE_DELAY_MS: Final = 1_000.0
_PROCESS: Final = ("process.pid", "process.executable.name", "process.runtime.name", "process.runtime.version")
"""The command line is not among them: it may hold secrets."""
_QUEUE_LOGGER: Final = "opentelemetry.sdk._shared_internal"

_LOG: Final = logging.getLogger("saga_cli.participant_spans")


class ParticipantSpans:
    """The SDK of one participant.

    Its sampler follows the saga's decision, unless OTEL_TRACES_SAMPLER says otherwise.
    """

    def __init__(self, name: str, otlp: Otlp, *, own_process: bool = True) -> None:
        """Set up the SDK; nothing is sent yet.

        Args:
            name: The participant's name, which becomes `service.name`.
            otlp: The collector.
            own_process: Whether the process is this participant's alone. Then OTEL_SERVICE_NAME may
                name the service.
        """
        self._errors = ExporterErrors("traces", "span")
        exporter = span_exporter(otlp.endpoint, otlp.protocol, EXPORT_TIMEOUT_S)
        self._exporter = _Exporter(exporter, otlp.endpoint, self._errors)
        schedule_delay_ms = None if "OTEL_BSP_SCHEDULE_DELAY" in os.environ else _SCHEDULE_DELAY_MS
        self.provider = TracerProvider(resource=_resource(name, own_process), shutdown_on_exit=False)
        self.provider.add_span_processor(BatchSpanProcessor(self._exporter, schedule_delay_millis=schedule_delay_ms))

    def flush(self, limit_s: float) -> bool:
        """Send the spans that have ended.

        Returns whether the collector took all within `limit_s`. Blocks.
        """
        return _within(limit_s, self.provider.force_flush) and not self._exporter.losing

    def close(self) -> None:
        """Send the spans that are left, for little more than STOP_LIMIT_S. Blocks."""
        if not _within(STOP_LIMIT_S, self.provider.shutdown):
            self._exporter.shutdown()  # ends a retry that waits, and a gRPC call
            _LOG.warning("ended before the collector at %s had taken all spans", self._exporter.endpoint)
        self._errors.close()


@contextmanager
def exporting(name: str, otlp: Otlp) -> Iterator[None]:
    """Send the process's spans to the collector while the block runs.

    An SDK that the participant's module installed stays in place.
    """
    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        _LOG.warning("%s configured OpenTelemetry itself: its spans go where it says, not to %s", name, otlp.endpoint)
        yield
        return
    spans = ParticipantSpans(name, otlp)
    trace.set_tracer_provider(spans.provider)
    try:
        yield
    finally:
        spans.close()


class _Exporter(SpanExporter):
    """Wraps an exporter, tries a batch again, and logs each outage once."""

    def __init__(self, inner: SpanExporter, endpoint: str, errors: ExporterErrors) -> None:
        self.endpoint = endpoint
        self._inner = inner
        self._errors = errors
        self._away = False
        self._dropped = 0
        self._closed = threading.Event()
        logging.getLogger(_QUEUE_LOGGER).setLevel(logging.ERROR)  # a full queue is the same outage

    @property
    def losing(self) -> bool:
        """Whether a batch was dropped and none was taken since."""
        return self._dropped > 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        give_up_at = time.monotonic() + BATCH_LIMIT_S
        while (reason := self._export_error(spans)) is not None:
            if not self._away and not self._closed.is_set():
                _LOG.warning(
                    "spans do not reach the collector at %s, and are dropped when too many wait: %s", self.endpoint, reason
                )
                self._away = True
            if self._closed.wait(_RETRY_S) or time.monotonic() > give_up_at:
                self._dropped += len(spans)
                return SpanExportResult.FAILURE
        if self._away:
            _LOG.info("spans go to %s again; %d were dropped, and those the queue had no place for", self.endpoint, self._dropped)
        self._away, self._dropped = False, 0
        return SpanExportResult.SUCCESS

    def _export_error(self, spans: Sequence[ReadableSpan]) -> str | None:
        """Try once. Returns why it failed, or None."""
        if self._closed.is_set():
            return "it is over"
        try:
            result = self._inner.export(spans)
        except Exception as error:  # exporters return a result, but a library below may raise
            return f"{type(error).__name__}: {error}"
        return None if result is SpanExportResult.SUCCESS else self._errors.last

    def shutdown(self) -> None:
        """End the export, also from another thread while a batch is being sent."""
        if not self._closed.is_set():
            self._closed.set()
            self._inner.shutdown()


def _resource(name: str, own_process: bool) -> Resource:
    process = ProcessResourceDetector().detect().attributes
    own = Resource({"service.name": name, **{key: process[key] for key in _PROCESS if key in process}})
    named = OTELResourceDetector().detect() if own_process else Resource.get_empty()
    return Resource.create().merge(own).merge(named)


def _within(limit_s: float, work: Callable[[], object]) -> bool:
    """Run `work` in a daemon thread and return whether it ended within the limit."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(limit_s)
    return not thread.is_alive()
