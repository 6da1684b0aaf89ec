"""Bytes made straight from a value whose every part is just what its type asks for. Anything else
is left to codec.py, which checks the value, lets fastavro write it, or names what is wrong.

For each schema one function is put together from those of its types. Only Python's own types are
taken, and no subclass of them: what is written here has passed the check by being written. A value
of a logical type is checked by zones.py, and made bare by fastavro's own function. (A SagaEvent:
4.8 us, where checks and fastavro take 23; `benchmarks/wire.py`.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from struct import Struct
from typing import Any, Final

from fastavro.write import LOGICAL_WRITERS

from saga_schemas.direct_parts import NotOurs, Parts, assembled
from saga_schemas.varints import encoded
from saga_schemas.zones import misplaced_time

Write = Callable[[Any], bytes]
"""Gives the bytes of a value; raises anything at all where it is not taken."""
_FLOAT: Final = Struct("<f")
_DOUBLE: Final = Struct("<d")
_SMALL: Final = tuple(bytes((2 * number,)) for number in range(64))
"""What one byte holds: most lengths and counts, and many numbers."""


def writer_of(node: Any, types: Mapping[str, Any]) -> Write | None:
    """What writes values of this canonical type; None where it, or a part of it, is not written
    here.

    `types` are the named types of its document.
    """
    return assembled(node, types, _PARTS)


def _long(value: Any) -> bytes:
    if type(value) is not int or not -(2**63) <= value < 2**63:
        raise NotOurs
    return _SMALL[value] if 0 <= value < 64 else encoded(value)


def _int(value: Any) -> bytes:
    if type(value) is not int or not -(2**31) <= value < 2**31:
        raise NotOurs
    return _SMALL[value] if 0 <= value < 64 else encoded(value)


def _bytes(value: Any) -> bytes:
    if type(value) is not bytes:
        raise NotOurs
    return _long(len(value)) + value


def _string(value: Any) -> bytes:
    if type(value) is not str:
        raise NotOurs
    raw = value.encode()
    size = len(raw)
    return (_SMALL[size] if size < 64 else encoded(size)) + raw


def _boolean(value: Any) -> bytes:
    if type(value) is not bool:
        raise NotOurs
    return b"\1" if value else b"\0"


def _null(value: Any) -> bytes:
    if value is not None:
        raise NotOurs
    return b""


def _float(value: Any) -> bytes:
    return _number(_FLOAT, value)


def _double(value: Any) -> bytes:
    return _number(_DOUBLE, value)


def _number(packed: Struct, value: Any) -> bytes:
    if type(value) is not float or value != value:  # NaN has many spellings
        raise NotOurs
    return packed.pack(value)


def _logical(write_bare: Write, name: str, node: dict[str, Any]) -> Write | None:
    to_bare = LOGICAL_WRITERS.get(name)
    if to_bare is None:
        return None

    def write(value: Any) -> bytes:
        if type(value) is int:  # bare already, as the coordinator gives its times
            return write_bare(value)
        if misplaced_time(node, value, {}) is not None:
            raise NotOurs
        bare = to_bare(value, node)
        return write_bare(bytes(bare) if type(bare) is bytearray else bare)

    return write


def _record(parts: list[tuple[Mapping[str, Any], Write]]) -> Write:
    fields = [(entry["name"], write_field) for entry, write_field in parts]
    defaults = {entry["name"]: entry["default"] for entry, _ in parts if "default" in entry}

    def write(value: Any) -> bytes:
        if type(value) is not dict:
            raise NotOurs
        if len(value) != len(fields):
            value = defaults | value
            if len(value) != len(fields):
                raise NotOurs
        return b"".join([field(value[name]) for name, field in fields])

    return write


def _optional(write_other: Write, null_first: bool) -> Write:
    null, other = (b"\0", b"\2") if null_first else (b"\2", b"\0")

    def write(value: Any) -> bytes:
        return null if value is None else other + write_other(value)

    return write


def _enum(symbols: list[str]) -> Write:
    places = {symbol: _long(place) for place, symbol in enumerate(symbols)}

    def write(value: Any) -> bytes:
        return places[value]

    return write


def _fixed(size: int) -> Write:
    def write(value: Any) -> bytes:
        if type(value) is not bytes or len(value) != size:
            raise NotOurs
        return value

    return write


def _array(item: Write) -> Write:
    def write(value: Any) -> bytes:
        if type(value) is not list:
            raise NotOurs
        return b"".join([_long(len(value)), *map(item, value), b"\0"]) if value else b"\0"

    return write


def _map(item: Write) -> Write:
    def write(value: Any) -> bytes:
        if type(value) is not dict:
            raise NotOurs
        entries = [_string(key) + item(each) for key, each in value.items()]
        return b"".join([_long(len(value)), *entries, b"\0"]) if value else b"\0"

    return write


_PARTS: Final[Parts[Write]] = Parts(
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
