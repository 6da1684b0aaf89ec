"""W3C Trace Context, read and written by the letter: https://www.w3.org/TR/trace-context/ (level 1;
level 2's random flag is kept).

The only place that says what a trace context is, for HTTP and for Kafka, for coordinator and
participants. A context that is malformed, of a version that we do not know, or that comes with a
`tracestate` that is malformed or too large, is no context at all: a trace is then started anew,
nothing fails. Why so strict: docs/adr/0013-what-a-trace-leaves-out.md. Ids are made elsewhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from saga_schemas.limits import BAGGAGE_CHARS, TRACESTATE_CHARS

MAX_TRACESTATE_MEMBERS = 32
SAMPLED = 0x01

_PARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})", re.ASCII)
"""Ids of nothing but zeros are none."""
_KEY = r"(?:[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})"
_VALUE = r"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
_MEMBER = re.compile(f"({_KEY})=({_VALUE})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceContext:
    """One hop's context.

    The ids are lower-case hexadecimal (32 and 16 characters), the flags one byte, `tracestate` is
    as it came.
    """

    trace_id: str
    span_id: str
    flags: int = 0
    tracestate: str | None = None

    @property
    def sampled(self) -> bool:
        """Whether the caller's spans are recorded."""
        return bool(self.flags & SAMPLED)

    def format(self) -> str:
        """The `traceparent` header, always of version 00."""
        return format_traceparent(self.trace_id, self.span_id, self.flags)

    def child(self, span_id: str) -> TraceContext:
        """The same trace, with another span as the parent of what follows."""
        return TraceContext(trace_id=self.trace_id, span_id=span_id, flags=self.flags, tracestate=self.tracestate)


def format_traceparent(trace_id: str, span_id: str, flags: int) -> str:
    """The `traceparent` header of a span, of version 00."""
    return f"00-{trace_id}-{span_id}-{flags:02x}"


def parse_context(traceparent: str | None, tracestate: str | None = None) -> TraceContext | None:
    """The context that the two headers give.

    Args:
        traceparent: The header, or None where there is none.
        tracestate: The header; several are joined with commas. None or empty where there is none.

    Returns:
        None when `traceparent` is missing, or either is not what it must be.

    Example:
        >>> parse_context("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").sampled
        True
    """
    found = _PARENT.fullmatch(traceparent) if traceparent is not None else None
    if found is None or not _well_formed(tracestate):
        return None
    trace_id, span_id, flags = found.groups()
    return TraceContext(trace_id=trace_id, span_id=span_id, flags=int(flags, 16), tracestate=tracestate or None)


def makes_context(traceparent: str, tracestate: str | None = None) -> bool:
    """Whether `parse_context` would give one."""
    return _PARENT.fullmatch(traceparent) is not None and (not tracestate or _well_formed(tracestate))


def _well_formed(tracestate: str | None) -> bool:
    """Absent, or a list within the caps whose keys are all different."""
    if not tracestate:
        return True
    if len(tracestate) > TRACESTATE_CHARS:
        return False
    members = [member.strip(" \t") for member in tracestate.split(",")]
    present = [member for member in members if member]  # empty members are allowed
    if not present or len(present) > MAX_TRACESTATE_MEMBERS:
        return False
    keys: set[str] = set()
    for member in present:
        found = _MEMBER.fullmatch(member)
        if found is None or found[1] in keys:
            return False
        keys.add(found[1])
    return True


def valid_baggage(text: str) -> bool:
    """Whether a text can be carried on as W3C Baggage: printable ASCII within the bound."""
    return 0 < len(text) <= BAGGAGE_CHARS and text.isascii() and text.isprintable()
