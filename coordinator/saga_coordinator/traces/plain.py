"""A saga's trace as plain JSON, for the API and `saga trace`.

A span that is read back is identical.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, Field

from saga_coordinator.traces.spans import OpenSpan, Span, SpanEvent, SpanKind, Value
from saga_schemas.times import format_us, parse_us


class PlainEvent(BaseModel):
    """Something that happened while the span lasted."""

    name: str
    at: str
    attributes: Mapping[str, Value]


class PlainOpenSpan(BaseModel):
    """A span that has begun and not ended."""

    span_id: str
    """16 hex digits."""
    parent_id: str | None
    name: str
    kind: SpanKind
    start: str
    attributes: Mapping[str, Value]
    events: list[PlainEvent]
    links: list[str]
    """Ids of spans of the same trace: what this one undoes, or asks about."""

    @classmethod
    def begun(cls, span: OpenSpan) -> PlainOpenSpan:
        return cls(**_beginning(span))


class PlainSpan(PlainOpenSpan):
    """A finished span, as it is exported."""

    trace_id: str
    """32 hex digits."""
    tracestate: str | None
    end: str
    error: str | None
    """Description of an error status."""
    completed_by: int
    """The journal version that completed it."""

    @classmethod
    def of(cls, span: Span) -> PlainSpan:
        return cls(
            **_beginning(span),
            trace_id=span.trace_id,
            tracestate=span.tracestate,
            end=format_us(span.end_us),
            error=span.error,
            completed_by=span.completed_by,
        )

    def span(self) -> Span:
        """The span that this JSON came from. Raises ValueError when a time cannot be read."""
        return Span(
            trace_id=self.trace_id,
            span_id=self.span_id,
            parent_id=self.parent_id,
            tracestate=self.tracestate,
            name=self.name,
            kind=self.kind,
            start_us=parse_us(self.start),
            end_us=parse_us(self.end),
            attributes=self.attributes,
            events=tuple(SpanEvent(each.name, parse_us(each.at), each.attributes) for each in self.events),
            links=tuple(self.links),
            error=self.error,
            completed_by=self.completed_by,
        )


class PlainTrace(BaseModel):
    """The coordinator's part of a saga's trace, made from its journal.

    It needs no collector and no sampling.
    """

    id: str
    """The saga."""
    trace_id: str
    sampled: bool
    """Its spans are exported by the coordinator, and its participants were told to export theirs.
    """
    trace_url: str | None
    """Where Jaeger shows it."""
    service_name: str = Field(description="resource attribute `service.name`")
    cluster_id: str = Field(description="resource attribute `saga.cluster.id`")
    complete: bool
    """The root span is on this page or on one before: the saga has ended, and no span follows."""
    spans: list[PlainSpan]
    """In order of completion."""
    open: list[PlainOpenSpan]
    """On the last page: the spans without an end, the root first."""
    next: int | None
    """The value of `after` for the next page."""


def _beginning(span: OpenSpan) -> dict[str, object]:
    """The fields that open and finished spans share."""
    return {
        "span_id": span.span_id,
        "parent_id": span.parent_id,
        "name": span.name,
        "kind": span.kind,
        "start": format_us(span.start_us),
        "attributes": span.attributes,
        "events": [PlainEvent(name=each.name, at=format_us(each.at_us), attributes=each.attributes) for each in span.events],
        "links": list(span.links),
    }
