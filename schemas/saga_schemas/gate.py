"""The schema gate: one walk that refuses what would be dangerous to decode and gives the canonical
document.

Refused: recursion (5 kB of nested records kill the process), arrays and maps of zero-width items
(five bytes allocate 800 MB), and anything deeper or wider than limits.py; a named type counts each
time it is used, so that a small document cannot unfold into a huge one. Canonical: named types
in-lined at first use under their full names, `namespace` and `doc` dropped, everything else kept.
The id of a schema is made from this document (schema.py), so every change here changes ids:
docs/wire.md shows the rules to other languages.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from saga_schemas import limits
from saga_schemas.errors import SchemaRefused

PRIMITIVES: Final = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
_NAMED: Final = frozenset({"record", "enum", "fixed"})
_FULL_NAME: Final = re.compile(r"(?a:[A-Za-z_]\w{0,127}(\.[A-Za-z_]\w{0,127}){0,15})")
_SIMPLE_NAME: Final = re.compile(r"(?a:[A-Za-z_]\w{0,127})")
_JSON_DEPTH: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A walked type: its canonical document and how much decoding it can cost."""

    node: Any
    zero_width: bool
    """Takes no byte on the wire."""
    width: int
    """Fields, branches and symbols, each use of a named type counted."""
    depth: int


def canonical(document: object, known: Mapping[str, Any]) -> Shape:
    """The canonical form of `document`, whose references to other files are looked up in `known` by
    full name."""
    _check_json(document)
    shape = _Walk(known).walk(document, "", 1)
    if shape.depth > limits.SCHEMA_DEPTH:
        raise SchemaRefused(f"types are more than {limits.SCHEMA_DEPTH} deep inside each other")
    return shape


def full_name_of(document: object) -> str | None:
    """The full name a schema document gives itself, or None when it names nothing."""
    if not isinstance(document, dict) or not isinstance(document.get("name"), str):
        return None
    name, namespace = document["name"], document.get("namespace")
    return name if "." in name or not namespace else f"{namespace}.{name}"


