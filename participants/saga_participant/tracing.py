"""The `process` span of a command: CONSUMER, child of the command's `traceparent`; the reply carries it on.

Only the OpenTelemetry API is used: without an SDK in the process nothing is recorded and the command's own context goes out again.
No payload, no exception text and no token is ever an attribute. Semantic conventions for messaging.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from opentelemetry import context, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from saga_messaging.broker import Record
from saga_participant.answers import Answer
from saga_schemas.envelopes import CommandHeaders
from saga_schemas.outcomes import Outcome

_PROPAGATOR: Final = TraceContextTextMapPropagator()
_BAGGAGE: Final = W3CBaggagePropagator()
_ERRORS: Final = frozenset({Outcome.REJECTED, Outcome.FAILED, Outcome.UNSUPPORTED})


@dataclass(frozen=True, slots=True)
class Hop:
    """What a reply carries on of the trace."""

    traceparent: str | None = None
    tracestate: str | None = None


@dataclass(slots=True)
class Processing:
    """The span of one command at work."""

    span: Span
    hop: Hop

    def answered(self, answers: Sequence[Answer], to: CommandHeaders) -> None:
        """Note what the command led to. The last answer to it counts; there is none where nothing may be said."""
        own = [answer.outcome for answer in answers if answer.to.message_id == to.message_id]
        outcome = own[-1] if own else None
        self.span.set_attribute("saga.outcome", outcome.value if outcome is not None else "none")
        if outcome in _ERRORS and outcome is not None:
            self.span.set_status(Status(StatusCode.ERROR, outcome.value))


_UNRECORDED: Final = Processing(span=trace.INVALID_SPAN, hop=Hop())


class Tracing:
    """Makes the spans of one participant."""

    def __init__(self, participant: str, group: str) -> None:
        self._tracer = trace.get_tracer("saga_participant")
        self._participant = participant
        self._group = group

    @contextlib.contextmanager
    def process(self, headers: CommandHeaders, record: Record) -> Iterator[Processing]:
        """The handler's own spans become children of this one; without an SDK, what it sends on becomes part of the command's trace."""
        carrier = {"traceparent": headers.traceparent} if headers.traceparent is not None else {}
        if headers.tracestate is not None:
            carrier["tracestate"] = headers.tracestate
        parent = _PROPAGATOR.extract(carrier)
        if headers.baggage is not None:
            parent = _BAGGAGE.extract({"baggage": headers.baggage}, parent)
        if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):  # asked each time: an SDK may be installed late
            token = context.attach(parent)
            try:
                yield _UNRECORDED
            finally:
                context.detach(token)
            return
        with self._tracer.start_as_current_span(
            f"process {headers.record}",
            context=parent,
            kind=SpanKind.CONSUMER,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            if span.is_recording():
                span.set_attributes(self._attributes(headers, record))
            yield Processing(span=span, hop=_hop(span))

    def _attributes(self, headers: CommandHeaders, record: Record) -> dict[str, str | int | bool]:
        return {
            "messaging.system": "kafka",
            "messaging.operation.type": "process",
            "messaging.operation.name": "process",
            "messaging.destination.name": record.topic,
            "messaging.destination.partition.id": str(record.partition),
            "messaging.kafka.offset": record.offset,
            "messaging.message.id": headers.message_id,
            "messaging.consumer.group.name": self._group,
            "saga.participant": self._participant,
            "saga.id": str(headers.saga_id),
            "saga.step": headers.step,
            "saga.kind": headers.kind.value,
            "saga.run": headers.run,
            "saga.attempt": headers.attempt,
            "saga.duplicate": headers.attempt > 1,
        }


def _hop(span: Span) -> Hop:
    context = span.get_span_context()
    if not context.is_valid:
        return Hop()
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier, trace.set_span_in_context(span))
    return Hop(traceparent=carrier.get("traceparent"), tracestate=carrier.get("tracestate"))
