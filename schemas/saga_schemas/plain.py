"""Plain JSON, as people and the HTTP API write it, to Avro values and back, guided by the schema.

Unions are untagged: a text is text where the union has one, a whole number a whole number,
everything else the first branch that fits. Decimals are strings, bytes base64, times RFC 3339,
dates and UUIDs in their usual spelling (scalars.py). Going in is strict: unknown fields, NaN,
numbers out of range and wrong types are refused with a path and the expected type, never with the
value; missing fields take the schema's default. Going out, NaN and infinities become strings, since
JSON has none.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, Final
from uuid import UUID

from saga_schemas.binding import describe
from saga_schemas.errors import PlainInvalid, PlainProblem
from saga_schemas.scalars import NotOne, natural, text_of, value_of
from saga_schemas.schema import Schema, record_branches
from saga_schemas.times import EPOCH, format_us, from_datetime

MOST_PROBLEMS: Final = 10
"""Told at once."""
_SHOWN_CHARS: Final = 64
_MOST_NODES: Final = 300_000
"""Values looked at in one conversion: more than a payload can hold, few enough where unions of
records are tried branch by branch."""


def from_plain(schema: Schema, obj: object) -> dict[str, Any]:
    """The Avro value of a plain JSON object.

    Raises:
        PlainInvalid: A field does not fit; says which, and what belongs there.
    """
    value: dict[str, Any] = _Reading(schema.types).value(schema.document, obj, "")
    return value


def to_plain(schema: Schema, value: Mapping[str, Any]) -> dict[str, Any]:
    """The plain JSON object of an Avro value of this schema, its fields in the schema's order."""
    return {entry["name"]: _plain(value[entry["name"]]) for entry in schema.document["fields"] if entry["name"] in value}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, tuple):  # a record in a union of several: (full name, fields)
        return _plain(value[1])
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime):
        return format_us(from_datetime(value)) if value.tzinfo else value.isoformat(timespec="microseconds")
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value


@dataclass(slots=True)
class _Reading:
    types: Mapping[str, Any]
    nodes: int = 0

    def value(self, node: Any, obj: Any, path: str) -> Any:
        self.nodes += 1
        if self.nodes > _MOST_NODES:
            raise PlainInvalid(path, "a smaller value")
        if isinstance(node, list):
            return self.union(node, obj, path)
        if isinstance(node, str):
            node = self.types.get(node, {"type": node})
        kind = node["type"]
        if kind == "record":
            return self.record(node, obj, path)
        if kind == "array":
            _expect(isinstance(obj, list), path, node)
            return self.all_of((node["items"], each, f"{path}[{index}]") for index, each in enumerate(obj))
        if kind == "map":
            _expect(isinstance(obj, dict) and all(_is_text(key) for key in obj), path, node)
            made = self.all_of((node["values"], each, _join(path, "*")) for each in obj.values())
            return dict(zip(obj, made, strict=True))
        try:
            made = value_of(_Scalar(node), obj)
        except NotOne as problem:
            raise PlainInvalid(path, _described(node, problem.hint)) from None
        # JSON has no NaN and no infinity, so nobody can have meant one.
        _expect(not isinstance(made, float) or math.isfinite(made), path, node)
        return made

    def record(self, node: Any, obj: Any, path: str) -> dict[str, Any]:
        _expect(isinstance(obj, dict), path, node)
        fields = {entry["name"]: entry for entry in node["fields"]}
        amiss = [_unknown(_join(path, _shown(name)), name, fields) for name in obj if name not in fields]
        amiss += [
            _missing(_join(path, name), entry) for name, entry in fields.items() if name not in obj and "default" not in entry
        ]
        given = [name for name in fields if name in obj]
        made = self.all_of(((fields[name]["type"], obj[name], _join(path, name)) for name in given), amiss)
        values = dict(zip(given, made, strict=True))
        return {
            name: values[name] if name in values else self.default(entry["type"], entry["default"])
            for name, entry in fields.items()
        }

    def all_of(self, parts: Iterable[tuple[Any, Any, str]], amiss: Sequence[PlainProblem] = ()) -> list[Any]:
        """The values of all parts, or everything that is amiss with them, up to a bound."""
        made: list[Any] = []
        problems = list(amiss)
        for node, obj, path in parts:
            try:
                made.append(self.value(node, obj, path))
            except PlainInvalid as wrong:
                problems += wrong.problems
            if self.nodes > _MOST_NODES or len(problems) >= MOST_PROBLEMS:
                break
        if problems:
            raise PlainInvalid.of(problems[:MOST_PROBLEMS])
        return made

    def union(self, node: list[Any], obj: Any, path: str) -> Any:
        if obj is None:
            _expect("null" in node, path, node)
            return None
        branches = [branch for branch in node if branch != "null"]
        if len(branches) == 1:
            return self.value(branches[0], obj, path)
        records = record_branches(node, self.types)
        first = [branch for branch in branches if self.natural(branch, obj)]
        for branch in (*first, *(branch for branch in branches if branch not in first)):
            named = self.types.get(branch if isinstance(branch, str) else branch.get("name", ""))
            try:
                value = self.value(branch, obj, path)
            except PlainInvalid:
                if self.nodes > _MOST_NODES:
                    raise
                continue
            tagged = named is not None and len(records) > 1 and named["name"] in records
            return (named["name"], value) if tagged and named is not None else value
        raise PlainInvalid(path, describe(node))

    def natural(self, branch: Any, obj: Any) -> bool:
        node = self.types.get(branch, {"type": branch}) if isinstance(branch, str) else branch
        return natural(node["type"], node.get("logicalType"), obj)

    def default(self, node: Any, default: Any) -> Any:
        """A schema's own default, in Avro's JSON: bytes as characters, logical types as what lies
        under them."""
        if isinstance(node, list):
            return self._union_default(node, default)
        if isinstance(node, str):
            node = self.types.get(node, {"type": node})
        kind = node["type"]
        if kind == "record":
            return {
                entry["name"]: self.default(entry["type"], default.get(entry["name"], entry.get("default")))
                for entry in node["fields"]
            }
        if kind == "array":
            return [self.default(node["items"], each) for each in default]
        if kind == "map":
            return {key: self.default(node["values"], each) for key, each in default.items()}
        if kind in ("bytes", "fixed"):
            default = default.encode("latin-1")
        under = _UNDER.get(node.get("logicalType", ""))
        return default if under is None else under(node, default)

    def _union_default(self, node: list[Any], default: Any) -> Any:
        if default is None and "null" in node:
            return None
        branch = next(each for each in node if each != "null")
        value = self.default(branch, default)
        records = record_branches(node, self.types)
        name = branch if isinstance(branch, str) else branch.get("name")
        return (name, value) if len(records) > 1 and name in records else value