@dataclass(slots=True)
class _Walk:
    known: Mapping[str, Any]
    defined: dict[str, Shape] = field(default_factory=dict)
    source: dict[str, tuple[Any, str]] = field(default_factory=dict)
    open: list[str] = field(default_factory=list)

    def walk(self, node: Any, namespace: str, depth: int) -> Shape:
        if depth > limits.SCHEMA_DEPTH:
            raise SchemaRefused(f"types are more than {limits.SCHEMA_DEPTH} deep inside each other{self._where()}")
        if isinstance(node, str):
            return self._reference(node, namespace, depth)
        if isinstance(node, list):
            return self._union(node, namespace, depth)
        if not isinstance(node, dict):
            raise SchemaRefused(f"a type is a name, a list or an object{self._where()}")
        kind = node.get("type")
        if not isinstance(kind, str):
            raise SchemaRefused(f"'type' of a type is a name{self._where()}")
        if kind in _NAMED:
            return self._named(kind, node, namespace, depth)
        if kind in ("array", "map"):
            return self._collection(kind, node, namespace, depth)
        if kind in PRIMITIVES:
            _check_logical(node, self._where())
            return Shape(node=_attributes(node), zero_width=kind == "null", width=1, depth=1)
        raise SchemaRefused(f"unknown type '{kind[:80]}'{self._where()}")

    def _reference(self, name: str, namespace: str, depth: int) -> Shape:
        if name in PRIMITIVES:
            return Shape(node=name, zero_width=name == "null", width=1, depth=1)
        full = name if "." in name or not namespace else f"{namespace}.{name}"
        if full in self.open:
            raise SchemaRefused(f"{full} contains itself: recursive schemas are refused")
        if full in self.defined:
            shape = self.defined[full]
            return Shape(node=full, zero_width=shape.zero_width, width=shape.width, depth=shape.depth)
        if full in self.known:
            document = self.known[full]
            _check_json(document)
            if full_name_of(document) != full:
                raise SchemaRefused(f"the schema given for {full} has another name")
            return self.walk(document, "", depth)
        raise SchemaRefused(f"unknown type '{full[:200]}'{self._where()}")

    def _union(self, branches: list[Any], namespace: str, depth: int) -> Shape:
        if not branches:
            raise SchemaRefused(f"an empty union holds nothing{self._where()}")
        shapes = []
        seen = set()
        for branch in branches:
            if isinstance(branch, list):
                raise SchemaRefused(f"a union directly inside a union{self._where()}")
            shape = self.walk(branch, namespace, depth + 1)
            label = branch_name(shape.node)
            if label in seen:
                raise SchemaRefused(f"a union has {label} twice{self._where()}")
            seen.add(label)
            shapes.append(shape)
        width = self._bounded(len(shapes) + sum(shape.width for shape in shapes))
        return Shape(
            node=[shape.node for shape in shapes], zero_width=False, width=width, depth=1 + max(shape.depth for shape in shapes)
        )

    def _collection(self, kind: str, node: dict[str, Any], namespace: str, depth: int) -> Shape:
        inner = "items" if kind == "array" else "values"
        if inner not in node:
            raise SchemaRefused(f"an {kind} without '{inner}'{self._where()}")
        shape = self.walk(node[inner], namespace, depth + 1)
        if shape.zero_width:
            raise SchemaRefused(f"an {kind} of items that take no bytes: a few bytes would allocate without bound{self._where()}")
        return Shape(
            node=_attributes(node) | {inner: shape.node},
            zero_width=False,
            width=self._bounded(1 + shape.width),
            depth=1 + shape.depth,
        )

    def _named(self, kind: str, node: dict[str, Any], namespace: str, depth: int) -> Shape:
        full = _checked_name(node, namespace)
        inner = full.rpartition(".")[0]
        if namespace and "." not in full:  # the canonical document has no way to say so
            raise SchemaRefused(f"{full} has no namespace and stands inside one: give it one{self._where()}")
        if full in self.open:
            raise SchemaRefused(f"{full} contains itself: recursive schemas are refused")
        if full in self.defined:
            return self._again(full, node, namespace)
        self.open.append(full)
        if kind == "record":
            shape = self._record(full, node, inner, depth)
        elif kind == "enum":
            shape = self._enum(full, node)
        else:
            shape = self._fixed(full, node)
        self.open.pop()
        self.defined[full] = shape
        self.source[full] = (node, namespace)
        return shape

    def _again(self, full: str, node: Any, namespace: str) -> Shape:
        """A second, equal definition is a reference; a different one is refused."""
        first = _Walk(self.known).walk(self.source[full][0], self.source[full][1], 1)
        if _Walk(self.known).walk(node, namespace, 1).node != first.node:
            raise SchemaRefused(f"{full} is defined twice, differently")
        shape = self.defined[full]
        return Shape(node=full, zero_width=shape.zero_width, width=shape.width, depth=shape.depth)

    def _record(self, full: str, node: dict[str, Any], namespace: str, depth: int) -> Shape:
        fields, shapes, seen = [], [], set()
        if not isinstance(node.get("fields"), list):
            raise SchemaRefused(f"record {full} has no list of fields")
        for entry in node["fields"]:
            name = entry.get("name") if isinstance(entry, dict) else None
            if not isinstance(name, str) or not _SIMPLE_NAME.fullmatch(name):
                raise SchemaRefused(f"record {full} has a field without a proper name")
            if name in seen or "type" not in entry:
                raise SchemaRefused(
                    f"field {full}.{name} stands there twice" if name in seen else f"field {full}.{name} has no type"
                )
            seen.add(name)
            shape = self.walk(entry["type"], namespace, depth + 1)
            shapes.append(shape)
            fields.append(_attributes(entry) | {"type": shape.node})
        width = self._bounded(1 + sum(1 + shape.width for shape in shapes))
        return Shape(
            node=_attributes(node) | {"name": full, "fields": fields},
            zero_width=all(shape.zero_width for shape in shapes),
            width=width,
            depth=1 + max((shape.depth for shape in shapes), default=0),
        )

    def _enum(self, full: str, node: dict[str, Any]) -> Shape:
        symbols = node.get("symbols")
        if not isinstance(symbols, list) or not symbols:
            raise SchemaRefused(f"enum {full} has no symbols")
        if any(not isinstance(symbol, str) or not _SIMPLE_NAME.fullmatch(symbol) for symbol in symbols):
            raise SchemaRefused(f"enum {full}: a symbol is not a name")
        if len(set(symbols)) != len(symbols):
            raise SchemaRefused(f"enum {full} has a symbol twice")
        return Shape(node=_attributes(node) | {"name": full}, zero_width=False, width=self._bounded(len(symbols)), depth=1)

    def _fixed(self, full: str, node: dict[str, Any]) -> Shape:
        size = node.get("size")
        if type(size) is not int or not 0 <= size <= limits.FIXED_BYTES:
            raise SchemaRefused(f"fixed {full}: 'size' is a number from 0 to {limits.FIXED_BYTES}")
        _check_logical(node, self._where())
        return Shape(node=_attributes(node) | {"name": full}, zero_width=size == 0, width=1, depth=1)

    def _bounded(self, width: int) -> int:
        if width > limits.SCHEMA_FIELDS:
            raise SchemaRefused(f"more than {limits.SCHEMA_FIELDS} fields, branches and symbols{self._where()}")
        return width

    def _where(self) -> str:
        return f" (in {self.open[-1]})" if self.open else ""


