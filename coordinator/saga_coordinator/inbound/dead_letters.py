"""Dead letters: records that could not be read.

A dead letter is a row, written in the transaction that moves the offset; it is relayed to its topic
later. So a dead-letter topic that is missing or too small neither stalls a partition nor loses the
record. Key and value are cut to a bound. Headers are what an operator reads first, and are kept as
they came. The reason never repeats the payload.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from uuid import UUID

import orjson
import structlog

from saga_coordinator.store.columns import storable_text
from saga_coordinator.store.identifiers import new_id
from saga_coordinator.store.port import DeadLetter, OrphanReply
from saga_messaging.broker import Headers, Outgoing, Record
from saga_messaging.dead_letters import Kept, cut, letter_record
from saga_schemas.errors import BadMessage
from saga_schemas.topics import Topics


def as_bad_message(error: Exception) -> BadMessage:
    """What to say of a record that could not be read. A bug of ours is logged as one."""
    if isinstance(error, BadMessage):
        return error
    structlog.get_logger("record_loop").error("reading_failed", exc_info=error)
    return BadMessage("internal_error", f"reading it failed with {type(error).__name__}")


def dead_letter(consumer: str, record: Record, bad: BadMessage, now_us: int) -> DeadLetter:
    """The row of a record that could not be read; `now` is the database's clock in microseconds."""
    kept = cut(record)
    return DeadLetter(
        id=new_id(now_us),
        consumer=consumer,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        at_us=now_us,
        reason=bad.reason,
        detail=storable_text(bad.detail)[:500],
        key=kept.key,
        value=kept.value,
        headers=encode_headers(kept.headers),
        relayed=False,
    )


def orphan(record: Record, saga_id: UUID, now_us: int) -> OrphanReply:
    """A reply for a saga that this database does not have.

    It is kept whole: after a restore it is the only proof.
    """
    return OrphanReply(
        id=new_id(now_us),
        saga_id=saga_id,
        at_us=now_us,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        headers=encode_headers(record.headers),
        value=record.value,
    )


def relayed(topics: Topics, letter: DeadLetter) -> Outgoing:
    """The letter as a record of `saga.dlq.<consumer>`."""
    return letter_record(
        topics.dlq(letter.consumer),
        Kept(key=letter.key, value=letter.value, headers=decode_headers(letter.headers)),
        reason=letter.reason,
        topic=letter.topic,
        partition=letter.partition,
        offset=letter.offset,
    )


def encode_headers(headers: Headers) -> bytes:
    """Headers for a row: JSON pairs with base64 values."""
    return orjson.dumps(
        [(name.encode("utf-8", "replace").decode(), base64.b64encode(value or b"").decode()) for name, value in headers]
    )


def decode_headers(document: bytes) -> Headers:
    """Headers from a row, as they came."""
    pairs: Iterable[tuple[str, str]] = orjson.loads(document)
    return tuple((name, base64.b64decode(value)) for name, value in pairs)
