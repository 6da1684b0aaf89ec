"""Values read straight from bytes that are spelled as we spell them. Anything else is left to
codec.py, which reads it again, decides, and names what is wrong.

For each schema one function is put together from those of its types; each takes the bytes and a
position, and gives a value and the position behind it. That one pass is the proof which codec.py
otherwise gets by writing the value again: every number in its shortest spelling and in its range,
an array in one block, no key of a map twice, no byte left. (A command of five fields: 2.3 us, where
fastavro reads, writes and checks for 9; `benchmarks/wire.py`.)

The value of a logical type is made by fastavro's own function, and proved by the one that goes
back. Unions of more than null and another type are not read here, nor is NaN.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from struct import Struct
from typing import Any, Final

from fastavro.read import LOGICAL_READERS
from fastavro.write import LOGICAL_WRITERS

from saga_schemas.direct_parts import NotOurs, Parts, assembled

Read = Callable[[bytes, int], tuple[Any, int]]
"""Gives the value at a position and the position behind it; raises anything at all where the bytes
are not spelled as we spell them."""
_FLOAT: Final = Struct("<f")
_DOUBLE: Final = Struct("<d")
_LONGEST_DECIMAL_BYTES: Final = 33
"""Of `limits.DECIMAL_DIGITS` digits: longer ones would keep fastavro busy."""


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


def _float(body: bytes, at: int) -> tuple[float, int]:
    return _number(_FLOAT, body, at)


def _double(body: bytes, at: int) -> tuple[float, int]:
    return _number(_DOUBLE, body, at)


def _number(packed: Struct, body: bytes, at: int) -> tuple[float, int]:
    (value,) = packed.unpack_from(body, at)
    if value != value:  # NaN has many spellings
        raise NotOurs
    return value, at + packed.size


def _logical(read_bare: Read, name: str, node: dict[str, Any]) -> Read | None:
    from_bare, to_bare = LOGICAL_READERS.get(name), LOGICAL_WRITERS.get(name)
    if from_bare is None or to_bare is None:
        return None

    def read(body: bytes, at: int) -> tuple[Any, int]:
        bare, at = read_bare(body, at)
        if type(bare) is bytes and len(bare) > _LONGEST_DECIMAL_BYTES:
            raise NotOurs
        value = from_bare(bare, node, None)
        if to_bare(value, node) != bare:
            raise NotOurs
        return value, at

    return read


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
    plain={
        "null": _null,
        "boolean": _boolean,
        "int": _int,
        "long": _long,
        "float": _float,
        "double": _double,
        "bytes": _bytes,
        "string": _string,
    },
    logical=_logical,
    record=_record,
    optional=_optional,
    enum=_enum,
    fixed=_fixed,
    array=_array,
    map=_map,
)
