"""A reply's headers: a participant answers one command."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from saga_schemas.errors import BadMessage
from saga_schemas.headers import names as h
from saga_schemas.headers.fields import HeaderFields, optional_header, optional_number_header, trace_headers
from saga_schemas.headers.names import Header, RawHeaders
from saga_schemas.ids import saga_text
from saga_schemas.limits import INT64_MAX
from saga_schemas.outcomes import Kind, Outcome
from saga_schemas.record_class import record
from saga_schemas.times import format_us

_KIND_HEADERS: Final = {kind: (h.KIND, kind.value.encode()) for kind in Kind}
_OUTCOME_HEADERS: Final = {outcome: (h.OUTCOME, outcome.value.encode()) for outcome in Outcome}
_KINDS: Final = {kind.value: kind for kind in Kind}
_OUTCOMES: Final = {outcome.value: outcome for outcome in Outcome}


@record
class ReplyHeaders:
    """A reply: everything that says *which* command is echoed from that command (`answer`)."""

    message_id: str
    """A random UUID."""
    source: str
    """Who answers."""
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
    taken_at_us: int | None = None
    """When the participant began with this command, by its own clock."""
    handler_us: int | None = None
    """How long its handler took for this command; None where none ran."""

    def encode(self) -> tuple[Header, ...]:
        """The reply as Kafka headers."""
        saga_id = saga_text(self.saga_id)
        return (
            *h.CONSTANT,
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
            *optional_number_header(h.SEQ, self.seq),
            *optional_number_header(h.ROW_RUN, self.row_run),
            *optional_header(h.TAKEN, None if self.taken_at_us is None else format_us(self.taken_at_us)),
            *optional_number_header(h.HANDLER, self.handler_us),
            *trace_headers(self.traceparent, self.tracestate, self.origin_traceparent),
        )


def decode_reply(headers: RawHeaders) -> ReplyHeaders:
    """The headers of a reply.

    Raises:
        BadMessage: A header is missing, doubled or out of its form; the kind or the outcome is not
            one we know.
    """
    fields = HeaderFields.of_our_protocol(headers)
    kind, outcome = _KINDS.get(fields.raw(h.KIND)), _OUTCOMES.get(fields.raw(h.OUTCOME))
    if kind is None or outcome is None:
        raise BadMessage("header_invalid", f"{h.KIND if kind is None else h.OUTCOME}: not one we know")
    saga_id, step = fields.saga_id(), fields.step()
    fields.expect(h.SUBJECT, f"{fields.raw(h.CORRELATION)}/{step}")
    traceparent, tracestate, origin = fields.trace()
    taken_at_us, handler_us = fields.timing()
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
        seq=fields.optional_number(h.SEQ, smallest=0, largest=INT64_MAX),
        row_run=fields.optional_number(h.ROW_RUN),
        traceparent=traceparent,
        tracestate=tracestate,
        origin_traceparent=origin,
        taken_at_us=taken_at_us,
        handler_us=handler_us,
    )
