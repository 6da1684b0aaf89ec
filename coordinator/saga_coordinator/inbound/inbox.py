"""A reply that waits in the inbox is kept as the record it was, and read again by both stages."""

from __future__ import annotations

import base64

import orjson

from saga_coordinator.inbound.dead_letters import decode_headers, encode_headers
from saga_messaging.broker import Record


def to_inbox(record: Record) -> bytes:
    """The record, as the body of an inbox event."""
    return orjson.dumps(
        {
            "topic": record.topic,
            "partition": record.partition,
            "offset": record.offset,
            "timestamp_ms": record.timestamp_ms,
            "key": _text(record.key),
            "value": _text(record.value),
            "headers": encode_headers(record.headers).decode(),
        }
    )


def from_inbox(body: bytes) -> Record:
    """The record that `to_inbox` was given."""
    content = orjson.loads(body)
    return Record(
        topic=content["topic"],
        partition=content["partition"],
        offset=content["offset"],
        timestamp_ms=content["timestamp_ms"],
        key=_bytes(content["key"]),
        value=_bytes(content["value"]),
        headers=decode_headers(content["headers"].encode()),
    )


def _text(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


def _bytes(value: str | None) -> bytes | None:
    return None if value is None else base64.b64decode(value)
