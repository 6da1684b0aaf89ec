"""Decompression that is bounded: a batch of some kilobytes may claim to be gigabytes. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Final

import cramjam
from aiokafka.codec import _detect_xerial_stream

INFLATED_BYTES: Final = 32 * 1024 * 1024
"""A batch that grows beyond this is not read."""
_FIRST_GUESS_BYTES: Final = 256 * 1024
_XERIAL_HEADER_BYTES: Final = 16
_GZIP_MAGIC: Final = b"\x1f\x8b"
_GZIP: Final = 31  # zlib's name for the format


def inflated(codec: int, data: memoryview) -> bytes:
    """The content, decompressed by the codec that a batch's attributes number.

    Raises ValueError, which never repeats what was sent.
    """
    if codec not in _CODECS:
        raise ValueError(f"codec {codec} is unknown")
    name, decode = _CODECS[codec]
    try:
        return decode(data)
    except _TooLarge:
        raise ValueError(f"{name}: it grows beyond {INFLATED_BYTES} bytes") from None
    except Exception:
        raise ValueError(f"{name}: it cannot be decompressed") from None


class _TooLarge(Exception):
    pass


def _gunzipped(data: memoryview) -> bytes:
    parts: list[bytes] = []
    room, rest = INFLATED_BYTES, bytes(data)
    while rest and (not parts or rest.startswith(_GZIP_MAGIC)):  # several members, and behind them what brokers let pass
        member = zlib.decompressobj(_GZIP)
        part = member.decompress(rest, room + 1)
        if len(part) > room:
            raise _TooLarge
        if not member.eof:
            raise ValueError("it ends early")
        parts.append(part)
        room, rest = room - len(part), member.unused_data
    return b"".join(parts)


def _unsnapped(data: memoryview) -> bytes:
    """Plain, or in the blocks of the Java library."""
    if not _detect_xerial_stream(data):
        return _unsnapped_block(data, INFLATED_BYTES)
    parts: list[bytes] = []
    room, at = INFLATED_BYTES, _XERIAL_HEADER_BYTES
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big", signed=True)
        if size < 0 or at + 4 + size > len(data):
            raise ValueError("a block ends beyond its data")
        parts.append(_unsnapped_block(data[at + 4 : at + 4 + size], room))
        room, at = room - len(parts[-1]), at + 4 + size
    return b"".join(parts)


def _unsnapped_block(block: memoryview, room: int) -> bytes:
    if cramjam.snappy.decompress_raw_len(block) > room:
        raise _TooLarge
    return bytes(cramjam.snappy.decompress_raw(block))


def _into(decompress_into: Callable[[memoryview, bytearray], int]) -> Callable[[memoryview], bytes]:
    """By a library that fills a buffer of ours, and tells only in words that it is full."""

    def decode(data: memoryview) -> bytes:
        size = min(INFLATED_BYTES, max(_FIRST_GUESS_BYTES, 8 * len(data)))
        while True:
            buffer = bytearray(size)
            try:
                return bytes(memoryview(buffer)[: decompress_into(data, buffer)])
            except cramjam.DecompressionError as error:
                if "whole buffer" not in str(error):
                    raise
            if size == INFLATED_BYTES:
                raise _TooLarge
            size = min(INFLATED_BYTES, 8 * size)

    return decode


_CODECS: Final[dict[int, tuple[str, Callable[[memoryview], bytes]]]] = {
    1: ("gzip", _gunzipped),
    2: ("snappy", _unsnapped),
    3: ("lz4", _into(cramjam.lz4.decompress_into)),
    4: ("zstd", _into(cramjam.zstd.decompress_into)),
}
