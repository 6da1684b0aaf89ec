"""The envelope, read: `decode_*` turn untrusted Kafka headers into the classes of envelopes.py or raise BadMessage.

What a participant cannot serve but can answer (another protocol version, an unknown kind) is `UnsupportedProtocol`, which carries what
the UNSUPPORTED reply must echo. The payload is no business of this file (codec.py); the whole way of a message is pipeline.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from saga_schemas import header_fields as h
from saga_schemas.envelopes import (
    CONTENT_TYPE,
    PROTOCOL_VERSION,
    CommandHeaders,
    EventHeaders,
    Header,
    ReplyHeaders,
    StartHeaders,
    answer,
)
from saga_schemas.errors import BadMessage
from saga_schemas.header_fields import HeaderFields, RawHeaders
from saga_schemas.ids import valid_definition_ref
from saga_schemas.limits import INT64_MAX
from saga_schemas.outcomes import Kind, Outcome

__all__ = [
    "CONTENT_TYPE",
    "PROTOCOL_VERSION",
    "CommandHeaders",
    "Echo",
    "EventHeaders",
    "Header",
    "RawHeaders",
    "ReplyHeaders",
    "StartHeaders",
    "UnsupportedProtocol",
    "answer",
    "decode_command",
    "decode_event",
    "decode_reply",
    "decode_start",
]

_KINDS: Final = {kind.value: kind for kind in Kind}
_OUTCOMES: Final = {outcome.value: outcome for outcome in Outcome}


@dataclass(frozen=True, slots=True, kw_only=True)
class Echo:
    """What an UNSUPPORTED reply must echo of a command whose kind or protocol we do not know."""

    command: CommandHeaders
    """Readable part; its `kind` and what replies do not echo (definition hash, expiry) are placeholders."""
    kind: str
    """The kind as it was sent."""

    def encode(self, *, message_id: str, source: str, record: str, time_us: int) -> tuple[Header, ...]:
        """The headers of the UNSUPPORTED reply (its value is `saga.v1.Empty`)."""
        reply = answer(
            self.command, message_id=message_id, source=source, record=record, time_us=time_us, outcome=Outcome.UNSUPPORTED
        )
        return tuple((name, self.kind.encode() if name == h.KIND else value) for name, value in reply.encode())


class UnsupportedProtocol(BadMessage):
    """A command we can answer but not serve: reply UNSUPPORTED with `echo`."""

    def __init__(self, reason: str, detail: str, echo: Echo) -> None:
        super().__init__(reason, detail)
        self.echo = echo


def decode_command(headers: RawHeaders) -> CommandHeaders:
    """BadMessage when unreadable, UnsupportedProtocol when readable with an unknown protocol version or kind."""
    fields = HeaderFields(headers)
    fields.expect(h.SPECVERSION, "1.0")
    protocol, kind = fields.text(h.PROTOCOL), fields.text(h.KIND)
    supported = protocol == PROTOCOL_VERSION and kind in _KINDS
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
        definition_hash=fields.text(h.DEFINITION_HASH) if supported else "",
        expiry_us=fields.time_us(h.EXPIRY) if supported else 0,
        token=fields.token(),
        causation_id=fields.optional_text(h.CAUSATION) if supported else None,
        traceparent=traceparent,
        tracestate=tracestate,
        origin_traceparent=origin,
        baggage=fields.baggage(),
    )
    if protocol != PROTOCOL_VERSION:
        raise UnsupportedProtocol("protocol_unsupported", f"{h.PROTOCOL}: we speak 1", Echo(command=command, kind=kind))
    if not supported:
        raise UnsupportedProtocol("kind_unsupported", f"{h.KIND}: not a kind we know", Echo(command=command, kind=kind))
    fields.expect_if_present(h.CONTENT_TYPE, CONTENT_TYPE)
    fields.expect(h.SUBJECT, f"{fields.raw(h.CORRELATION)}/{step}")
    return command


def decode_reply(headers: RawHeaders) -> ReplyHeaders:
    """The headers of a reply, or BadMessage."""
    fields = _of_our_protocol(headers)
    kind, outcome = _KINDS.get(fields.raw(h.KIND)), _OUTCOMES.get(fields.raw(h.OUTCOME))
    if kind is None or outcome is None:
        raise BadMessage("header_invalid", f"{h.KIND if kind is None else h.OUTCOME}: not one we know")
    saga_id, step = fields.saga_id(), fields.step()
    fields.expect(h.SUBJECT, f"{fields.raw(h.CORRELATION)}/{step}")
    traceparent, tracestate, origin = fields.trace()
    return ReplyHeaders(
        message_id=fields.text(h.ID),
        source=fields.text(h.SOURCE),
        record=fields.text(h.TYPE),
        time_us=fields.time_us(h.TIME),
        saga_id=saga_id,
        step=step,
        kind=kind,
        run=fields.number(h.RUN),
        attempt=fields.number(h.ATTEMPT),
        incarnation=fields.number(h.INCARNATION),
        version=fields.number(h.VERSION),
        tenant=fields.text(h.TENANT),
        token=fields.token(),
        causation_id=fields.text(h.CAUSATION),
        outcome=outcome,
        seq=fields.optional_number(h.SEQ, INT64_MAX),
        row_run=fields.optional_number(h.ROW_RUN),
        traceparent=traceparent,
        tracestate=tracestate,
        origin_traceparent=origin,
    )


def decode_start(headers: RawHeaders) -> StartHeaders:
    """The headers of a start, or BadMessage."""
    fields = _of_our_protocol(headers)
    reference = valid_definition_ref(fields.raw(h.DEFINITION))
    if reference is None:
        raise BadMessage("header_invalid", f"{h.DEFINITION}: name or name@version")
    traceparent, tracestate, _ = fields.trace()
    return StartHeaders(
        message_id=fields.text(h.ID),
        source=fields.text(h.SOURCE),
        record=fields.text(h.TYPE),
        tenant=fields.text(h.TENANT),
        definition=reference[0],
        definition_version=reference[1],
        time_us=fields.time_us(h.TIME),
        causation_id=fields.optional_text(h.CAUSATION),
        traceparent=traceparent,
        tracestate=tracestate,
        baggage=fields.baggage(),
    )


def decode_event(headers: RawHeaders) -> EventHeaders:
    """The headers of a lifecycle event, or BadMessage."""
    fields = _of_our_protocol(headers)
    traceparent, tracestate, origin = fields.trace()
    return EventHeaders(
        message_id=fields.text(h.ID),
        source=fields.text(h.SOURCE),
        record=fields.text(h.TYPE),
        time_us=fields.time_us(h.TIME),
        saga_id=fields.saga_id(),
        tenant=fields.text(h.TENANT),
        sequence=fields.number(h.SEQUENCE, INT64_MAX),
        causation_id=fields.optional_text(h.CAUSATION),
        traceparent=traceparent,
        tracestate=tracestate,
        origin_traceparent=origin,
    )


def _of_our_protocol(headers: RawHeaders) -> HeaderFields:
    fields = HeaderFields(headers)
    fields.expect(h.SPECVERSION, "1.0")
    if fields.raw(h.PROTOCOL) != PROTOCOL_VERSION:
        raise BadMessage("protocol_unsupported", f"{h.PROTOCOL}: we speak 1")
    fields.expect_if_present(h.CONTENT_TYPE, CONTENT_TYPE)
    return fields
