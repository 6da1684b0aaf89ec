"""A command's headers: the coordinator asks a participant to do, undo or say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from saga_schemas.errors import BadMessage
from saga_schemas.headers import names as h
from saga_schemas.headers.fields import HeaderFields, optional_header, trace_headers
from saga_schemas.headers.names import Header, RawHeaders
from saga_schemas.headers.replies import ReplyHeaders
from saga_schemas.ids import saga_text
from saga_schemas.outcomes import Kind, Outcome
from saga_schemas.record_class import record
from saga_schemas.times import format_us

_KIND_HEADERS: Final = {kind: (h.KIND, kind.value.encode()) for kind in Kind}
_KINDS: Final = {kind.value: kind for kind in Kind}


@record
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
        """The command as Kafka headers."""
        saga_id = saga_text(self.saga_id)
        return (
            *h.CONSTANT,
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
            *optional_header(h.CAUSATION, self.causation_id),
            *trace_headers(self.traceparent, self.tracestate, self.origin_traceparent),
            *optional_header(h.BAGGAGE, self.baggage),
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
    taken_at_us: int | None = None,
    handler_us: int | None = None,
) -> ReplyHeaders:
    """The headers of a reply, built from the command that it answers.

    Args:
        command: What is answered: everything that says which command it was is echoed.
        message_id: The reply's own id, a random UUID.
        source: Who answers.
        record: Full name of the Avro record in the value.
        time_us: When, in microseconds since 1970.
        outcome: What came of the command.
        seq: Orders IN_PROGRESS.
        row_run: The run of the barrier's row, where it is newer than the command's.
        traceparent: The span that worked on the command; without one the reply keeps the command's.
        tracestate: What belongs to `traceparent`.
        taken_at_us: When the participant began with this command, in microseconds since 1970.
        handler_us: How long its handler took for this command; None where none ran.
    """
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
        taken_at_us=taken_at_us,
        handler_us=handler_us,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Echo:
    """What an UNSUPPORTED reply must echo of a command whose kind or protocol we do not know."""

    command: CommandHeaders
    """The part that can be read; its `kind` and what replies do not echo (definition hash, expiry)
    are place-holders."""
    kind: str
    """The kind as it was sent."""

    def encode(
        self, *, message_id: str, source: str, record: str, time_us: int, taken_at_us: int | None = None
    ) -> tuple[Header, ...]:
        """The headers of the UNSUPPORTED reply (its value is `saga.v1.Empty`)."""
        reply = answer(
            self.command,
            message_id=message_id,
            source=source,
            record=record,
            time_us=time_us,
            outcome=Outcome.UNSUPPORTED,
            taken_at_us=taken_at_us,
        )
        return tuple((name, self.kind.encode() if name == h.KIND else value) for name, value in reply.encode())


class UnsupportedProtocol(BadMessage):
    """A command that we can answer but not serve.

    The reply is UNSUPPORTED, with the headers of `echo`.
    """

    def __init__(self, reason: str, detail: str, echo: Echo) -> None:
        super().__init__(reason, detail)
        self.echo = echo


def decode_command(headers: RawHeaders) -> CommandHeaders:
    """The headers of a command.

    Raises:
        UnsupportedProtocol: The protocol version or the kind is unknown, but all that an answer
            echoes can be read.
        BadMessage: A header is missing, doubled or out of its form: the command cannot be answered.
    """
    fields = HeaderFields(headers)
    fields.expect(h.SPECVERSION, h.SPECVERSION_1)
    protocol, kind = fields.text(h.PROTOCOL), fields.text(h.KIND)
    supported = protocol == h.PROTOCOL_1 and kind in _KINDS
    saga_id, step = fields.saga_id(), fields.step()
    traceparent, tracestate, origin = fields.trace()
    command = CommandHeaders(
        message_id=fields.text(h.ID),
        source=fields.text(h.SOURCE) if supported else "",
        record=fields.text(h.TYPE) if supported else "",
        time_us=fields.time_us(h.TIME) if supported else 0,
        saga_id=saga_id,
        step=step,
        kind=_KINDS.get(kind, Kind.ACTION),
        run=fields.number(h.RUN),
        attempt=fields.number(h.ATTEMPT),
        incarnation=fields.number(h.INCARNATION),
        version=fields.number(h.VERSION),
        tenant=fields.text(h.TENANT),
        definition_hash=fields.definition_hash() if supported else "",
        expiry_us=fields.time_us(h.EXPIRY) if supported else 0,
        token=fields.token(),
        causation_id=fields.optional_text(h.CAUSATION) if supported else None,
        traceparent=traceparent,
        tracestate=tracestate,
        origin_traceparent=origin,
        baggage=fields.baggage(),
    )
    if protocol != h.PROTOCOL_1:
        raise UnsupportedProtocol("protocol_unsupported", f"{h.PROTOCOL}: we speak 1", Echo(command=command, kind=kind))
    if not supported:
        raise UnsupportedProtocol("kind_unsupported", f"{h.KIND}: not a kind we know", Echo(command=command, kind=kind))
    fields.expect_if_present(h.CONTENT_TYPE, h.AVRO)
    fields.expect(h.SUBJECT, f"{fields.raw(h.CORRELATION)}/{step}")
    return command
