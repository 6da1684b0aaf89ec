"""A record of every type, values of it at the edges, and what an expression over it sees."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from saga_coordinator.definitions.avro_types import type_of
from saga_coordinator.definitions.scope_types import Reply, Sight
from saga_schemas.schema import Schema
from unit.coordinator.definitions.spoil import record


def _logical(kind: str, logical: str) -> dict[str, str]:
    return {"type": kind, "logicalType": logical}


ITEM = record("Item", ("name", "string"), ("price", "double"), ("count", ["null", "int"]))
ALL = record(
    "All",
    ("b", "boolean"),
    ("i", "int"),
    ("l", "long"),
    ("f", "float"),
    ("d", "double"),
    ("s", "string"),
    ("x", "bytes"),
    ("e", {"type": "enum", "name": "t.E", "symbols": ["red", "blue"]}),
    ("u", _logical("string", "uuid")),
    ("m", {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}),
    ("day", _logical("int", "date")),
    ("clock", _logical("int", "time-millis")),
    ("at", _logical("long", "timestamp-millis")),
    ("later", _logical("long", "timestamp-micros")),
    ("local", _logical("long", "local-timestamp-micros")),
    ("list", {"type": "array", "items": "int"}),
    ("items", {"type": "array", "items": ITEM}),
    ("map", {"type": "map", "values": "long"}),
    ("item", "t.Item"),
    ("none", ["null", "string"]),
    ("maybe", ["null", "t.Item"]),
    ("flag", ["null", "boolean"]),
    ("count", ["null", "int"]),
)
SCHEMA = Schema.parse(ALL)
_ITEM = {"name": "tea", "price": 2.5, "count": None}
FULL: dict[str, Any] = {
    "b": True,
    "i": 3,
    "l": -(2**63),
    "f": 0.5,
    "d": 2.5,
    "s": "Zoë",
    "x": b"ab",
    "e": "red",
    "u": UUID(int=7),
    "m": Decimal("1.10"),
    "day": date(2026, 3, 29),
    "clock": time(2, 30),
    "at": datetime(2026, 3, 29, 1, 30, tzinfo=UTC),
    "later": datetime(2026, 10, 25, 0, 30, 0, 1, tzinfo=UTC),
    "local": datetime(2026, 3, 29, 2, 30),
    "list": [1, 2, 3],
    "items": [_ITEM, _ITEM | {"count": 4}],
    "map": {"b": 1, "a": 2, "ä b": 3},
    "item": _ITEM,
    "none": "text",
    "maybe": _ITEM,
    "flag": True,
    "count": 2,
}
NULLS: dict[str, Any] = FULL | {"none": None, "maybe": None, "flag": None, "count": None, "i": 0, "l": 0, "b": False}
EARLY: dict[str, Any] = FULL | {
    "at": datetime(1, 1, 1, tzinfo=UTC),
    "later": datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    "local": datetime(1, 1, 1),
    "day": date(1, 1, 1),
    "list": [],
    "items": [],
    "map": {},
}
LATE: dict[str, Any] = FULL | {
    "at": datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
    "later": datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    "local": datetime(9999, 12, 31, 23, 59, 59, 999_999),
    "d": 1e300,
    "f": float("inf"),
    "l": 2**63 - 1,
    "x": b"\xff",
}
SAGA = {"id": "s-1", "key": "k-1", "tenant": "default", "definition": "trip", "version": 1}


def scope(value: dict[str, Any], *, skipped: bool = False) -> dict[str, Any]:
    """What an expression runs over: `steps.car` may be skipped, `steps.two-part` is always
    there."""
    return {"input": value, "steps": {"two-part": value} if skipped else {"two-part": value, "car": value}, "saga": SAGA}


SCOPES = [scope(value, skipped=skipped) for value in (FULL, NULLS, EARLY, LATE) for skipped in (False, True)]


def sight() -> Sight:
    """The types of `scope`."""
    one = type_of(SCHEMA)
    replies = {
        "car": Reply(type=one, problem=None, there=True, may_be_skipped=True),
        "two-part": Reply(type=one, problem=None, there=True, may_be_skipped=False),
    }
    return Sight(input=one, replies=replies, has_key=True)
