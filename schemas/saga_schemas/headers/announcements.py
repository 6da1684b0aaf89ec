"""The headers of an announcement and of its answer: what the coordinator says on a command topic
that is about no single saga."""

from __future__ import annotations

from typing import Final

from saga_schemas.errors import BadMessage
from saga_schemas.headers import names as h
from saga_schemas.headers.fields import HeaderFields
from saga_schemas.headers.names import Header, RawHeaders
from saga_schemas.outcomes import AnnouncementKind
from saga_schemas.record_class import record
from saga_schemas.times import format_us

_KINDS: Final = {kind.value: kind for kind in AnnouncementKind}
_KINDS_RAW: Final = {kind.encode(): kind for kind in AnnouncementKind}


@record
class AnnouncementHeaders:
    """An announcement."""

    message_id: str
    """`<kind>.<incarnation>.<random UUID>`."""
    source: str
    record: str
    """Full name of the Avro record in the value."""
    time_us: int
    tenant: str
    kind: AnnouncementKind
    incarnation: int
    token: str

    def encode(self) -> tuple[Header, ...]:
        """The announcement as Kafka headers."""
        return _encoded(self)


@record
class AnnouncementAnswerHeaders:
    """The answer: kind, tenant, incarnation and token are echoed."""

    message_id: str
    """A random UUID."""
    source: str
    """Who answers."""
    record: str
    """Full name of the Avro record in the value."""
    time_us: int
    tenant: str
    kind: AnnouncementKind
    incarnation: int
    token: str
    causation_id: str
    """The message id of the announcement."""

    def encode(self) -> tuple[Header, ...]:
        """The answer as Kafka headers."""
        return (*_encoded(self), (h.CAUSATION, self.causation_id.encode()))


def announcement_kind(headers: RawHeaders) -> AnnouncementKind | None:
    """What kind of announcement a record is, by a look at one header; None: it is none."""
    for name, value in headers:
        if name == h.KIND:
            return None if value is None else _KINDS_RAW.get(value)
    return None


def answer_announcement(
    announcement: AnnouncementHeaders, *, message_id: str, source: str, record: str, time_us: int
) -> AnnouncementAnswerHeaders:
    """The headers of an answer, built from the announcement that it answers."""
    return AnnouncementAnswerHeaders(
        message_id=message_id,
        source=source,
        record=record,
        time_us=time_us,
        tenant=announcement.tenant,
        kind=announcement.kind,
        incarnation=announcement.incarnation,
        token=announcement.token,
        causation_id=announcement.message_id,
    )


def decode_announcement(headers: RawHeaders) -> AnnouncementHeaders:
    """The headers of an announcement. Raises BadMessage: nobody answers one that is bad."""
    return _decoded(HeaderFields.of_our_protocol(headers))


def decode_announcement_answer(headers: RawHeaders) -> AnnouncementAnswerHeaders:
    """The headers of an answer to an announcement. Raises BadMessage."""
    fields = HeaderFields.of_our_protocol(headers)
    echo = _decoded(fields)
    return AnnouncementAnswerHeaders(
        message_id=echo.message_id,
        source=echo.source,
        record=echo.record,
        time_us=echo.time_us,
        tenant=echo.tenant,
        kind=echo.kind,
        incarnation=echo.incarnation,
        token=echo.token,
        causation_id=fields.text(h.CAUSATION),
    )


def _encoded(told: AnnouncementHeaders | AnnouncementAnswerHeaders) -> tuple[Header, ...]:
    """What both have."""
    return (
        *h.CONSTANT,
        (h.KIND, told.kind.encode()),
        (h.ID, told.message_id.encode()),
        (h.SOURCE, told.source.encode()),
        (h.TYPE, told.record.encode()),
        (h.TIME, format_us(told.time_us).encode()),
        (h.TENANT, told.tenant.encode()),
        (h.INCARNATION, b"%d" % told.incarnation),
        (h.TOKEN, told.token.encode()),
    )


def _decoded(fields: HeaderFields) -> AnnouncementHeaders:
    kind = _KINDS.get(fields.raw(h.KIND))
    if kind is None:
        raise BadMessage("header_invalid", f"{h.KIND}: not a kind of announcement")
    return AnnouncementHeaders(
        message_id=fields.text(h.ID),
        source=fields.text(h.SOURCE),
        record=fields.text(h.TYPE),
        time_us=fields.time_us(h.TIME),
        tenant=fields.text(h.TENANT),
        kind=kind,
        incarnation=fields.number(h.INCARNATION),
        token=fields.token(),
    )
