"""A participant's spans to a collector: OpenTelemetry's SDK for the processes that `saga` runs. The kit knows its API only.

Import this only where a collector is named: SDK and exporter take a third of a second. A collector that is away or slow costs spans and
no work: they wait in a bounded queue, then the oldest are dropped, a warning says so once an outage, and a stop waits a bounded time.
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
"""For one try at a batch, with the exporter's own repetitions."""
BATCH_LIMIT_S: Final = 30.0
"""A batch that nobody takes for so long is dropped; the next ones wait behind it, as many as the queue holds."""
_RETRY_S: Final = 1.0
STOP_LIMIT_S: Final = 2.0
"""What a stop may take for the spans that have not left yet."""
_SCHEDULE_DELAY_MS: Final = 1_000.0
_PROCESS: Final = ("process.pid", "process.executable.name", "process.runtime.name", "process.runtime.version")
"""Not the command line: it may hold what is nobody's business."""
_QUEUE_LOGGER: Final = "opentelemetry.sdk._shared_internal"

_LOG: Final = logging.getLogger("saga_cli.participant_spans")


class ParticipantSpans:
    """The SDK of one participant. The sampler obeys the saga's decision, unless OTEL_TRACES_SAMPLER says otherwise."""

    def __init__(self, name: str, otlp: Otlp, *, own_process: bool = True) -> None:
        """`own_process`: the process is this participant's, so the environment may name the service (OTEL_SERVICE_NAME)."""
        self._errors = ExporterErrors("traces", "span")
        exporter = span_exporter(otlp.endpoint, otlp.protocol, EXPORT_TIMEOUT_S)
        self._exporter = _Exporter(exporter, otlp.endpoint, self._errors)
        schedule_delay_ms = None if "OTEL_BSP_SCHEDULE_DELAY" in os.environ else _SCHEDULE_DELAY_MS
        self.provider = TracerProvider(resource=_resource(name, own_process), shutdown_on_exit=False)
        self.provider.add_span_processor(BatchSpanProcessor(self._exporter, schedule_delay_millis=schedule_delay_ms))

    def flush(self, limit_s: float) -> bool:
        """Send what has ended; whether the collector took it within the limit. Blocks."""
        return _within(limit_s, self.provider.force_flush) and not self._exporter.losing

    def close(self) -> None:
        """Send what is left, within STOP_LIMIT_S and a little. Blocks."""
        if not _within(STOP_LIMIT_S, self.provider.shutdown):
            self._exporter.shutdown()  # ends a repetition that waits, and a call by gRPC
            _LOG.warning("ended before the collector at %s had taken all spans", self._exporter.endpoint)
        self._errors.close()


@contextmanager
def exporting(name: str, otlp: Otlp) -> Iterator[None]:
    """The process's spans go to the collector while the block runs. An SDK that the participant's module installed itself stays."""
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
    """Another one, which says once an outage what it cannot deliver."""

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
        """A batch was dropped, and none was taken since."""
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
        except Exception as error:  # they answer by their result, but who knows what lies below them
            return f"{type(error).__name__}: {error}"
        return None if result is SpanExportResult.SUCCESS else self._errors.last

    def shutdown(self) -> None:
        """Also from another thread, while a batch is on its way."""
        if not self._closed.is_set():
            self._closed.set()
            self._inner.shutdown()


def _resource(name: str, own_process: bool) -> Resource:
    process = ProcessResourceDetector().detect().attributes
    own = Resource({"service.name": name, **{key: process[key] for key in _PROCESS if key in process}})
    named = OTELResourceDetector().detect() if own_process else Resource.get_empty()
    return Resource.create().merge(own).merge(named)


def _within(limit_s: float, work: Callable[[], object]) -> bool:
    """Run it in a thread of its own; whether it ended in time. One that does not goes with the process."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(limit_s)
    return not thread.is_alive()
