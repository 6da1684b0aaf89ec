"""How a saga's trace begins: the caller's, else its own; sampled or not, decided once and obeyed by all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from saga_coordinator.settings import Settings
from saga_coordinator.store.port import SPANS_DUE_MOST
from saga_schemas.frozen import frozen
from saga_schemas.ids import trace_id_of
from saga_schemas.trace_context import SAMPLED, TraceContext, parse_context, valid_baggage

_LOW_BITS: Final = 2**64


@frozen
class TraceStart:
    """What the saga's row remembers of its trace."""

    trace_id: str
    parent_span: str | None
    flags: int
    tracestate: str | None
    baggage: str | None = None


def caller_context(traceparents: Sequence[str], tracestates: Sequence[str]) -> tuple[TraceContext | None, bool]:
    """What a start request's headers say of the caller's trace, and whether something was given that had to be ignored.

    Malformed or there twice: the saga begins a trace of its own, nothing is refused.
    """
    if not traceparents:
        return None, False
    context = parse_context(traceparents[0], ",".join(tracestates)) if len(traceparents) == 1 else None
    return context, context is None


class Sampling:
    """Which sagas are traced. One object an instance; the rest of the system obeys the flag in the saga's row."""

    def __init__(self, ratio: float, *, on_failure: bool = False, baggage: frozenset[str] = frozenset()) -> None:
        """`ratio`: of sagas without a caller's decision; 0 is off, whatever the caller's flag says. `on_failure`: the coordinator's
        spans of a saga that was sampled out are exported when it fails. `baggage`: keys that are carried on."""
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
        """How much waits for the collector: beyond the bound no further saga is sampled, so that a collector that never comes back
        fills no database."""
        self._full = transitions >= SPANS_DUE_MOST

    def begin(self, saga_id: UUID, caller: TraceContext | None, baggage: str | None = None) -> TraceStart:
        """The caller's trace goes on; without one the saga's id gives a new one."""
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
        """The allowed members, as they came."""
        members = [member.strip() for member in baggage.split(",")]
        return ",".join(member for member in members if member.split("=", 1)[0].strip() in self._baggage) or None
