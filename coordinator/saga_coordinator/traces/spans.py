"""The coordinator's spans as plain data, before an exporter sees them.

Times are microseconds of the database's clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Final
from uuid import UUID

from saga_schemas.ids import saga_text, span_id_of
from saga_schemas.outcomes import Kind

SERVICE_NAME: Final = "saga-coordinator"
"""The resource attribute `service.name` of all spans."""
Value = str | int | bool
FIRST_ATTEMPTS = 5
"""Attempts of one command (step, kind, run) that have a span each; all later ones share one."""


class SpanKind(StrEnum):
    INTERNAL = "internal"
    PRODUCER = "producer"


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """Something that happened while the span lasted."""

    name: str
    at_us: int
    attributes: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSpan:
    """A span that has begun. People see it at once; it is exported only when it has ended."""

    span_id: str
    """16 hex digits."""
    parent_id: str | None
    name: str
    kind: SpanKind
    start_us: int
    attributes: Mapping[str, Value]
    events: tuple[SpanEvent, ...] = ()
    links: tuple[str, ...] = ()
    """Ids of spans of the same trace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span(OpenSpan):
    """One finished span. The same journal always gives the same span, byte for byte."""

    trace_id: str
    """32 hex digits."""
    tracestate: str | None
    end_us: int
    error: str | None = None
    """Description of an error status; None: the status is unset."""
    completed_by: int
    """The journal version that completes it: then it is owed to the collector."""


@lru_cache(maxsize=4096)
def root_span_id(saga_id: UUID) -> str:
    """The id of a saga's root span. The cache is for speed: every message of a saga names it."""
    return span_id_of(saga_text(saga_id))


def started_span_id(saga_id: UUID) -> str:
    return span_id_of(f"{saga_id}/started")


def start_time_span(saga_id: UUID, start_us: int) -> OpenSpan:
    """The wait of a delayed start: from its request to its beginning, or its end without one."""
    return OpenSpan(
        span_id=span_id_of(f"{saga_id}/start-time"),
        parent_id=root_span_id(saga_id),
        name="start time",
        kind=SpanKind.INTERNAL,
        start_us=start_us,
        attributes={"saga.id": str(saga_id)},
    )


def attempt_span_id(message_id: str, saga_id: UUID, incarnation: int, step: str, kind: Kind, run: int, attempt: int) -> str:
    """The id of an attempt's span, which is the parent of the participant's span.

    Each of the first attempts has its own, derived from the command id. Later attempts share one.
    So a step that is asked for ever fills no trace, and no participant's span lacks its parent.
    """
    if attempt <= FIRST_ATTEMPTS:
        return span_id_of(message_id)
    return span_id_of(f"{saga_id}.{incarnation}/{step}/{kind.value}/{run}/later")
