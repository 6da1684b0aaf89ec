"""The functions and operators an expression may use, with the kinds of value each takes.

A row stands here only when the library's result, or that of ours in its place (cel_program.py), is
right for every value of its kinds; tests run each row. What CEL has beyond these, the library lacks
or gets wrong: `INSTEAD` says what to write.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from saga_coordinator.definitions.cel_types import Kind

Row = tuple[str, ...]
"""Kinds of the receiver (of a method) and the arguments, last the result.

`any` takes everything, null too.
"""

_NUMBERS: Final = ("int", "uint", "double")
_SIZED: Final = ("string", "bytes", "list", "map", "record")
FUNCTIONS: Final[Mapping[str, tuple[Row, ...]]] = {
    "size": tuple((kind, "int") for kind in _SIZED),
    "int": tuple((kind, "int") for kind in (*_NUMBERS, "string")),
    "uint": tuple((kind, "uint") for kind in (*_NUMBERS, "string")),
    "double": tuple((kind, "double") for kind in (*_NUMBERS, "string")),
    "string": tuple((kind, "string") for kind in (*_NUMBERS, "string", "bytes", "bool", "timestamp", "duration")),
    "bytes": (("string", "bytes"), ("bytes", "bytes")),
    "timestamp": (("string", "timestamp"), ("timestamp", "timestamp")),
    "duration": (("string", "duration"), ("duration", "duration")),
    "type": (("any", "type"),),
}
_TEXT_TEST: Final[tuple[Row, ...]] = (("string", "string", "bool"),)
_OF_TIMESTAMP: Final[tuple[Row, ...]] = (("timestamp", "int"),)
_OF_BOTH: Final[tuple[Row, ...]] = (("timestamp", "int"), ("duration", "int"))
METHODS: Final[Mapping[str, tuple[Row, ...]]] = {
    "size": FUNCTIONS["size"],
    **dict.fromkeys(("contains", "startsWith", "endsWith", "matches"), _TEXT_TEST),
    **dict.fromkeys(
        ("getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear"),
        _OF_TIMESTAMP,
    ),
    **dict.fromkeys(("getHours", "getMinutes", "getSeconds", "getMilliseconds"), _OF_BOTH),
}
TYPES: Final = frozenset({"bool", "int", "uint", "double", "string", "bytes", "list", "map", "null_type", "type"})
"""Names of types, for `type(x) == int`."""

_ORDERED: Final = ("string", "bytes", "bool", "timestamp", "duration")
_LESS: Final[tuple[Row, ...]] = (
    *((left, right, "bool") for left in _NUMBERS for right in _NUMBERS),
    *((kind, kind, "bool") for kind in _ORDERED),
)
_ARITHMETIC: Final[tuple[Row, ...]] = tuple((kind, kind, kind) for kind in _NUMBERS)
_EQUAL: Final[tuple[Row, ...]] = (("any", "any", "bool"),)
OPERATORS: Final[Mapping[str, tuple[Row, ...]]] = {
    "+": (
        *_ARITHMETIC,
        ("string", "string", "string"),
        ("bytes", "bytes", "bytes"),
        ("list", "list", "list"),
        ("timestamp", "duration", "timestamp"),
        ("duration", "duration", "duration"),
    ),
    "-": (
        *_ARITHMETIC,
        ("timestamp", "duration", "timestamp"),
        ("timestamp", "timestamp", "duration"),
        ("duration", "duration", "duration"),
    ),
    "*": _ARITHMETIC,
    "/": _ARITHMETIC,
    "%": (("int", "int", "int"), ("uint", "uint", "uint")),
    **dict.fromkeys(("<", "<=", ">", ">="), _LESS),
    **dict.fromkeys(("==", "!="), _EQUAL),
    "in": (
        ("any", "list", "bool"),
        *((key, held, "bool") for key in ("string", "int", "uint", "bool") for held in ("map", "record")),
    ),
}
UNARY: Final[Mapping[str, tuple[Row, ...]]] = {"!": (("bool", "bool"),), "-": (("int", "int"), ("double", "double"))}

_ZONE: Final = "times are in UTC here and time zones are not known: shift the time first, as in (x + duration('1h'))"
INSTEAD: Final[Mapping[str, str]] = {
    "min": "write a < b ? a : b",
    "max": "write a > b ? a : b",
    "bool": "write x == 'true'",
    "dyn": "write the value without it",
    **dict.fromkeys(("getHours", "getMinutes", "getSeconds", "getMilliseconds"), _ZONE),
    **dict.fromkeys(("getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear"), _ZONE),
    "int": "seconds of a timestamp are (x - timestamp('1970-01-01T00:00:00Z')).getSeconds(), of a duration x.getSeconds()",
    "timestamp": "write timestamp('2026-11-03T14:05:06Z')",
    "duration": "write duration('90s')",
}


def results(rows: tuple[Row, ...], given: tuple[Kind, ...]) -> tuple[str, ...]:
    """The results of the rows that take values of these kinds; none: they always fail."""
    return tuple(row[-1] for row in rows if len(row) == len(given) + 1 and all(map(_takes, row, given)))


def takes_null(rows: tuple[Row, ...], place: int) -> bool:
    """Whether null may stand at a place."""
    return any(place < len(row) - 1 and row[place] == "any" for row in rows)


def _takes(wanted: str, kind: Kind) -> bool:
    return wanted in ("any", kind.name) or kind.name == "unknown"
