"""How a saga's trace begins: the caller's, else its own; sampled or not, decided once and obeyed by all."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from saga_messaging.trace_context import parse
from saga_schemas.ids import trace_id_of

_SAMPLED = 1
_HALF = 2**64


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceStart:
    """What the saga's row remembers of its trace."""

    trace_id: str
    parent_span: str | None
    flags: int
    tracestate: str | None

    @classmethod
    def of(cls, traceparent: str | None, tracestate: str | None, saga_id: UUID, *, sampling: float) -> TraceStart:
        """A malformed context is a new trace, nothing else. Sampling 0 is off, whatever the caller's flag says."""
        caller = parse(traceparent, tracestate)
        if caller is None:
            trace_id = trace_id_of(saga_id)
            flags = _SAMPLED if int(trace_id[16:], 16) < sampling * _HALF else 0
            return cls(trace_id=trace_id, parent_span=None, flags=flags, tracestate=None)
        flags = caller.flags & _SAMPLED if sampling > 0 else 0
        return cls(trace_id=caller.trace_id, parent_span=caller.span_id, flags=flags, tracestate=caller.tracestate)
