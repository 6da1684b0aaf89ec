"""What a part of a CEL expression may be: the kinds of value CEL knows, from Avro's types, null
included.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from saga_coordinator.definitions.avro_types import AvroType

_PLAIN: Final = {
    "null": "null",
    "boolean": "bool",
    "int": "int",
    "long": "int",
    "float": "double",
    "double": "double",
    "bytes": "bytes",
    "fixed": "bytes",
    "string": "string",
    "enum": "string",
}
_LOGICAL: Final = {"decimal": "decimal", "timestamp-millis": "timestamp", "timestamp-micros": "timestamp"}
"""Other logical types (UUIDs, dates, times of day, local timestamps) are text in an expression."""
_TEXT: Final = frozenset({"uuid", "date", "time-millis", "time-micros", "local-timestamp-millis", "local-timestamp-micros"})
_WORDS: Final = {"bool": "true or false", "int": "a whole number", "uint": "an unsigned number", "double": "a float"}
_WORDS_MORE: Final = {
    "string": "text",
    "list": "a list",
    "map": "a map",
    "null": "null",
    "type": "a type",
    "decimal": "a decimal",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Null:
    """Why a value may be null, for the words of a finding."""

    of: str
    """What to test: `input.note`."""
    step: str | None = None
    """The step whose reply it is, null where the step is skipped."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One thing a value may be.

    `name` is CEL's name of the type; `unknown` is anything, without findings.
    """

    name: str
    items: CelType | None = None
    """Of a list, or the values of a map."""
    keys: CelType | None = None
    """Of a map."""
    record: AvroType | None = None
    null: Null | None = field(default=None, compare=False)
    sure: frozenset[tuple[str, ...]] = frozenset()
    """Paths below that are known not to be null: what a `filter` let through."""

    def __str__(self) -> str:
        if self.record is not None:
            return self.record.described
        return _WORDS.get(self.name) or _WORDS_MORE.get(self.name) or f"a {self.name}"


@dataclass(frozen=True, slots=True)
class CelType:
    """What a value may be."""

    options: tuple[Kind, ...]

    @property
    def unknown(self) -> bool:
        return any(option.name == "unknown" for option in self.options)

    @property
    def null(self) -> Kind | None:
        return next((option for option in self.options if option.name == "null"), None)

    @property
    def values(self) -> tuple[Kind, ...]:
        """Without null."""
        return tuple(option for option in self.options if option.name != "null")

    @property
    def without_null(self) -> CelType:
        return CelType(self.values) if self.null is not None and self.values else self

    def __str__(self) -> str:
        return " or ".join(map(str, self.options))


def of(name: str) -> CelType:
    """A type of one kind."""
    return CelType((Kind(name),))


UNKNOWN: Final = of("unknown")
BOOL: Final = of("bool")
INT: Final = of("int")
STRING: Final = of("string")
NULL: Final = of("null")


def list_of(items: CelType) -> CelType:
    return CelType((Kind("list", items=items),))


def map_of(keys: CelType, values: CelType) -> CelType:
    return CelType((Kind("map", items=values, keys=keys),))


def union(types: Iterable[CelType]) -> CelType:
    """What is one of several; of none, nothing is known."""
    found: dict[Kind, None] = {}
    for one in types:
        found.update(dict.fromkeys(one.options))
    return CelType(tuple(found)) if found else UNKNOWN


def from_avro(one: AvroType, text: str) -> CelType:
    """A value of an Avro type as an expression sees it; `text` is what reads it, for findings."""
    if one.kind == "union":
        return union(from_avro(branch, text) for branch in one.branches)
    if one.kind == "null":
        return CelType((Kind("null", null=Null(of=text)),))
    if one.kind == "record":
        return CelType((Kind("record", record=one),))
    if one.kind == "array":
        assert one.items is not None
        return list_of(from_avro(one.items, f"{text}[…]"))
    if one.kind == "map":
        assert one.items is not None
        return map_of(STRING, from_avro(one.items, f"{text}[…]"))
    logical = one.logical or ""
    return of("string" if logical in _TEXT else _LOGICAL.get(logical) or _PLAIN[one.kind])


def let_through(items: CelType, sure: frozenset[tuple[str, ...]]) -> CelType:
    """Items of which a test has shown paths, the empty one for the item itself, not to be null."""
    kept = items.without_null if () in sure else items
    below = sure - {()}
    return CelType(tuple(replace(option, sure=option.sure | below) if option.record else option for option in kept.options))


def holds_decimal(one: CelType) -> bool:
    """Whether a value is a decimal, or a list or map of them."""
    return any(option.name == "decimal" or (option.items is not None and holds_decimal(option.items)) for option in one.options)


_FITS: Final = {
    "bool": frozenset({"boolean"}),
    "int": frozenset({"int", "long", "float", "double"}),
    "uint": frozenset({"int", "long", "float", "double"}),
    "double": frozenset({"float", "double"}),
    "bytes": frozenset({"bytes", "fixed"}),
    "type": frozenset({"string", "enum"}),
}


def may_fit(kind: Kind, target: AvroType) -> bool:
    """Whether some value of this kind can be converted to the target (conversion.py); null
    apart."""
    return any(_option_fits(kind, option) for option in target.options)


def _option_fits(kind: Kind, target: AvroType) -> bool:
    if kind.name == "unknown":
        return True
    if kind.name == "string":
        return target.kind in ("string", "enum", "bytes", "fixed") or (target.logical or "") in {*_TEXT, *_LOGICAL}
    if kind.name == "timestamp":
        return _LOGICAL.get(target.logical or "") == "timestamp"
    if kind.name == "list":
        return target.kind == "array" and _items_fit(kind, target)
    if kind.name == "map":
        return target.kind == "record" or (target.kind == "map" and _items_fit(kind, target))
    if kind.name == "record":
        return target.kind in ("record", "map")
    if target.logical == "decimal":
        return kind.name in ("int", "uint")
    return target.logical is None and target.kind in _FITS.get(kind.name, ())


def _items_fit(kind: Kind, target: AvroType) -> bool:
    """An empty list fits everywhere; where nothing else could, it is not what was meant."""
    assert kind.items is not None and target.items is not None
    items = target.items
    return any(may_fit(option, items) if option.name != "null" else items.nullable for option in kind.items.options)
