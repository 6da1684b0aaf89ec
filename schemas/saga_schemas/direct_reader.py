"""Values read straight from bytes that are spelled as we spell them. Anything else is left to
codec.py, which reads it again, decides, and names what is wrong.

For each schema one function is put together from those of its types; each takes the bytes and a
position, and gives a value and the position behind it. That one pass is the proof which codec.py
otherwise gets by writing the value again: every number in its shortest spelling and in its range,
an array in one block, no key of a map twice, no byte left. (A command of five fields: 2.3 us, where
fastavro reads, writes and checks for 9; `benchmarks/wire.py`.)

Types of which several spellings have one value, or whose values fastavro makes in ways of its own
(decimals, times of day, floating numbers, unions of several types), are not read here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import UUID

from saga_schemas.direct_parts import NotOurs, Parts, assembled
from saga_schemas.times import to_datetime

Read = Callable[[bytes, int], tuple[Any, int]]
"""Gives the value at a position and the position behind it; raises anything at all where the bytes
are not spelled as we spell them."""


def reader_of(node: Any, types: Mapping[str, Any]) -> Read | None:
    """What reads values of this canonical type; None where it, or a part of it, is not read here.

    `types` are the named types of its document.
    """
    return assembled(node, types, _PARTS)


def _varint(body: bytes, at: int, bits: int) -> tuple[int, int]:
    raw = shift = 0
    while True:
        byte = body[at]
        at += 1
        raw |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
        if shift > bits:
            raise NotOurs
    if (shift and not byte) or raw >> bits:
        raise NotOurs
    return (raw >> 1) ^ -(raw & 1), at


def _long(body: bytes, at: int) -> tuple[int, int]:
    byte = body[at]
    return ((byte >> 1) ^ -(byte & 1), at + 1) if byte < 0x80 else _varint(body, at, 64)


def _int(body: bytes, at: int) -> tuple[int, int]:
    byte = body[at]
    return ((byte >> 1) ^ -(byte & 1), at + 1) if byte < 0x80 else _varint(body, at, 32)


def _bytes(body: bytes, at: int) -> tuple[bytes, int]:
    size, at = _long(body, at)
    stop = at + size
    if not at <= stop <= len(body):
        raise NotOurs
    return body[at:stop], stop


def _string(body: bytes, at: int) -> tuple[str, int]:
    byte = body[at]  # below 128 and even: a length of one byte, which is nearly always so
    size, at = (byte >> 1, at + 1) if not byte & 0x81 else _long(body, at)
    stop = at + size
    if not at <= stop <= len(body):
        raise NotOurs
    return body[at:stop].decode(), stop


def _boolean(body: bytes, at: int) -> tuple[bool, int]:
    byte = body[at]
    if byte > 1:
        raise NotOurs
    return byte == 1, at + 1


def _null(body: bytes, at: int) -> tuple[None, int]:
    return None, at


def _uuid(body: bytes, at: int) -> tuple[UUID, int]:
    text, at = _string(body, at)
    value = UUID(text)
    if str(value) != text:
        raise NotOurs
    return value, at


def _timestamp(body: bytes, at: int) -> tuple[Any, int]:
    unix_us, at = _long(body, at)
    return to_datetime(unix_us), at


def _record(parts: list[tuple[Mapping[str, Any], Read]]) -> Read:
    fields = [(entry["name"], read_field) for entry, read_field in parts]

    def read(body: bytes, at: int) -> tuple[dict[str, Any], int]:
        value = {}
        for name, field in fields:
            value[name], at = field(body, at)
        return value, at

    return read


def _optional(read_other: Read, null_first: bool) -> Read:
    null, other = (0, 2) if null_first else (2, 0)

    def read(body: bytes, at: int) -> tuple[Any, int]:
        index = body[at]
        if index == other:
            return read_other(body, at + 1)
        if index == null:
            return None, at + 1
        raise NotOurs

    return read


def _enum(symbols: list[str]) -> Read:
    def read(body: bytes, at: int) -> tuple[str, int]:
        index, at = _long(body, at)
        if index < 0:
            raise NotOurs
        return symbols[index], at

    return read


def _fixed(size: int) -> Read:
    def read(body: bytes, at: int) -> tuple[bytes, int]:
        stop = at + size
        if stop > len(body):
            raise NotOurs
        return body[at:stop], stop

    return read


def _array(item: Read) -> Read:
    def read(body: bytes, at: int) -> tuple[list[Any], int]:
        count, at = _count(body, at)
        value = []
        for _ in range(count):  # each takes at least one byte: the gate refuses items without width
            one, at = item(body, at)
            value.append(one)
        return value, _end(body, at, count)

    return read


def _map(item: Read) -> Read:
    def read(body: bytes, at: int) -> tuple[dict[str, Any], int]:
        count, at = _count(body, at)
        value: dict[str, Any] = {}
        for _ in range(count):
            key, at = _string(body, at)
            value[key], at = item(body, at)
        if len(value) != count:
            raise NotOurs
        return value, _end(body, at, count)

    return read


def _count(body: bytes, at: int) -> tuple[int, int]:
    count, at = _long(body, at)
    if count < 0:
        raise NotOurs
    return count, at


def _end(body: bytes, at: int, count: int) -> int:
    """Behind the zero that ends the block; an empty one is nothing but that zero."""
    if not count:
        return at
    if body[at]:
        raise NotOurs
    return at + 1


_PARTS: Final[Parts[Read]] = Parts(
    plain={"null": _null, "boolean": _boolean, "int": _int, "long": _long, "bytes": _bytes, "string": _string},
    logical={("string", "uuid"): _uuid, ("long", "timestamp-micros"): _timestamp},
    record=_record,
    optional=_optional,
    enum=_enum,
    fixed=_fixed,
    array=_array,
    map=_map,
)
