"""What a message says besides its payload: one class for each kind of message, written to and read
from Kafka headers.

The headers are CloudEvents 1.0 in Kafka's binary mode. Each kind of message has one file with its
class, `encode` and `decode_…`: `commands`, `replies`, `starts`, `events`, `announcements`. `names`
holds the names of the headers, `fields` reads one untrusted header at a time. The payload is no
business of this package (`codec.py`); the whole way of a record is in `saga_schemas.inbound`.
Truth: docs/wire.md.
"""

from saga_schemas.headers.announcements import (
    AnnouncementAnswerHeaders,
    AnnouncementHeaders,
    announcement_kind,
    answer_announcement,
    decode_announcement,
    decode_announcement_answer,
)
from saga_schemas.headers.commands import CommandHeaders, Echo, UnsupportedProtocol, answer, decode_command
from saga_schemas.headers.events import EventHeaders, decode_event
from saga_schemas.headers.names import Header, RawHeaders
from saga_schemas.headers.replies import ReplyHeaders, decode_reply
from saga_schemas.headers.starts import StartHeaders, decode_start

__all__ = [
    "AnnouncementAnswerHeaders",
    "AnnouncementHeaders",
    "CommandHeaders",
    "Echo",
    "EventHeaders",
    "Header",
    "RawHeaders",
    "ReplyHeaders",
    "StartHeaders",
    "UnsupportedProtocol",
    "announcement_kind",
    "answer",
    "answer_announcement",
    "decode_announcement",
    "decode_announcement_answer",
    "decode_command",
    "decode_event",
    "decode_reply",
    "decode_start",
]
