"""A start's headers: anyone allowed asks for a saga."""

from __future__ import annotations

import json

from saga_schemas.errors import BadMessage
from saga_schemas.headers import names as h
from saga_schemas.headers.fields import HeaderFields, optional_header, trace_headers
from saga_schemas.headers.names import Header, RawHeaders
from saga_schemas.ids import valid_definition_ref
from saga_schemas.labels import LabelInvalid, LabelValue, labels_of_json, plain_labels
from saga_schemas.record_class import record
from saga_schemas.times import format_us


@record
class StartHeaders:
    """A request to start a saga; its record key is the business key."""

    message_id: str
    """The request id."""
    source: str
    """The scope within which the request id is unique."""
    record: str
    """Full name of the Avro record in the value."""
    tenant: str
    definition: str
    """Name of the definition."""
    definition_version: int | None = None
    """None: its active version."""
    time_us: int
    causation_id: str | None = None
    traceparent: str | None = None
    tracestate: str | None = None
    baggage: str | None = None
    labels: tuple[tuple[str, LabelValue], ...] = ()
    """By name, in its order."""
    start_at_us: int | None = None
    """When the saga is to begin; None: at once."""

    def encode(self) -> tuple[Header, ...]:
        """The start as Kafka headers."""
        version = "" if self.definition_version is None else f"@{self.definition_version}"
        return (
            *h.CONSTANT,
            (h.ID, self.message_id.encode()),
            (h.SOURCE, self.source.encode()),
            (h.TYPE, self.record.encode()),
            (h.TIME, format_us(self.time_us).encode()),
            (h.TENANT, self.tenant.encode()),
            (h.DEFINITION, f"{self.definition}{version}".encode()),
            *optional_header(h.CAUSATION, self.causation_id),
            *trace_headers(self.traceparent, self.tracestate, None),
            *optional_header(h.BAGGAGE, self.baggage),
            *optional_header(h.LABELS, json.dumps(plain_labels(dict(self.labels))) if self.labels else None),
            *optional_header(h.START_AT, None if self.start_at_us is None else format_us(self.start_at_us)),
        )


def decode_start(headers: RawHeaders) -> StartHeaders:
    """The headers of a start. Raises BadMessage."""
    fields = HeaderFields.of_our_protocol(headers)
    reference = valid_definition_ref(fields.raw(h.DEFINITION))
    if reference is None:
        raise BadMessage("header_invalid", f"{h.DEFINITION}: name or name@version")
    traceparent, tracestate = fields.caller_trace()
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
        labels=_labels(fields.optional(h.LABELS)),
        start_at_us=None if fields.optional(h.START_AT) is None else fields.time_us(h.START_AT),
    )


def _labels(text: str | None) -> tuple[tuple[str, LabelValue], ...]:
    try:
        return () if text is None else tuple(labels_of_json(text).items())
    except LabelInvalid as wrong:
        raise BadMessage("header_invalid", f"{h.LABELS}: {wrong}") from None
