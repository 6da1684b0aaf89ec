"""Avro schemas as types: what a field path leads to, and whether one type may be given to another.

A view for checking and conversion only; reading and writing bytes is `saga_schemas.codec`'s.
Schemas were gated before they got here, so a type never contains itself.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from saga_schemas.schema import Schema

PRIMITIVES: Final = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
NUMBERS: Final = ("int", "long", "float", "double")


class TypeUnknown(ValueError):
    """A schema names a type it does not define, or contains itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a record."""

    name: str
    type: AvroType
    has_default: bool
    default: Any = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AvroType:
    """One Avro type, names resolved."""

    kind: str
    """An Avro type name, or `union`."""
    name: str | None = None
    """Full name of a record, enum or fixed."""
    logical: str | None = None
    precision: int = 0
    scale: int = 0
    size: int = 0
    fields: Mapping[str, Field] = field(default_factory=dict)
    symbols: tuple[str, ...] = ()
    items: AvroType | None = None
    """Of an array or a map."""
    branches: tuple[AvroType, ...] = ()
    """Of a union."""

    @property
    def nullable(self) -> bool:
        return self.kind == "null" or any(branch.kind == "null" for branch in self.branches)

    @property
    def options(self) -> tuple[AvroType, ...]:
        """What a value may be apart from null."""
        candidates = self.branches if self.kind == "union" else (self,)
        return tuple(branch for branch in candidates if branch.kind != "null")

    def __str__(self) -> str:
        if self.kind == "union":
            return " or ".join(str(branch) for branch in self.branches)
        if self.logical == "decimal":
            return f"decimal({self.precision},{self.scale})"
        if self.kind in ("array", "map"):
            return f"{self.kind} of {self.items}"
        return self.name or self.logical or self.kind

    @property
    def described(self) -> str:
        """With an article, for a sentence: `a long`, `an int`."""
        text = str(self)
        return f"{'an' if text[:1] in 'aeiou' and not text.startswith('uuid') else 'a'} {text}"


NULL: Final = AvroType(kind="null")
STRING: Final = AvroType(kind="string")
LONG: Final = AvroType(kind="long")
NULLABLE_STRING: Final = AvroType(kind="union", branches=(NULL, STRING))


def type_of(schema: Schema) -> AvroType:
    """The type a schema describes. Raises TypeUnknown."""
    return _Resolver().resolve(schema.document, "")


class _Resolver:
    def __init__(self) -> None:
        self._named: dict[str, AvroType | None] = {}

    def resolve(self, document: Any, namespace: str) -> AvroType:
        if isinstance(document, str):
            return AvroType(kind=document) if document in PRIMITIVES else self._reference(document, namespace)
        if isinstance(document, list):
            return AvroType(kind="union", branches=tuple(self.resolve(branch, namespace) for branch in document))
        kind = document["type"]
        if isinstance(kind, (dict, list)):
            return self.resolve(kind, namespace)
        if kind in ("record", "error", "enum", "fixed"):
            return self._named_type(kind, document, namespace)
        if kind == "array":
            return AvroType(kind=kind, items=self.resolve(document["items"], namespace))
        if kind == "map":
            return AvroType(kind=kind, items=self.resolve(document["values"], namespace))
        if kind not in PRIMITIVES:
            return self._reference(kind, namespace)
        return AvroType(kind=kind, **_logical(document))

    def _reference(self, name: str, namespace: str) -> AvroType:
        full = name if "." in name or not namespace else f"{namespace}.{name}"
        found = self._named.get(full) or self._named.get(name)
        if found is None:
            raise TypeUnknown(f"{full} is not defined before it is used, or contains itself")
        return found

    def _named_type(self, kind: str, document: Mapping[str, Any], namespace: str) -> AvroType:
        name = document["name"]
        if "." not in name:
            outer = document.get("namespace", namespace)
            name = f"{outer}.{name}" if outer else name
        inner = name.rpartition(".")[0]
        self._named[name] = None
        if kind == "enum":
            made = AvroType(kind=kind, name=name, symbols=tuple(document["symbols"]))
        elif kind == "fixed":
            made = AvroType(kind=kind, name=name, size=document["size"], **_logical(document))
        else:
            made = AvroType(kind="record", name=name, fields={f["name"]: self._field(f, inner) for f in document["fields"]})
        self._named[name] = made
        return made

    def _field(self, document: Mapping[str, Any], namespace: str) -> Field:
        return Field(
            name=document["name"],
            type=self.resolve(document["type"], namespace),
            has_default="default" in document,
            default=document.get("default"),
        )


def _logical(document: Mapping[str, Any]) -> dict[str, Any]:
    if "logicalType" not in document:
        return {}
    return {
        "logical": document["logicalType"],
        "precision": document.get("precision", 0),
        "scale": document.get("scale", 0),
    }


def follow(start: AvroType, names: tuple[str, ...], sure: Collection[int] = ()) -> AvroType:
    """The type at the end of a field path; a null on the way makes the end nullable.

    Raises KeyError with the first unknown name.

    `sure`: after how many names the value is known not to be null.
    """
    current, nullable = start, False
    for place, name in enumerate(names):
        nullable = (nullable or current.nullable) and place not in sure
        ends = [option.fields[name].type for option in current.options if name in option.fields]
        ends += [option.items for option in current.options if option.kind == "map" and option.items is not None]
        if not ends:
            raise KeyError(name)
        current = ends[0] if len(ends) == 1 else union_of(*ends)
    if len(names) in sure:
        return union_of(*current.options)
    return union_of(NULL, current) if nullable and not current.nullable else current


def union_of(*types: AvroType) -> AvroType:
    """A union of types, flattened."""
    flat: list[AvroType] = []
    for one in types:
        flat.extend(one.branches if one.kind == "union" else (one,))
    return flat[0] if len(flat) == 1 else AvroType(kind="union", branches=tuple(flat))


def default_value(one: AvroType, default: Any) -> Any:
    """A default as the schema's JSON has it, as a value.

    Of a union it is the first branch's, bytes are written as text.
    """
    if one.kind == "union":
        first = one.branches[0]
        made = default_value(first, default)
        several = sum(branch.kind == "record" for branch in one.branches) > 1
        return (first.name, made) if several and first.kind == "record" else made
    if one.kind in ("bytes", "fixed"):
        return default.encode("latin-1")
    if one.kind == "record":
        given = {name: default.get(name, field.default) for name, field in one.fields.items()}
        return {name: default_value(field.type, given[name]) for name, field in one.fields.items()}
    if one.items is not None and one.kind == "array":
        return [default_value(one.items, item) for item in default]
    if one.items is not None:
        return {key: default_value(one.items, item) for key, item in default.items()}
    return default


def assignable(source: AvroType, target: AvroType) -> bool:
    """Whether every value of `source`, null apart, is a value of `target`, exactly or by Avro's
    promotions.
    """
    return _assignable(source, target, set())


def _assignable(source: AvroType, target: AvroType, seen: set[tuple[int, int]]) -> bool:
    pair = (id(source), id(target))
    if pair in seen:
        return True
    seen.add(pair)
    return all(any(_one_fits(have, want, seen) for want in target.options) for have in source.options)


def _one_fits(have: AvroType, want: AvroType, seen: set[tuple[int, int]]) -> bool:
    if have.kind == "record" or want.kind == "record":
        return have.kind == want.kind and have.name == want.name and _fields_fit(have, want, seen)
    if have.kind in ("array", "map"):
        return have.kind == want.kind and _items_fit(have, want, seen)
    if have.kind == "enum":
        return _plain_string(want) or (
            have.kind == want.kind and have.name == want.name and set(have.symbols) <= set(want.symbols)
        )
    if have.logical or want.logical:
        return _logical_fits(have, want)
    if have.kind == "fixed":
        return have.kind == want.kind and have.name == want.name and have.size == want.size
    if have.kind in NUMBERS and want.kind in NUMBERS:
        return NUMBERS.index(have.kind) <= NUMBERS.index(want.kind)
    return have.kind == want.kind


def _fields_fit(have: AvroType, want: AvroType, seen: set[tuple[int, int]]) -> bool:
    for name, wanted in want.fields.items():
        given = have.fields.get(name)
        if given is None:
            if not wanted.has_default:
                return False
        elif (given.type.nullable and not wanted.type.nullable) or not _assignable(given.type, wanted.type, seen):
            return False
    return True


def _items_fit(have: AvroType, want: AvroType, seen: set[tuple[int, int]]) -> bool:
    assert have.items is not None and want.items is not None
    if have.items.nullable and not want.items.nullable:
        return False
    return _assignable(have.items, want.items, seen)


def _plain_string(one: AvroType) -> bool:
    return one.kind == "string" and one.logical is None


def _logical_fits(have: AvroType, want: AvroType) -> bool:
    if have.logical == "decimal" and want.logical == "decimal":
        return have.scale == want.scale and have.precision <= want.precision
    if have.logical == "uuid" and _plain_string(want):
        return True
    return have.logical == want.logical
