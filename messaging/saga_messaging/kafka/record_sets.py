"""What a broker answers to a fetch, gone through before the client library sees it. Pure: bytes in,
bytes out.

aiokafka stops at the first record it cannot read: it raises, forgets what it had taken of other
partitions, and reads the same again, for ever. So every set of batches is looked through here. What
is in order passes as it is. Of the rest the records that can be read are kept, and each one that
cannot (or a whole batch, where nothing in it can) leaves a record without content in its place, at
its offset; what is known of it is told beside. A set that went through here can be read by aiokafka
to its end, and reading goes on behind it: the unit tests hold it to that, whatever the bytes.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from aiokafka.record.control_record import ControlRecord
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.record.legacy_records import LegacyRecordBatch
from aiokafka.record.util import calc_crc32c

from saga_messaging.broker import Fault, Record, TopicPartition
from saga_messaging.kafka.codecs import inflated
from saga_messaging.kafka.record_walk import KNOWN_VALUE_BYTES, LARGEST_RECORD_BYTES, Walked, stand_in, walked

UNREADABLE_BATCH: Final = "unreadable_batch"
_HEADER: Final = struct.Struct(">qiibIhiqqqhii")
_LENGTH: Final = struct.Struct(">i")
_OFFSET: Final = struct.Struct(">q")
_LOG_OVERHEAD: Final = 12
"""Offset and length, which the length does not count."""
_MAGIC_AT: Final = 16
_CHECKED_FROM: Final = 21
"""The checksum is over everything from the attributes on."""
_SMALLEST: Final = _LOG_OVERHEAD + 14
_CODEC, _LOG_APPEND_TIME, _CONTROL = 0x07, 0x08, 0x20
_MOST_OFFSETS: Final = 2**31
"""Of one batch."""
_NOBODY: Final = -1
"""No producer: the id of a batch outside any transaction."""


def mended(raw: bytes, *, source: TopicPartition, position: int, end: int) -> tuple[bytes, dict[int, Record]]:
    """The set as it can be read, and by offset the records that stand for what cannot.

    Each of those has its `fault`.
    """
    mending = _Mending(source, position, end)
    mending.read(memoryview(raw))
    return (raw if mending.untouched else b"".join(mending.pieces)), mending.broken


class _Head(NamedTuple):
    """The header of a batch of format 2."""

    base: int
    length: int
    epoch: int
    magic: int
    crc: int
    attributes: int
    last_delta: int
    first_ms: int
    max_ms: int
    producer: int
    producer_epoch: int
    sequence: int
    records: int

    @property
    def next_offset(self) -> int:
        return self.base + self.last_delta + 1


class _Unreadable(Exception):
    """The batch as a whole."""


class _Mending:
    """One set."""

    def __init__(self, source: TopicPartition, position: int, end: int) -> None:
        self._source = source
        self._next = position
        """The offset behind what was kept."""
        self._end = end
        self._legacy: bool | None = None
        """aiokafka takes all of a set for what the first batch is."""
        self.pieces: list[bytes | memoryview] = []
        self.broken: dict[int, Record] = {}
        self.untouched = True

    def read(self, raw: memoryview) -> None:
        at = 0
        while at < len(raw):
            batch = _cut(raw, at)
            if batch is None:  # the last one is usually cut off by the broker: it comes first in the next answer
                break
            at += len(batch)
            if not self._keep(batch, raw[at:]):
                break
        else:
            at = len(raw)
        if not self.pieces and raw:
            self._lose(raw, "its length makes no sense", b"")
        self.untouched = self.untouched and at == len(raw)

    def _keep(self, batch: memoryview, following: memoryview) -> bool:
        """False where the rest has to wait for the next answer."""
        legacy = batch[_MAGIC_AT] < 2
        if self._legacy is not None and self._legacy != legacy:
            self.untouched = False
            return False
        try:
            whole, next_offset = (_legacy if legacy else self._current)(batch)
        except Exception as error:  # whatever it is, this batch alone is lost
            if legacy and self.pieces:
                self.untouched = False
                return False
            self._lose(
                batch, str(error) if isinstance(error, _Unreadable) else f"reading it failed: {type(error).__name__}", following
            )
            return True
        if next_offset <= self._next:  # nobody asked for it, and reading must not go back
            self.untouched = False
            return True
        self.untouched = self.untouched and whole is batch
        self._add(whole, next_offset, legacy=legacy)
        return True

    def _add(self, piece: bytes | memoryview, next_offset: int, *, legacy: bool = False) -> None:
        self.pieces.append(piece)
        self._next = next_offset
        self._legacy = legacy

    def _current(self, batch: memoryview) -> tuple[bytes | memoryview, int]:
        """A batch of format 2. Raises _Unreadable."""
        if batch[_MAGIC_AT] != 2:
            raise _Unreadable(f"format {batch[_MAGIC_AT]} is unknown")
        if len(batch) < _HEADER.size:
            raise _Unreadable("it is shorter than its header")
        head = _Head(*_HEADER.unpack_from(batch))
        if calc_crc32c(batch[_CHECKED_FROM:]) != head.crc:
            raise _Unreadable("its checksum does not match")
        if head.base < 0 or head.last_delta < 0 or head.records < 0:
            raise _Unreadable("its header makes no sense")
        if head.records == 0:  # what compaction leaves, of markers too
            return _framed(head._replace(attributes=head.attributes & ~(_CODEC | _CONTROL)), b""), head.next_offset
        if head.attributes & _CONTROL:
            ControlRecord.parse(next(DefaultRecordBatch(batch)).key or b"")
            return batch, head.next_offset
        whole, content = batch, batch[_HEADER.size :]
        if codec := head.attributes & _CODEC:
            try:
                content = memoryview(inflated(codec, content))
            except ValueError as error:
                raise _Unreadable(str(error)) from None
            head = head._replace(attributes=head.attributes & ~_CODEC)
            whole = memoryview(_framed(head, content))
        if len(content) <= LARGEST_RECORD_BYTES and _in_order(head, whole):
            return whole, head.next_offset
        return self._one_by_one(head, content), head.next_offset

    def _one_by_one(self, head: _Head, content: memoryview) -> bytes:
        kept: list[bytes | memoryview] = []
        broken: dict[int, Record] = {}
        last = -1
        for record in walked(content, head.records):
            delta = record.delta if record.delta is not None and last < record.delta <= head.last_delta else None
            if delta is None:
                if record.reason is None or last == head.last_delta:
                    raise _Unreadable("the offsets of its records are out of order")
                delta = last + 1
            if record.reason is None:
                kept.append(record.content)
            else:
                kept.append(stand_in(delta))
                broken[head.base + delta] = self._standing_for(head, record, delta)
            last = delta
        self.broken |= broken
        return _framed(head._replace(records=len(kept)), b"".join(kept))

    def _standing_for(self, head: _Head, record: Walked, delta: int) -> Record:
        late = head.attributes & _LOG_APPEND_TIME
        return Record(
            topic=self._source.topic,
            partition=self._source.partition,
            offset=head.base + delta,
            timestamp_ms=head.max_ms if late else head.first_ms + record.timestamp_delta,
            key=record.key,
            value=bytes(record.content[:KNOWN_VALUE_BYTES]) if record.rest else record.value,
            headers=record.headers,
            fault=Fault(
                reason=record.reason or "",
                detail=record.detail,
                last_offset=head.base + (head.last_delta if record.rest else delta),
            ),
        )

    def _lose(self, batch: memoryview, why: str, following: memoryview | bytes) -> None:
        """Gives up the whole batch.

        The broker, too, goes by what the batch's header says of offsets. So the header is believed
        within what is possible: forward, not into the next batch, and not beyond the end of the
        partition.
        """
        base, next_offset = _claimed(batch)
        first = base if self._next < base < self._end else self._next
        behind = _OFFSET.unpack_from(following)[0] if len(following) >= _OFFSET.size else self._end
        limit = behind if first < behind <= self._end else max(self._end, first + 1)
        next_offset = min(max(next_offset, first + 1), limit, first + _MOST_OFFSETS)
        self.broken[first] = Record(
            topic=self._source.topic,
            partition=self._source.partition,
            offset=first,
            timestamp_ms=-1,
            key=None,
            value=bytes(batch[:KNOWN_VALUE_BYTES]),
            headers=(),
            fault=Fault(reason=UNREADABLE_BATCH, detail=why, last_offset=next_offset - 1),
        )
        head = _Head(first, 0, -1, 2, 0, 0, next_offset - 1 - first, -1, -1, _NOBODY, -1, -1, 1)
        self.untouched = False
        self._add(_framed(head, stand_in(0)), next_offset)


def _cut(raw: memoryview, at: int) -> memoryview | None:
    """The batch that begins here; None where it is not all here, or its length makes no sense."""
    if len(raw) - at < _SMALLEST:
        return None
    stop = at + _LOG_OVERHEAD + _LENGTH.unpack_from(raw, at + _OFFSET.size)[0]
    return raw[at:stop] if at + _SMALLEST <= stop <= len(raw) else None


def _claimed(batch: memoryview) -> tuple[int, int]:
    """Its first offset and the one behind it, as its header has them."""
    if len(batch) < _OFFSET.size:
        return -1, -1
    base = _OFFSET.unpack_from(batch)[0]
    if len(batch) < _HEADER.size or batch[_MAGIC_AT] < 2:
        return base, base + 1
    return base, _Head(*_HEADER.unpack_from(batch)).next_offset


def _framed(head: _Head, content: bytes | memoryview) -> bytes:
    """A batch that is not compressed, with this header and these records."""
    head = head._replace(length=_HEADER.size - _LOG_OVERHEAD + len(content))
    checked = _HEADER.pack(*head)[_CHECKED_FROM:] + content
    return _HEADER.pack(*head._replace(crc=calc_crc32c(checked)))[:_CHECKED_FROM] + checked


def _in_order(head: _Head, batch: memoryview) -> bool:
    """Whether aiokafka reads all of it, and its offsets rise."""
    last = -1
    try:
        for record in DefaultRecordBatch(batch):
            delta = record.offset - head.base
            if not last < delta <= head.last_delta:
                return False
            last = delta
    except Exception:  # CorruptRecordException, UnicodeDecodeError, or whatever else a library says of garbage
        return False
    return True


def _legacy(batch: memoryview) -> tuple[memoryview, int]:
    """A batch of the formats 0 and 1, which brokers before 4.0 may still hold.

    Raises _Unreadable, or what aiokafka raises.
    """
    read = LegacyRecordBatch(bytes(batch), batch[_MAGIC_AT])
    if not read.validate_crc():
        raise _Unreadable("its checksum does not match")
    for _ in read:
        pass
    return batch, read.next_offset
