"""Batches as a producer may write them, byte by byte: good ones, and such as no client library
would let through."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from aiokafka.codec import lz4_encode, snappy_encode, zstd_encode
from aiokafka.record.util import calc_crc32c

from saga_schemas.varints import encoded

NOW_MS: Final = 1_790_000_000_000
CODECS: Final[dict[str, tuple[int, Callable[[bytes], bytes]]]] = {
    "plain": (0, bytes),
    "gzip": (1, gzip.compress),
    "snappy": (2, lambda content: bytes(snappy_encode(content, xerial_compatible=False))),
    "snappy of Java": (2, snappy_encode),
    "lz4": (3, lz4_encode),  # in blocks that do not depend on each other: brokers take no others
    "zstd": (4, zstd_encode),
}


@dataclass(frozen=True, slots=True)
class Raw:
    """One record; the name of a header is bytes, or None."""

    key: bytes | None = b"k"
    value: bytes | None = b"v"
    headers: Sequence[tuple[bytes | None, bytes | None]] = ()
    delta: int | None = None
    """Its own number in the batch where it is not said."""

    def encoded(self, delta: int) -> bytes:
        body = b"\0" + encoded(0) + encoded(delta if self.delta is None else self.delta)
        body += _chunk(self.key) + _chunk(self.value) + encoded(len(self.headers))
        body += b"".join(_chunk(name) + _chunk(value) for name, value in self.headers)
        return encoded(len(body)) + body


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch of format 2.

    `spoilt` is what becomes of its records once they are compressed, before the checksum is taken.
    """

    records: Sequence[Raw] = (Raw(),)
    codec: str = "plain"
    base: int = 0
    attributes: int = 0
    magic: int = 2
    count: int | None = None
    last_delta: int | None = None
    producer: tuple[int, int, int] = (-1, -1, -1)
    timestamp_ms: int = NOW_MS
    spoilt: Callable[[bytes], bytes] = bytes
    checksum_off: int = 0

    def encoded(self) -> bytes:
        number, compress = CODECS[self.codec]
        content = b"".join(record.encoded(delta) for delta, record in enumerate(self.records))
        content = self.spoilt(compress(content) if content else content)
        count = len(self.records) if self.count is None else self.count
        last = max(count - 1, 0) if self.last_delta is None else self.last_delta
        head = struct.pack(
            ">hiqqqhii", number | self.attributes, last, self.timestamp_ms, self.timestamp_ms, *self.producer, count
        )
        crc = (calc_crc32c(head + content) + self.checksum_off) % 2**32
        return struct.pack(">qiibI", self.base, 9 + len(head) + len(content), 0, self.magic, crc) + head + content

    def at(self, base: int) -> Batch:
        return replace(self, base=base)


def a_set(*batches: Batch) -> bytes:
    """One behind the other, each from where the one before ends."""
    content, base = b"", 0
    for batch in batches:
        one = batch.at(base)
        content += one.encoded()
        base += (max(len(batch.records) - 1, 0) if batch.last_delta is None else batch.last_delta) + 1
    return content


def _chunk(content: bytes | None) -> bytes:
    return encoded(-1) if content is None else encoded(len(content)) + content
