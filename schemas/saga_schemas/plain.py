"""Plain JSON, as people and the HTTP API write it, to Avro values and back, guided by the schema.

Unions are untagged (the first branch that fits), decimals are strings, bytes base64, times RFC 3339, dates and UUIDs in their usual
spelling. Going in is strict: unknown fields, NaN, numbers out of range and wrong types are refused with a path and the expected type,
never with the value; missing fields take the schema's default. Going out, NaN and infinities become strings, since JSON has none.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from uuid import UUID

from saga_schemas.binding import describe
from saga_schemas.errors import PlainInvalid
from saga_schemas.limits import DECIMAL_DIGITS
from saga_schemas.schema import Schema, record_branches
from saga_schemas.times import EPOCH, format_us, from_datetime, parse_us, to_datetime

_MOST_NODES: Final = 300_000
"""Values looked at in one conversion: more than a payload can hold, few enough where unions of records are tried branch by branch."""
_INT_BITS: Final = {"int": 32, "long": 64}
_LARGEST_FLOAT: Final = 3.4028234663852886e38


def from_plain(schema: Schema, obj: object) -> dict[str, Any]:
    """The Avro value of a plain JSON object; PlainInvalid says which field and what it should be."""
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
        return format_us(from_datetime(value)) if value.tzinfo and value >= EPOCH else value.isoformat(timespec="microseconds")
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
            return [self.value(node["items"], each, f"{path}[{index}]") for index, each in enumerate(obj)]
        if kind == "map":
            _expect(isinstance(obj, dict) and all(_is_text(key) for key in obj), path, node)
            return {key: self.value(node["values"], each, _join(path, "*")) for key, each in obj.items()}
        logical = _LOGICAL.get(node.get("logicalType", ""))
        if logical is not None:
            try:
                return logical(node, obj)
            except (ValueError, TypeError, OverflowError, InvalidOperation):
                raise PlainInvalid(path, describe(node)) from None
        return _scalar(kind, node, obj, path)

    def record(self, node: Any, obj: Any, path: str) -> dict[str, Any]:
        _expect(isinstance(obj, dict), path, node)
        fields = {entry["name"]: entry for entry in node["fields"]}
        # The name is the sender's own text, so it is not repeated: how many fields there should be is enough to find it.
        if any(name not in fields for name in obj):
            raise PlainInvalid(path, f"only the fields {', '.join(fields) or '(none)'}")
        missing = [name for name, entry in fields.items() if name not in obj and "default" not in entry]
        if missing:
            raise PlainInvalid(_join(path, missing[0]), describe(fields[missing[0]]["type"]))
        return {
            name: self.value(entry["type"], obj[name], _join(path, name))
            if name in obj
            else self.default(entry["type"], entry["default"])
            for name, entry in fields.items()
        }

    def union(self, node: list[Any], obj: Any, path: str) -> Any:
        if obj is None:
            _expect("null" in node, path, node)
            return None
        branches = [branch for branch in node if branch != "null"]
        if len(branches) == 1:
            return self.value(branches[0], obj, path)
        records = record_branches(node, self.types)
        for branch in branches:
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

    def default(self, node: Any, default: Any) -> Any:
        """A schema's own default, in Avro's JSON: bytes as characters, logical types as what lies under them."""
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


def _scalar(kind: str, node: Any, obj: Any, path: str) -> Any:
    if kind == "null":
        _expect(obj is None, path, node)
        return None
    if kind == "boolean":
        _expect(isinstance(obj, bool), path, node)
        return obj
    if kind in _INT_BITS:
        bound = 1 << (_INT_BITS[kind] - 1)
        _expect(type(obj) is int and -bound <= obj < bound, path, node)
        return obj
    if kind in ("float", "double"):
        return _floating(kind, node, obj, path)
    if kind == "string":
        _expect(_is_text(obj), path, node)
        return obj
    if kind == "enum":
        if not (isinstance(obj, str) and obj in node["symbols"]):
            raise PlainInvalid(path, "one of " + ", ".join(node["symbols"][:20]))
        return obj
    raw = _base64(obj)
    _expect(raw is not None and (kind == "bytes" or len(raw) == node["size"]), path, node, "base64 of ")
    return raw


def _floating(kind: str, node: Any, obj: Any, path: str) -> float:
    _expect(type(obj) in (int, float), path, node)
    try:
        number = float(obj)
    except OverflowError:
        raise PlainInvalid(path, describe(node)) from None
    _expect(math.isfinite(number) and (kind == "double" or abs(number) <= _LARGEST_FLOAT), path, node)
    return number


def _expect(fits: bool, path: str, node: Any, form: str = "") -> None:
    if not fits:
        raise PlainInvalid(path, form + describe(node))


def _is_text(obj: Any) -> bool:
    """A string that UTF-8 can hold: JSON lets lone surrogates through."""
    if not isinstance(obj, str):
        return False
    try:
        obj.encode()
    except UnicodeEncodeError:
        return False
    return True


def _base64(obj: Any) -> bytes | None:
    try:
        return base64.b64decode(obj, validate=True) if isinstance(obj, str) else None
    except (binascii.Error, ValueError):
        return None


def _decimal(node: Any, obj: Any) -> Decimal:
    if not isinstance(obj, str) or len(obj) > DECIMAL_DIGITS + 8 or not obj.isascii() or "_" in obj or obj.strip() != obj:
        raise ValueError
    number = Decimal(obj)
    exponent = number.as_tuple().exponent
    scale = node.get("scale", 0)
    if not isinstance(exponent, int) or abs(exponent) > DECIMAL_DIGITS or -exponent > scale:
        raise ValueError
    # Digits before the point and the scale's behind it are what the type has room for.
    if number and number.adjusted() + 1 + scale > node["precision"]:
        raise ValueError
    return number


def _timestamp(node: Any, obj: Any) -> datetime:
    return to_datetime(parse_us(obj))


def _local_timestamp(node: Any, obj: Any) -> datetime:
    value = datetime.fromisoformat(obj)
    if value.tzinfo is not None:
        raise ValueError
    return value


def _date(node: Any, obj: Any) -> date:
    if len(obj) != 10:
        raise ValueError
    return date.fromisoformat(obj)


def _time(node: Any, obj: Any) -> time:
    value = time.fromisoformat(obj)
    if value.tzinfo is not None:
        raise ValueError
    return value


def _uuid(node: Any, obj: Any) -> UUID:
    if not isinstance(obj, str) or str(value := UUID(obj)) != obj:
        raise ValueError
    return value


_LOGICAL: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "decimal": _decimal,
    "timestamp-millis": _timestamp,
    "timestamp-micros": _timestamp,
    "local-timestamp-millis": _local_timestamp,
    "local-timestamp-micros": _local_timestamp,
    "date": _date,
    "time-millis": _time,
    "time-micros": _time,
    "uuid": _uuid,
}
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
