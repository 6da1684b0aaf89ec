"""A lifecycle event's headers: the coordinator tells what happened to a saga."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from saga_schemas.headers import names as h
from saga_schemas.headers.fields import HeaderFields, optional_header, trace_headers
from saga_schemas.headers.names import Header, RawHeaders
from saga_schemas.ids import saga_key
from saga_schemas.limits import INT64_MAX
from saga_schemas.record_class import record
from saga_schemas.times import format_us

_SEQUENCE_DIGITS: Final = 19
"""So many the largest sequence has. Padded, they sort as text: CloudEvents wants that of them."""


@record
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
        """The event as Kafka headers."""
        return (
            *h.CONSTANT,
            (h.ID, self.message_id.encode()),
            (h.SOURCE, self.source.encode()),
            (h.TYPE, self.record.encode()),
            (h.TIME, format_us(self.time_us).encode()),
            (h.CORRELATION, saga_key(self.saga_id)),
            (h.TENANT, self.tenant.encode()),
            (h.SEQUENCE, b"%0*d" % (_SEQUENCE_DIGITS, self.sequence)),
            *optional_header(h.CAUSATION, self.causation_id),
            *trace_headers(self.traceparent, self.tracestate, self.origin_traceparent),
        )


def decode_event(headers: RawHeaders) -> EventHeaders:
    """The headers of a lifecycle event. Raises BadMessage."""
    fields = HeaderFields.of_our_protocol(headers)
    traceparent, tracestate, origin = fields.trace()
    return EventHeaders(
        message_id=fields.text(h.ID),
        source=fields.text(h.SOURCE),
        record=fields.text(h.TYPE),
        time_us=fields.time_us(h.TIME),
        saga_id=fields.saga_id(),
        tenant=fields.text(h.TENANT),
        sequence=fields.padded_number(h.SEQUENCE, INT64_MAX),
        causation_id=fields.optional_text(h.CAUSATION),
        traceparent=traceparent,
        tracestate=tracestate,
        origin_traceparent=origin,
    )
