"""Spans to a collector by OTLP, with OpenTelemetry's own exporters (gRPC or HTTP); certificates and
headers are those of the standard variables `OTEL_EXPORTER_OTLP_CERTIFICATE` and
`OTEL_EXPORTER_OTLP_HEADERS`.

The resource is the cluster's, not the process's: no instance, host or process id, and nothing is
stamped with the time of the export. So a span that is sent twice, or by two instances, is the same
bytes, and a collector keeps one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from saga_coordinator.settings import OtlpProtocol
from saga_coordinator.traces import spans
from saga_coordinator.traces.collector import SpansRefused
from saga_coordinator.traces.exporter_errors import ExporterErrors

EXPORT_TIMEOUT_S: Final = 10.0
_TRACES_PATH: Final = "/v1/traces"
_KINDS: Final = {spans.SpanKind.INTERNAL: SpanKind.INTERNAL, spans.SpanKind.PRODUCER: SpanKind.PRODUCER}
_SCOPE: Final = InstrumentationScope("saga_coordinator")
_LEAST_NS: Final = 1
"""Jaeger takes a span of no length for one of negative length: it warns, and keeps it twice when it
comes twice."""
_UNSET: Final = Status()
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)


class OtlpCollector:
    """A collector at an OTLP endpoint, for one coordinator cluster."""

    def __init__(
        self,
        endpoint: str,
        protocol: OtlpProtocol,
        *,
        cluster_id: str,
        service_name: str = spans.SERVICE_NAME,
        timeout_s: float = EXPORT_TIMEOUT_S,
    ) -> None:
        """`endpoint`: a base URL, as `http://127.0.0.1:4317`.

        `timeout_s`: for one batch, with the exporter's own repetitions.
        """
        self._resource = Resource({"service.name": service_name, "saga.cluster.id": cluster_id})
        self._complaints = ExporterErrors("traces", "span")
        self._exporter = span_exporter(endpoint, protocol, timeout_s)

    async def send(self, batch: Sequence[spans.Span]) -> None:
        readable = [readable_span(span, self._resource) for span in batch]
        try:
            result = await asyncio.to_thread(self._exporter.export, readable)
        except Exception as error:  # the exporters answer by their result, but who knows what lies below them
            raise SpansRefused(f"{type(error).__name__}: {error}") from error
        if result is not SpanExportResult.SUCCESS:
            raise SpansRefused(self._complaints.last or "the collector did not acknowledge the spans")

    def close(self) -> None:
        self._exporter.shutdown()
        self._complaints.close()


def readable_span(span: spans.Span, resource: Resource) -> ReadableSpan:
    """The span as OpenTelemetry's exporters want it."""
    trace_id = int(span.trace_id, 16)
    tracestate = TraceState.from_header([span.tracestate]) if span.tracestate else None
    context = SpanContext(trace_id, int(span.span_id, 16), is_remote=False, trace_flags=_SAMPLED, trace_state=tracestate)
    return ReadableSpan(
        name=span.name,
        context=context,
        parent=SpanContext(trace_id, int(span.parent_id, 16), is_remote=False, trace_flags=_SAMPLED) if span.parent_id else None,
        resource=resource,
        attributes=span.attributes,
        events=[Event(each.name, each.attributes, timestamp=each.at_us * 1000) for each in span.events],
        links=[Link(SpanContext(trace_id, int(each, 16), is_remote=False, trace_flags=_SAMPLED)) for each in span.links],
        kind=_KINDS[span.kind],
        status=_UNSET if span.error is None else Status(StatusCode.ERROR, span.error),
        start_time=span.start_us * 1000,
        end_time=max(span.end_us * 1000, span.start_us * 1000 + _LEAST_NS),
        instrumentation_scope=_SCOPE,
    )


def span_exporter(endpoint: str, protocol: OtlpProtocol, timeout_s: float) -> SpanExporter:
    """To the base URL of a collector.

    `timeout_s`: for one batch, with the exporter's own repetitions.

    The libraries are imported when needed: who sends no spans does not pay for them.
    """
    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter

        return GrpcExporter(endpoint=endpoint, timeout=timeout_s)
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter

    base = endpoint.rstrip("/")
    return HttpExporter(endpoint=base if base.endswith(_TRACES_PATH) else base + _TRACES_PATH, timeout=timeout_s)
