"""What a message says besides its payload: one frozen class for each kind of message, and its Kafka headers.

CloudEvents 1.0 in Kafka binary mode. Reading them back from untrusted headers is headers.py. Truth: docs/wire.md.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

from saga_schemas import header_fields as h
from saga_schemas.frozen import frozen
from saga_schemas.ids import saga_key, saga_text
from saga_schemas.outcomes import Kind, Outcome
from saga_schemas.times import format_us

Header = tuple[str, bytes]

PROTOCOL_VERSION: Final = "1"
CONTENT_TYPE: Final = "application/avro"

_KIND_HEADERS: Final = {kind: (h.KIND, kind.value.encode()) for kind in Kind}
_OUTCOME_HEADERS: Final = {outcome: (h.OUTCOME, outcome.value.encode()) for outcome in Outcome}
_CONSTANT: Final[tuple[Header, ...]] = (
    (h.SPECVERSION, b"1.0"),
    (h.CONTENT_TYPE, CONTENT_TYPE.encode()),
    (h.PROTOCOL, PROTOCOL_VERSION.encode()),
)


@frozen
class CommandHeaders:
    """A command: the coordinator asks a participant to do, undo or say."""

    message_id: str
    """`<saga id>.<incarnation>.<version>.<ord>`."""
    source: str
    """Cluster and instance."""
    record: str
    """Full name of the Avro record in the value."""
    time_us: int
    saga_id: UUID
    step: str
    kind: Kind
    run: int
    attempt: int
    incarnation: int
    version: int
    tenant: str
    definition_hash: str
    expiry_us: int
    token: str
    causation_id: str | None = None
    traceparent: str | None = None
    tracestate: str | None = None
    origin_traceparent: str | None = None
    baggage: str | None = None
    """W3C Baggage: what the caller passes on to every participant."""

    def encode(self) -> tuple[Header, ...]:
        saga_id = saga_text(self.saga_id)
        return (
            *_CONSTANT,
            _KIND_HEADERS[self.kind],
            (h.ID, self.message_id.encode()),
            (h.SOURCE, self.source.encode()),
            (h.TYPE, self.record.encode()),
            (h.TIME, format_us(self.time_us).encode()),
            (h.SUBJECT, f"{saga_id}/{self.step}".encode()),
            (h.CORRELATION, saga_id.encode()),
            (h.EXPIRY, format_us(self.expiry_us).encode()),
            (h.TENANT, self.tenant.encode()),
            (h.STEP, self.step.encode()),
            (h.RUN, b"%d" % self.run),
            (h.ATTEMPT, b"%d" % self.attempt),
            (h.INCARNATION, b"%d" % self.incarnation),
            (h.VERSION, b"%d" % self.version),
            (h.DEFINITION_HASH, self.definition_hash.encode()),
            (h.TOKEN, self.token.encode()),
            *_given(h.CAUSATION, self.causation_id),
            *_trace(self.traceparent, self.tracestate, self.origin_traceparent),
            *_given(h.BAGGAGE, self.baggage),
        )


@frozen
class ReplyHeaders:
    """A reply: everything that says *which* command is echoed from that command."""

    message_id: str
    source: str
    record: str
    time_us: int
    saga_id: UUID
    step: str
    kind: Kind
    run: int
    attempt: int
    incarnation: int
    version: int
    tenant: str
    token: str
    causation_id: str
    """The message id of the command."""
    outcome: Outcome
    seq: int | None = None
    """Orders IN_PROGRESS."""
    row_run: int | None = None
    """Only where the barrier's row is of a newer run than the command."""
    traceparent: str | None = None
    tracestate: str | None = None
    origin_traceparent: str | None = None

    def encode(self) -> tuple[Header, ...]:
        saga_id = saga_text(self.saga_id)
        return (
            *_CONSTANT,
            _KIND_HEADERS[self.kind],
            _OUTCOME_HEADERS[self.outcome],
            (h.ID, self.message_id.encode()),
            (h.SOURCE, self.source.encode()),
            (h.TYPE, self.record.encode()),
            (h.TIME, format_us(self.time_us).encode()),
            (h.SUBJECT, f"{saga_id}/{self.step}".encode()),
            (h.CORRELATION, saga_id.encode()),
            (h.CAUSATION, self.causation_id.encode()),
            (h.TENANT, self.tenant.encode()),
            (h.STEP, self.step.encode()),
            (h.RUN, b"%d" % self.run),
            (h.ATTEMPT, b"%d" % self.attempt),
            (h.INCARNATION, b"%d" % self.incarnation),
            (h.VERSION, b"%d" % self.version),
            (h.TOKEN, self.token.encode()),
            *_number(h.SEQ, self.seq),
            *_number(h.ROW_RUN, self.row_run),
            *_trace(self.traceparent, self.tracestate, self.origin_traceparent),
        )


