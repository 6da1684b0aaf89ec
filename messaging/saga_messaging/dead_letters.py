"""A dead letter as it stands on a topic `saga.dlq.…`, the same from the coordinator and from every
participant.

The record is as it was, cut to bounds, with four headers behind its own: why it is there, and where
it came from. The reason is a code and never repeats the payload. Who keeps a letter first, and how
long it is tried, is the business of the two. Truth: docs/wire.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from saga_messaging.broker import Headers, Outgoing, Record

KEY_BYTES: Final = 1024
VALUE_BYTES: Final = 64 * 1024
HEADERS_BYTES: Final = 16 * 1024
"""Names and values together; the first that goes beyond is left out with all behind it."""

REASON: Final = "saga_dlq_reason"
TOPIC: Final = "saga_dlq_topic"
PARTITION: Final = "saga_dlq_partition"
OFFSET: Final = "saga_dlq_offset"


class Kept(NamedTuple):
    """What is kept of a record that could not be read."""

    key: bytes | None
    value: bytes | None
    headers: Headers


def cut(record: Record) -> Kept:
    """What is kept of this record: all of it, up to the bounds."""
    return Kept(
        key=None if record.key is None else record.key[:KEY_BYTES],
        value=None if record.value is None else record.value[:VALUE_BYTES],
        headers=_cut_headers(record.headers),
    )


def letter_record(to: str, kept: Kept, *, reason: str, topic: str, partition: int, offset: int) -> Outgoing:
    """The record to produce.

    Args:
        to: The dead-letter topic.
        kept: What was kept of the bad record.
        reason: A code of the table in docs/wire.md.
        topic: Where the bad record stood.
        partition: Where the bad record stood.
        offset: Where the bad record stood; of a whole batch its first offset.
    """
    origin = (
        (REASON, reason.encode()),
        (TOPIC, topic.encode()),
        (PARTITION, b"%d" % partition),
        (OFFSET, b"%d" % offset),
    )
    return Outgoing(topic=to, key=kept.key, value=kept.value, headers=(*kept.headers, *origin))


def _cut_headers(headers: Sequence[tuple[str, bytes | None]]) -> Headers:
    kept: list[tuple[str, bytes]] = []
    size_bytes = 0
    for name, value in headers:
        size_bytes += len(name) + len(value or b"")
        if size_bytes > HEADERS_BYTES:
            break
        kept.append((name, value or b""))
    return tuple(kept)
