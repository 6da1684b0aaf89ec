"""The outer form of an Avro object container file, looked at before anything is decompressed.

A block says how long it is; so a file of a few kilobytes could ask for gigabytes of memory.
"""

from __future__ import annotations

import sys
from typing import Final

MOST_BYTES: Final = 1024 * 1024 * 1024
"""Of all blocks of one file, decompressed. A batch of the retention loop has far fewer."""
_MAGIC: Final = b"Obj\x01"
_SYNC_BYTES: Final = 16
_LONGEST_VARINT: Final = 10


class BadBlocks(ValueError):
    """The outer form is not as Avro has it."""


def checked_blocks(content: bytes, most: int) -> None:
    """Walk over all blocks. Raises BadBlocks, and whatever zstd says of a block's head."""
    if not content.startswith(_MAGIC):
        raise BadBlocks("it is no Avro object container file")
    place, sync = _header(content)
    total = 0
    while place < len(content):
        _, place = _long(content, place)
        size, place = _long(content, place)
        end = place + size
        if size < 0 or content[end : end + _SYNC_BYTES] != sync:
            raise BadBlocks("a block does not end where it should")
        total += _decompressed(content[place:end])
        if total > most:
            raise BadBlocks(f"its records take more than {most} bytes")
        place = end + _SYNC_BYTES


def _header(content: bytes) -> tuple[int, bytes]:
    """Where the first block begins, and the mark that ends each block."""
    place = len(_MAGIC)
    while True:
        count, place = _long(content, place)
        if count == 0:
            break
        if count < 0:  # Avro's other spelling of a map's part: its length in bytes follows
            _, place = _long(content, place)
        for _ in range(2 * abs(count)):
            size, place = _long(content, place)
            if size < 0 or place + size > len(content):
                raise BadBlocks("its header is cut off")
            place += size
    sync = content[place : place + _SYNC_BYTES]
    if len(sync) != _SYNC_BYTES:
        raise BadBlocks("its header is cut off")
    return place + _SYNC_BYTES, sync


def _long(content: bytes, place: int) -> tuple[int, int]:
    """Avro's zigzag varint, and the place behind it."""
    value = 0
    for at in range(_LONGEST_VARINT):
        if place + at >= len(content):
            raise BadBlocks("it is cut off")
        byte = content[place + at]
        value |= (byte & 0x7F) << (7 * at)
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), place + at + 1
    raise BadBlocks("a number in it is too long")


def _decompressed(block: bytes) -> int:
    """How many bytes a block becomes, as its own head says."""
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    size = zstd.get_frame_info(block).decompressed_size
    if size is None:
        raise BadBlocks("a block does not say how long it is")
    return int(size)
