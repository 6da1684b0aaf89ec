"""The records of one batch of format 2, one by one, whatever state they are in. Pure.

aiokafka reads a batch or does not; this tells which of its records can be read, and what is known
of the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from saga_messaging.broker import Headers
from saga_messaging.kafka.varints import varint
from saga_schemas.record_class import record
from saga_schemas.varints import encoded

UNREADABLE_RECORD: Final = "unreadable_record"
TOO_LARGE: Final = "too_large"
LARGEST_RECORD_BYTES: Final = 1024 * 1024
"""What we read is smaller: `limits.PAYLOAD_BYTES` and its headers."""
KNOWN_KEY_BYTES: Final = 1024
KNOWN_VALUE_BYTES: Final = 64 * 1024
KNOWN_HEADER_BYTES: Final = 16 * 1024


@record
class Walked:
    """One record of a batch."""

    content: memoryview
    """All of it, its length included."""
    delta: int | None
    """Its offset, from that of the batch on; None where that cannot be read."""
    timestamp_delta: int = 0
    reason: str | None = None
    """None: it can be read. Else the rest is what is known of it, cut to bounds."""
    detail: str = ""
    rest: bool = False
    """It stands for all that follows, too: where the next record begins cannot be told."""
    key: bytes | None = None
    value: bytes | None = None
    headers: Headers = ()


def walked(data: memoryview, count: int) -> Iterator[Walked]:
    """The `count` records that the batch claims to hold, as far as they go."""
    at = 0
    for _ in range(count):
        try:
            length, start = varint(data, at, len(data))
        except ValueError:
            length, start = -1, at
        if length < 0 or start + length > len(data):
            yield Walked(content=data[at:], delta=None, reason=UNREADABLE_RECORD, detail="its length makes no sense", rest=True)
            return
        yield _record(data[at : start + length], start - at)
        at = start + length


def stand_in(delta: int) -> bytes:
    """A record without content, which takes the place of one that cannot be read."""
    body = b"\0" + encoded(0) + encoded(delta) + encoded(-1) + encoded(-1) + encoded(0)
    return encoded(len(body)) + body


def _record(content: memoryview, at: int) -> Walked:
    stop = len(content)
    delta: int | None = None
    timestamp_delta = 0
    key = value = None
    headers: list[tuple[memoryview, memoryview | None]] = []
    reason, detail = None, ""
    try:
        _, at = varint(content, at, stop)
        timestamp_delta, at = varint(content, at, stop)
        delta, at = varint(content, at, stop)
        key, at = _chunk(content, at)
        value, at = _chunk(content, at)
        at = _headers(content, at, headers)
        if at != stop:
            raise ValueError("it is longer than what it holds")
    except ValueError as error:
        reason, detail = UNREADABLE_RECORD, str(error)
    if reason is None and stop > LARGEST_RECORD_BYTES:
        reason, detail = TOO_LARGE, f"a record has at most {LARGEST_RECORD_BYTES} bytes"
    if reason is None and not all(map(_is_text, (name for name, _ in headers))):
        reason, detail = UNREADABLE_RECORD, "the name of a header is not UTF-8"
    if reason is None:
        return Walked(content=content, delta=delta, timestamp_delta=timestamp_delta)
    return Walked(
        content=content,
        delta=delta,
        timestamp_delta=timestamp_delta,
        reason=reason,
        detail=detail,
        key=None if key is None else bytes(key[:KNOWN_KEY_BYTES]),
        value=None if value is None else bytes(value[:KNOWN_VALUE_BYTES]),
        headers=_known(headers),
    )


def _chunk(content: memoryview, at: int) -> tuple[memoryview | None, int]:
    size, at = varint(content, at, len(content))
    if size < 0:
        return None, at
    if at + size > len(content):
        raise ValueError("a part of it is longer than the whole")
    return content[at : at + size], at + size


def _headers(content: memoryview, at: int, found: list[tuple[memoryview, memoryview | None]]) -> int:
    count, at = varint(content, at, len(content))
    if count < 0:
        raise ValueError("its number of headers makes no sense")
    for _ in range(count):
        name, at = _chunk(content, at)
        if name is None:
            raise ValueError("a header has no name")
        value, at = _chunk(content, at)
        found.append((name, value))
    return at


def _is_text(name: memoryview) -> bool:
    try:
        str(name, "utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _known(headers: list[tuple[memoryview, memoryview | None]]) -> Headers:
    kept: list[tuple[str, bytes]] = []
    size = 0
    for name, value in headers:
        size += len(name) + len(value or b"")
        if size > KNOWN_HEADER_BYTES:
            break
        kept.append((str(name, "utf-8", "backslashreplace"), bytes(value or b"")))
    return tuple(kept)
