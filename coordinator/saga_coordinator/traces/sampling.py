"""How a saga's trace begins: with the caller's trace or its own, sampled or not.

It is decided once, and all obey.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from saga_coordinator.settings import Settings
from saga_coordinator.store.port import SPANS_DUE_MOST
from saga_schemas.ids import trace_id_of
from saga_schemas.record_class import record
from saga_schemas.trace_context import SAMPLED, TraceContext, parse_context, valid_baggage

_LOW_BITS: Final = 2**64


@record
class TraceStart:
    """What the saga's row remembers of its trace."""

    trace_id: str
    parent_span: str | None
    flags: int
    tracestate: str | None
    baggage: str | None = None


def caller_context(traceparents: Sequence[str], tracestates: Sequence[str]) -> tuple[TraceContext | None, bool]:
    """The caller's trace from the headers of a start, and whether a trace context had to be
    ignored.

    A malformed or repeated `traceparent` refuses nothing: the saga begins a trace of its own.
    """
    if not traceparents:
        return None, False
    context = parse_context(traceparents[0], ",".join(tracestates)) if len(traceparents) == 1 else None
    return context, context is None


class Sampling:
    """Decides which sagas are traced.

    An instance has one; all else obeys the flag in the saga's row.
    """

    def __init__(self, ratio: float, *, on_failure: bool = False, baggage: frozenset[str] = frozenset()) -> None:
        """
        Args:
            ratio: The share of sampled sagas among those whose caller has not decided. 0 samples
                none, whatever the caller says.
            on_failure: Whether the coordinator exports its spans of an unsampled saga when it
                fails.
            baggage: The keys of W3C Baggage that go from a start to its commands.
        """
        self._ratio = ratio
        self._on_failure = on_failure
        self._baggage = baggage
        self._full = False

    @classmethod
    def of(cls, settings: Settings) -> Sampling:
        """As it is configured; without a collector nothing is sampled."""
        ratio = settings.trace_sampling if settings.trace_sampling is not None else 1.0
        keys = frozenset(key.strip() for key in settings.trace_baggage.split(",") if key.strip())
        if settings.otlp_endpoint is None:
            return cls(0.0, baggage=keys)
        return cls(ratio, on_failure=settings.trace_sample_on_failure, baggage=keys)

    @property
    def on_failure(self) -> bool:
        return self._on_failure and not self._full

    def owed(self, transitions: int) -> None:
        """Note how many transitions wait for the collector.

        Beyond the bound no further saga is sampled,

        so that a collector that never comes back fills no database.
        """
        self._full = transitions >= SPANS_DUE_MOST

    def begin(self, saga_id: UUID, caller: TraceContext | None, baggage: str | None = None) -> TraceStart:
        """Continue the caller's trace, or begin one whose id comes from the saga's id."""
        ratio = 0.0 if self._full else self._ratio
        kept = self._kept(baggage) if baggage and self._baggage and valid_baggage(baggage) else None
        if caller is None:
            trace_id = trace_id_of(saga_id)
            flags = SAMPLED if int(trace_id[16:], 16) < ratio * _LOW_BITS else 0
            return TraceStart(trace_id=trace_id, parent_span=None, flags=flags, tracestate=None, baggage=kept)
        flags = caller.flags & SAMPLED if ratio > 0 else 0
        return TraceStart(
            trace_id=caller.trace_id, parent_span=caller.span_id, flags=flags, tracestate=caller.tracestate, baggage=kept
        )

    def _kept(self, baggage: str) -> str | None:
        """The allowed members of the baggage, unchanged."""
        members = [member.strip() for member in baggage.split(",")]
        return ",".join(member for member in members if member.split("=", 1)[0].strip() in self._baggage) or None
