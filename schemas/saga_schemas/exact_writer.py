"""Writes a value whose Python types are exactly those its schema asks for, a schema's writer made once: a third of fastavro's cost.

It knows less than fastavro and never more: whatever is not plainly right (a subclass, a missing field, a number out of range, a union
of several types) is NotExact, and fastavro says whether it fits and how it is written. What is written here has fastavro's bytes and
fits its schema, the 32 bits of an `int` included.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any, Final

from fastavro.write import LOGICAL_WRITERS

Write = Callable[[Any], bytes]


class NotExact(Exception):
    """Not for this writer: the value, or the schema."""


def exact_writer(document: Any, types: Mapping[str, Any]) -> Write | None:
    """The writer of a canonical document whose named types are `types`; None where it has a union that fastavro must choose in.

    The writer raises NotExact, or what a logical type's conversion raises.
    """
    try:
        return _writer(document, types)
    except NotExact:
        return None


def _writer(node: Any, types: Mapping[str, Any]) -> Write:
    if isinstance(node, list):
        return _optional(node, types)
    if isinstance(node, str):
        node = types.get(node, {"type": node})
    kind = node["type"]
    if kind == "record":
        return _record([(entry["name"], _writer(entry["type"], types)) for entry in node["fields"]])
    if kind == "array":
        return _array(_writer(node["items"], types))
    if kind == "map":
        return _map(_writer(node["values"], types))
    if kind == "enum":
        return _enum(node["symbols"])
    return _logical(node, _fixed(node["size"]) if kind == "fixed" else _PRIMITIVE[kind])


def _logical(node: dict[str, Any], write: Write) -> Write:
    prepare = LOGICAL_WRITERS.get(f"{node['type']}-{node.get('logicalType')}")
    return write if prepare is None else lambda value: write(prepare(value, node))


def _optional(branches: list[Any], types: Mapping[str, Any]) -> Write:
    """Null or one other type."""
    others = [branch for branch in branches if branch != "null"]
    if len(branches) != 2 or len(others) != 1:
        raise NotExact
    write = _writer(others[0], types)
    null, index = _long(branches.index("null")), _long(branches.index(others[0]))
    return lambda value: null if value is None else index + write(value)


def _record(fields: list[tuple[str, Write]]) -> Write:
    def record(value: Any) -> bytes:
        if type(value) is not dict or len(value) != len(fields):
            raise NotExact
        try:
            return b"".join([write(value[name]) for name, write in fields])
        except KeyError:
            raise NotExact from None

    return record


def _array(write: Write) -> Write:
    def array(value: Any) -> bytes:
        if type(value) is not list:
            raise NotExact
        return b"".join([_long(len(value)), *map(write, value), b"\0"]) if value else b"\0"

    return array


def _map(write: Write) -> Write:
    def mapping(value: Any) -> bytes:
        if type(value) is not dict:
            raise NotExact
        pairs = [_string(key) + write(each) for key, each in value.items()]
        return b"".join([_long(len(pairs)), *pairs, b"\0"]) if pairs else b"\0"

    return mapping


def _enum(symbols: list[str]) -> Write:
    written = {symbol: _long(index) for index, symbol in enumerate(symbols)}

    def enum(value: Any) -> bytes:
        if type(value) is not str or value not in written:
            raise NotExact
        return written[value]

    return enum


def _fixed(size: int) -> Write:
    def fixed(value: Any) -> bytes:
        if type(value) is not bytes or len(value) != size:
            raise NotExact
        return value

    return fixed


def _null(value: Any) -> bytes:
    if value is not None:
        raise NotExact
    return b""


def _boolean(value: Any) -> bytes:
    if type(value) is not bool:
        raise NotExact
    return b"\1" if value else b"\0"


def _int_value(value: Any) -> bytes:
    if type(value) is not int or not -(2**31) <= value < 2**31:
        raise NotExact
    return _long(value)


def _long_value(value: Any) -> bytes:
    if type(value) is not int or not -(2**63) <= value < 2**63:
        raise NotExact
    return _long(value)


def _float(value: Any) -> bytes:
    if type(value) is not float:
        raise NotExact
    return struct.pack("<f", value)


def _double(value: Any) -> bytes:
    if type(value) is not float:
        raise NotExact
    return struct.pack("<d", value)


def _bytes(value: Any) -> bytes:
    if type(value) is not bytes:
        raise NotExact
    return _long(len(value)) + value


def _string(value: Any) -> bytes:
    if type(value) is not str:
        raise NotExact
    raw = value.encode()
    size = len(raw)
    return (_SIZES[size] if size < len(_SIZES) else _long(size)) + raw


_PRIMITIVE: Final[dict[str, Write]] = {
    "null": _null,
    "boolean": _boolean,
    "int": _int_value,
    "long": _long_value,
    "float": _float,
    "double": _double,
    "bytes": _bytes,
    "string": _string,
}


def _varint(raw: int) -> bytes:
    out = bytearray()
    while raw > 0x7F:
        out.append(raw & 0x7F | 0x80)
        raw >>= 7
    out.append(raw)
    return bytes(out)


_SHORT: Final = tuple(_varint(raw) for raw in range(1024))
_SIZES: Final = _SHORT[::2]  # numbers that are not negative


def _long(value: int) -> bytes:
    """Zigzag: small numbers of either sign are short."""
    raw = value << 1 ^ value >> 63
    return _SHORT[raw] if raw < len(_SHORT) else _varint(raw)
