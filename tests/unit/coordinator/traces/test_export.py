"""What an exporter is handed of a span."""

from __future__ import annotations

from dataclasses import replace

from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import SpanKind, StatusCode

from saga_coordinator.traces.collector import SPANS_AT_ONCE, batches
from saga_coordinator.traces.export import readable_span
from support.spans import TRACED, named, spans

RESOURCE = Resource({})


def test_ids_parent_kind_status_times_and_links_are_the_spans() -> None:
    found = spans("reserve:SUCCEEDED wait:1 charge:REJECTED wait:1 reserve:UNDONE", saga=replace(TRACED, tracestate="vendor=1"))
    (charge,), (undo,), (reserve,) = named(found, "charge"), named(found, "undo reserve"), named(found, "reserve")
    out = readable_span(charge, RESOURCE)
    assert out.context is not None and out.parent is not None
    assert (f"{out.context.trace_id:032x}", f"{out.context.span_id:016x}") == (charge.trace_id, charge.span_id)
    assert (f"{out.parent.span_id:016x}", out.kind, out.status.status_code) == (
        charge.parent_id,
        SpanKind.PRODUCER,
        StatusCode.ERROR,
    )
    assert (out.start_time, out.end_time) == (charge.start_us * 1000, charge.end_us * 1000)
    assert out.context.trace_state.to_header() == "vendor=1"
    assert [f"{link.context.span_id:016x}" for link in readable_span(undo, RESOURCE).links] == [reserve.span_id]


def test_no_span_goes_out_without_a_length() -> None:
    """Jaeger would take it for one of negative length, and keep it twice when it comes twice."""
    (mark,) = spans("")
    assert mark.start_us == mark.end_us
    out = readable_span(mark, RESOURCE)
    assert out.start_time is not None and out.end_time == out.start_time + 1


def test_a_request_is_bounded() -> None:
    (mark,) = spans("")
    assert [len(batch) for batch in batches([mark] * (2 * SPANS_AT_ONCE + 1))] == [SPANS_AT_ONCE, SPANS_AT_ONCE, 1]
