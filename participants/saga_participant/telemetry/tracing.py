"""The `process` span of a command: CONSUMER, child of the command's `traceparent`; the reply
carries it on.

Only the OpenTelemetry API is used: without an SDK in the process nothing is recorded and the
command's own context goes out again. No payload, no exception text and no token is ever an
attribute. Semantic conventions 1.44 for messaging, except that the span is named for the command's
record, where they have the topic: a topic holds commands of many kinds.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

from opentelemetry import context, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TracerProvider,
    TraceState,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from saga_messaging.broker import Record
from saga_participant.barrier.answers import Answer
from saga_schemas.errors import BadMessage
from saga_schemas.headers import CommandHeaders
from saga_schemas.outcomes import Outcome
from saga_schemas.records import Failure, read_own
from saga_schemas.trace_context import parse_context

SEMANTIC_CONVENTIONS: Final = "https://opentelemetry.io/schemas/1.44.0"
_PROPAGATOR: Final = TraceContextTextMapPropagator()
_BAGGAGE: Final = W3CBaggagePropagator()
_ERRORS: Final = frozenset({Outcome.REJECTED, Outcome.FAILED, Outcome.UNSUPPORTED})


@dataclass(frozen=True, slots=True)
class TraceContext:
    """The trace context that a reply carries."""

    traceparent: str | None = None
    tracestate: str | None = None


@dataclass(slots=True)
class Processing:
    """The span of one command at work."""

    span: Span
    reply_context: TraceContext

    def answered(self, answers: Sequence[Answer], to: CommandHeaders) -> None:
        """Set the outcome: that of the last answer to this command.

        There is none where it is not answered.
        """
        if not self.span.is_recording():
            return
        own = [answer for answer in answers if answer.to.message_id == to.message_id]
        last = own[-1] if own else None
        self.span.set_attribute("saga.outcome", last.outcome.value if last is not None else "none")
        self.span.set_attribute("saga.duplicate", last is not None and last.repeated)
        if last is not None and last.outcome in _ERRORS:
            code = _code(last)
            if code is not None:
                self.span.set_attribute("saga.code", code)
            self._failed(last.outcome.value, last.outcome.value if code is None else f"{last.outcome.value}: {code}")

    def ended_in(self, error: BaseException) -> None:
        """Set the error that ended it: a cancellation, or a bug of the kit's.

        The command comes again.
        """
        self._failed(type(error).__qualname__, type(error).__qualname__)

    def _failed(self, kind: str, description: str) -> None:
        self.span.set_attribute("error.type", kind)
        self.span.set_status(Status(StatusCode.ERROR, description))


_UNRECORDED: Final = Processing(span=trace.INVALID_SPAN, reply_context=TraceContext())


@contextlib.contextmanager
def _passed_on(parent: Context) -> Iterator[Processing]:
    """The command's own context is the current one: all there is without an SDK."""
    token = context.attach(parent)
    try:
        yield _UNRECORDED
    finally:
        context.detach(token)


class Tracing:
    """Makes the spans of one participant."""

    def __init__(self, participant: str, group: str, provider: TracerProvider | None = None) -> None:
        """`provider`: OpenTelemetry's. None is the process's own."""
        self._tracer = trace.get_tracer("saga_participant", tracer_provider=provider, schema_url=SEMANTIC_CONVENTIONS)
        self._provider = provider
        self._participant = participant
        self._group = group

    def process(self, headers: CommandHeaders, record: Record) -> AbstractContextManager[Processing]:
        """The span of a command at work. Spans of the handler become its children.

        Without an SDK the command's own context is current, so what the handler sends joins its
        trace.
        """
        parent = _parent(headers)
        provider = self._provider or trace.get_tracer_provider()  # asked each time: an SDK may be installed late
        if isinstance(provider, trace.ProxyTracerProvider):
            return _passed_on(parent)
        return self._recorded(parent, headers, record)

    @contextlib.contextmanager
    def _recorded(self, parent: Context, headers: CommandHeaders, record: Record) -> Iterator[Processing]:
        # The parent becomes current first: a span that is given its parent takes nothing else of
        # that context along, no baggage.
        with (
            _passed_on(parent),
            self._tracer.start_as_current_span(
                f"process {headers.record}",
                kind=SpanKind.CONSUMER,
                record_exception=False,
                set_status_on_exception=False,
            ) as span,
        ):
            if span.is_recording():
                span.set_attributes(self._attributes(headers, record))
            processing = Processing(span=span, reply_context=_reply_context(span))
            try:
                yield processing
            except BaseException as error:
                processing.ended_in(error)
                raise

    def _attributes(self, headers: CommandHeaders, record: Record) -> dict[str, str | int | bool]:
        return {
            "messaging.system": "kafka",
            "messaging.operation.type": "process",
            "messaging.operation.name": "process",
            "messaging.destination.name": record.topic,
            "messaging.destination.partition.id": str(record.partition),
            "messaging.kafka.message.key": str(headers.saga_id),
            "messaging.kafka.offset": record.offset,
            "messaging.message.id": headers.message_id,
            "messaging.message.conversation_id": str(headers.saga_id),
            "messaging.consumer.group.name": self._group,
            "saga.participant": self._participant,
            "saga.id": str(headers.saga_id),
            "saga.step": headers.step,
            "saga.kind": headers.kind.value,
            "saga.run": headers.run,
            "saga.attempt": headers.attempt,
        }


def _parent(headers: CommandHeaders) -> Context:
    """The context that a command came with."""
    parent, given = Context(), parse_context(headers.traceparent, headers.tracestate)
    if given is not None:
        came_with = SpanContext(
            trace_id=int(given.trace_id, 16),
            span_id=int(given.span_id, 16),
            is_remote=True,
            trace_flags=TraceFlags(given.flags),
            trace_state=None if given.tracestate is None else TraceState.from_header([given.tracestate]),
        )
        parent = trace.set_span_in_context(NonRecordingSpan(came_with), parent)
    return parent if headers.baggage is None else _BAGGAGE.extract({"baggage": headers.baggage}, parent)


def _code(answer: Answer) -> str | None:
    """What a handler's no or failure was called."""
    if answer.outcome is Outcome.UNSUPPORTED:
        return None
    try:
        return read_own(answer.content.payload, Failure).code
    except BadMessage:  # a remembered reply of a row that was edited by hand
        return None


def _reply_context(span: Span) -> TraceContext:
    context = span.get_span_context()
    if not context.is_valid:
        return TraceContext()
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier, trace.set_span_in_context(span))
    return TraceContext(traceparent=carrier.get("traceparent"), tracestate=carrier.get("tracestate"))