def _unknown(path: str, name: Any, fields: Mapping[str, Any]) -> PlainProblem:
    close = get_close_matches(str(name)[:_SHOWN_CHARS], list(fields), n=1)
    hint = f"did you mean {close[0]}?" if close else f"only the fields {', '.join(fields) or '(none)'}"
    return PlainProblem(path, f"no field of that name; {hint}", f"{path} is no field; {hint}")


def _missing(path: str, entry: Mapping[str, Any]) -> PlainProblem:
    words = describe(entry["type"])
    return PlainProblem(path, words, f"{path} is missing; it is {words}")


def _shown(name: Any) -> str:
    """A name that somebody else gave: one line, printable, short."""
    plain = "".join(char if char.isprintable() else "�" for char in str(name)[:_SHOWN_CHARS])
    return plain if len(str(name)) <= _SHOWN_CHARS else f"{plain}…"


class _Scalar:
    """A node of a schema as the rules read it."""

    __slots__ = ("kind", "logical", "node")

    def __init__(self, node: Any) -> None:
        self.node = node
        self.kind: str = node["type"]
        self.logical: str | None = node.get("logicalType")

    @property
    def precision(self) -> int:
        return int(self.node["precision"])

    @property
    def scale(self) -> int:
        return int(self.node.get("scale", 0))

    @property
    def size(self) -> int:
        return int(self.node["size"])

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(self.node["symbols"])


def _described(node: Any, hint: str | None) -> str:
    """The type in words, and what more there is to say of it."""
    words = describe(node)
    if hint is None or node["type"] == "enum":
        return hint or words
    return f"{words} {hint}" if not hint.startswith("base64") else f"{hint} of {words}"


def _expect(fits: bool, path: str, node: Any) -> None:
    if not fits:
        raise PlainInvalid(path, describe(node))


def _is_text(obj: Any) -> bool:
    try:
        return bool(text_of(obj) == obj)
    except ValueError:
        return False


_MIDNIGHT: Final = datetime(1970, 1, 1)
_UNDER: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "decimal": lambda node, raw: Decimal(int.from_bytes(raw, "big", signed=True)).scaleb(-node.get("scale", 0)),
    "timestamp-millis": lambda node, raw: EPOCH + timedelta(milliseconds=raw),
    "timestamp-micros": lambda node, raw: EPOCH + timedelta(microseconds=raw),
    "local-timestamp-millis": lambda node, raw: _MIDNIGHT + timedelta(milliseconds=raw),
    "local-timestamp-micros": lambda node, raw: _MIDNIGHT + timedelta(microseconds=raw),
    "date": lambda node, raw: date(1970, 1, 1) + timedelta(days=raw),
    "time-millis": lambda node, raw: (_MIDNIGHT + timedelta(milliseconds=raw)).time(),
    "time-micros": lambda node, raw: (_MIDNIGHT + timedelta(microseconds=raw)).time(),
    "uuid": lambda node, raw: UUID(raw),
}


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
