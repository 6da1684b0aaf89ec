"""Log lines about one command end with its saga, step, kind, run, attempt, trace id and span id,
and have them as fields of the record.

The span is the one that is being recorded, else the command's. Never a payload (S17).
"""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any, Final

from opentelemetry import trace

from saga_schemas.headers import CommandHeaders
from saga_schemas.trace_context import parse_context

_LOG: Final = logging.getLogger("saga_participant")


class CommandLog(logging.LoggerAdapter[logging.Logger]):
    """`log_of(headers).warning("…")`."""

    def __init__(self, headers: CommandHeaders, kind_known: bool) -> None:
        super().__init__(_LOG, {})
        self._headers = headers
        self._kind_known = kind_known

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        known = about(self._headers)
        if not self._kind_known:
            del known["kind"]
        fields = " ".join(f"{name}={value}" for name, value in known.items())
        return f"{msg}; {fields}", {**kwargs, "extra": known}


def log_of(headers: CommandHeaders, *, kind_known: bool = True) -> CommandLog:
    """`kind_known`: False where the command's kind is one that we do not know."""
    return CommandLog(headers, kind_known)


def about(headers: CommandHeaders) -> dict[str, str | int]:
    """The fields; without a trace context there are none of a trace."""
    known: dict[str, str | int] = {
        "saga": str(headers.saga_id),
        "step": headers.step,
        "kind": headers.kind.value,
        "run": headers.run,
        "attempt": headers.attempt,
    }
    ids = _ids(headers.traceparent)
    if ids is not None:
        known["trace_id"], known["span_id"] = ids
    return known


def _ids(traceparent: str | None) -> tuple[str, str] | None:
    given = parse_context(traceparent)
    span = trace.get_current_span().get_span_context()
    recorded = trace.format_trace_id(span.trace_id)
    if span.is_valid and (given is None or given.trace_id == recorded):
        return recorded, trace.format_span_id(span.span_id)
    return (given.trace_id, given.span_id) if given is not None else None
