"""The one road in: how every reader of this project takes an untrusted Kafka record, in two stages.

1. `envelope`: what the record alone tells. Size, headers, value, key, tenant, and of a reply the
   token.
2. `payload`: what the value says, under a schema that the reader brings: the saga's definition, or
   the participant's handler.

Between the two the reader finds that schema. Each stage can only refuse, with one BadMessage; none
reads a clock, a database or the network. What follows (is this the current run, was it done before)
is the engine's and the barrier's. Truth: docs/wire.md.

Announcements and their answers carry records of ours, so both stages are one (`announcement`).

    envelope = read_reply_envelope(record, tenant="default", keys=keys)
    payload = read_reply_payload(envelope, catalog, pinned_schema)
"""

from saga_schemas.inbound.announcement import Announcement, AnnouncementAnswer, read_announcement, read_announcement_answer
from saga_schemas.inbound.envelope import (
    Envelope,
    Received,
    UnreadableCommand,
    read_command_envelope,
    read_reply_envelope,
    read_start_envelope,
)
from saga_schemas.inbound.payload import (
    CommandPayload,
    ReplyPayload,
    StartPayload,
    read_business_key,
    read_command_payload,
    read_reply_payload,
    read_start_payload,
    unknown_schema,
)

__all__ = [
    "Announcement",
    "AnnouncementAnswer",
    "CommandPayload",
    "Envelope",
    "Received",
    "ReplyPayload",
    "StartPayload",
    "UnreadableCommand",
    "read_announcement",
    "read_announcement_answer",
    "read_business_key",
    "read_command_envelope",
    "read_command_payload",
    "read_reply_envelope",
    "read_reply_payload",
    "read_start_envelope",
    "read_start_payload",
    "unknown_schema",
]
