"""Records that could not be read: a row in the transaction that moves the offset, then relayed to the dead-letter topic.

So a missing or too small dead-letter topic neither stalls a partition nor loses the record. What is kept is cut to a bound; headers are
kept as they came, for they are what an operator reads first; the reason never repeats the payload.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from uuid import UUID

import orjson
import structlog

from saga_coordinator.store.identifiers import new_id
from saga_coordinator.store.port import DeadLetter, OrphanReply
from saga_coordinator.store.storable import storable
from saga_messaging.broker import Headers, Outgoing, Record
from saga_schemas.errors import BadMessage
from saga_schemas.limits import HEADERS_BYTES
from saga_schemas.topics import Topics

MAX_VALUE_BYTES = 64 * 1024
MAX_HEADER_BYTES = 16 * 1024
MAX_KEY_BYTES = 1024


def as_bad_message(error: Exception) -> BadMessage:
    """What to say of a record that could not be read: the sender's fault, or a bug of ours, which is logged."""
    if isinstance(error, BadMessage):
        return error
    structlog.get_logger("record_loop").error("reading_failed", exc_info=error)
    return BadMessage("internal_error", f"reading it failed with {type(error).__name__}")


def dead_letter(consumer: str, record: Record, bad: BadMessage, now: int) -> DeadLetter:
    return DeadLetter(
        id=new_id(now),
        consumer=consumer,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        at=now,
        reason=bad.reason,
        detail=storable(bad.detail)[:500],
        key=None if record.key is None else record.key[:MAX_KEY_BYTES],
        value=None if record.value is None else record.value[:MAX_VALUE_BYTES],
        headers=encode_headers(record.headers),
        relayed=False,
    )


def orphan(record: Record, saga_id: UUID, now: int) -> OrphanReply:
    """A reply for a saga this database does not have: whole, for after a restore it is the only proof."""
    return OrphanReply(
        id=new_id(now),
        saga_id=saga_id,
        at=now,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        headers=encode_headers(record.headers, HEADERS_BYTES),
        value=record.value,
    )


def relayed(topics: Topics, letter: DeadLetter) -> Outgoing:
    """The letter as a record of `saga.dlq.<consumer>`: as it was, with where it came from and why."""
    origin = (
        ("saga_dlq_reason", letter.reason.encode()),
        ("saga_dlq_topic", letter.topic.encode()),
        ("saga_dlq_partition", b"%d" % letter.partition),
        ("saga_dlq_offset", b"%d" % letter.offset),
    )
    return Outgoing(
        topic=topics.dlq(letter.consumer), key=letter.key, value=letter.value, headers=decode_headers(letter.headers) + origin
    )


def encode_headers(headers: Headers, most_bytes: int = MAX_HEADER_BYTES) -> bytes:
    """As JSON pairs with base64 values, cut to a bound: that of a letter, unless what must come back whole was checked before."""
    kept: list[tuple[str, str]] = []
    size = 0
    for name, value in headers:
        size += len(name) + len(value or b"")
        if size > most_bytes:
            break
        kept.append((name.encode("utf-8", "replace").decode(), base64.b64encode(value or b"").decode()))
    return orjson.dumps(kept)


def decode_headers(document: bytes) -> Headers:
    pairs: Iterable[tuple[str, str]] = orjson.loads(document)
    return tuple((name, base64.b64decode(value)) for name, value in pairs)