def branch_name(node: Any) -> str:
    """What tells the branches of a union apart: the full name of a named type, else the type."""
    if isinstance(node, str):
        return node
    return str(node["name"]) if node["type"] in _NAMED else str(node["type"])


def _attributes(node: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in node.items() if key not in ("doc", "namespace")}


def _checked_name(node: dict[str, Any], namespace: str) -> str:
    name, own = node.get("name"), node.get("namespace")
    if not isinstance(name, str) or not (own is None or isinstance(own, str)):
        raise SchemaRefused(f"a {node['type']} without a proper name")
    space = namespace if own is None else own
    full = name if "." in name or not space else f"{space}.{name}"
    if not _FULL_NAME.fullmatch(full) or full in PRIMITIVES:
        raise SchemaRefused(f"'{full[:200]}' is not a name an Avro type may have")
    return full


def _check_logical(node: dict[str, Any], where: str) -> None:
    if node.get("logicalType") != "decimal":
        return
    precision, scale = node.get("precision"), node.get("scale", 0)
    if (
        type(precision) is not int
        or type(scale) is not int
        or not 0 <= scale <= precision <= limits.DECIMAL_DIGITS
        or precision < 1
    ):
        raise SchemaRefused(f"a decimal has a precision from 1 to {limits.DECIMAL_DIGITS} and a scale up to it{where}")


def _check_json(document: object) -> None:
    """Checks depth and size of the raw JSON, without recursion.

    Defaults and custom attributes are not walked otherwise.
    """
    level: list[Any] = [document]
    nodes = 0
    for _ in range(_JSON_DEPTH):
        inner: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                if any(not isinstance(key, str) or key.startswith("__") for key in value):
                    raise SchemaRefused("a schema has an attribute that is reserved for Avro libraries")
                inner.extend(value.values())
            elif isinstance(value, list):
                inner.extend(value)
        if not inner:
            return
        nodes += len(inner)
        if nodes > limits.SCHEMA_BYTES:
            raise SchemaRefused(f"a schema has at most {limits.SCHEMA_BYTES} bytes")
        level = inner
    raise SchemaRefused(f"a schema's JSON is at most {_JSON_DEPTH} deep")