@frozen
class StartHeaders:
    """A request to start a saga; its record key is the business key."""

    message_id: str
    """The request id."""
    source: str
    """The scope within which the request id is unique."""
    record: str
    tenant: str
    definition: str
    definition_version: int | None = None
    time_us: int
    causation_id: str | None = None
    traceparent: str | None = None
    tracestate: str | None = None
    baggage: str | None = None

    def encode(self) -> tuple[Header, ...]:
        version = "" if self.definition_version is None else f"@{self.definition_version}"
        return (
            *_CONSTANT,
            (h.ID, self.message_id.encode()),
            (h.SOURCE, self.source.encode()),
            (h.TYPE, self.record.encode()),
            (h.TIME, format_us(self.time_us).encode()),
            (h.TENANT, self.tenant.encode()),
            (h.DEFINITION, f"{self.definition}{version}".encode()),
            *_given(h.CAUSATION, self.causation_id),
            *_trace(self.traceparent, self.tracestate, None),
            *_given(h.BAGGAGE, self.baggage),
        )


@frozen
class EventHeaders:
    """A lifecycle event of a saga, numbered within the saga."""

    message_id: str
    source: str
    record: str
    time_us: int
    saga_id: UUID
    tenant: str
    sequence: int
    causation_id: str | None = None
    traceparent: str | None = None
    tracestate: str | None = None
    origin_traceparent: str | None = None

    def encode(self) -> tuple[Header, ...]:
        return (
            *_CONSTANT,
            (h.ID, self.message_id.encode()),
            (h.SOURCE, self.source.encode()),
            (h.TYPE, self.record.encode()),
            (h.TIME, format_us(self.time_us).encode()),
            (h.CORRELATION, saga_key(self.saga_id)),
            (h.TENANT, self.tenant.encode()),
            (h.SEQUENCE, b"%d" % self.sequence),
            *_given(h.CAUSATION, self.causation_id),
            *_trace(self.traceparent, self.tracestate, self.origin_traceparent),
        )


def answer(
    command: CommandHeaders,
    *,
    message_id: str,
    source: str,
    record: str,
    time_us: int,
    outcome: Outcome,
    seq: int | None = None,
    row_run: int | None = None,
    traceparent: str | None = None,
    tracestate: str | None = None,
) -> ReplyHeaders:
    """Reply headers, always built from the command being answered. Without a span of its own the hop keeps the command's."""
    return ReplyHeaders(
        message_id=message_id,
        source=source,
        record=record,
        time_us=time_us,
        saga_id=command.saga_id,
        step=command.step,
        kind=command.kind,
        run=command.run,
        attempt=command.attempt,
        incarnation=command.incarnation,
        version=command.version,
        tenant=command.tenant,
        token=command.token,
        causation_id=command.message_id,
        outcome=outcome,
        seq=seq,
        row_run=row_run,
        traceparent=traceparent or command.traceparent,
        tracestate=tracestate if traceparent else command.tracestate,
        origin_traceparent=command.origin_traceparent,
    )


def _given(name: str, value: str | None) -> tuple[Header, ...]:
    return () if value is None else ((name, value.encode()),)


def _number(name: str, value: int | None) -> tuple[Header, ...]:
    return () if value is None else ((name, b"%d" % value),)


def _trace(traceparent: str | None, tracestate: str | None, origin: str | None) -> tuple[Header, ...]:
    if traceparent is None and origin is None:
        return ()
    state = tracestate if traceparent is not None else None
    return (*_given(h.TRACEPARENT, traceparent), *_given(h.TRACESTATE, state), *_given(h.ORIGIN, origin))
