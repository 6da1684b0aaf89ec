"""Times and UUIDs of a Python value against their Avro types: what has no zone names no instant,
what has one is no local time, and a text is not yet a UUID.

fastavro asks none of it. It reads a datetime without a zone in the zone of the host, and drops the
zone of a local timestamp or of a time of day, and the time of day of a date: the same value would
be another one on another machine. It cuts digits that milliseconds cannot hold, and writes any text
for a UUID. So these are refused before it writes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from typing import Any, Final

from saga_schemas.scalars import UUID_TEXT, too_fine

_LOCAL: Final = "a local time has no zone: give its own, without tzinfo"
_NEEDED: Final = "an instant needs a zone: datetime.now(UTC), or tzinfo"
_FINER: Final = "milliseconds cannot hold all its digits: give a whole number of them"
_UUID: Final = "expected uuid"
_NO_DATE: Final = "a date has no time of day: give its .date()"
_KINDS: Final[dict[str, type[date] | type[time]]] = {
    "timestamp": datetime,
    "local-timestamp": datetime,
    "time": time,
    "date": date,
}


def misplaced_time(node: Any, value: Any, types: Mapping[str, Any], path: str = "") -> tuple[str, str] | None:
    """The path of the first time that is not of its type, and what to give instead; else None."""
    if isinstance(node, str):
        node = types.get(node, node)
    if isinstance(node, list):
        return _of_union(node, value, types, path)
    if isinstance(node, str):
        return None
    wrong = _wrong(_kind(node), value) or _finer(node, value)
    if wrong is not None:
        return path, wrong
    return next(
        (found for inner, each, at in _inner(node, value, path) if (found := misplaced_time(inner, each, types, at))), None
    )


def _kind(node: Mapping[str, Any]) -> str:
    return str(node.get("logicalType", "")).removesuffix("-millis").removesuffix("-micros")


def _wrong(kind: str, value: Any) -> str | None:
    match kind, value:
        case "timestamp", datetime() if value.utcoffset() is None:
            return _NEEDED
        case "local-timestamp", datetime() if value.utcoffset() is not None:
            return _LOCAL
        case "time", time() if value.tzinfo is not None:
            return _LOCAL
        case "date", datetime():
            return _NO_DATE
        case "uuid", str() if UUID_TEXT.fullmatch(value) is None:
            return _UUID
    return None


def _finer(node: Mapping[str, Any], value: Any) -> str | None:
    millis = str(node.get("logicalType", "")).endswith("-millis")
    return _FINER if millis and isinstance(value, datetime | time) and too_fine(value) else None


def _inner(node: Mapping[str, Any], value: Any, path: str) -> Iterator[tuple[Any, Any, str]]:
    if node["type"] == "record" and isinstance(value, Mapping):
        for entry in node["fields"]:
            if entry["name"] in value:
                yield entry["type"], value[entry["name"]], f"{path}.{entry['name']}" if path else entry["name"]
    elif node["type"] == "array" and isinstance(value, list | tuple):
        for index, each in enumerate(value):
            yield node["items"], each, f"{path}[{index}]"
    elif node["type"] == "map" and isinstance(value, Mapping):
        for each in value.values():
            yield node["values"], each, f"{path}.*"


def _of_union(node: list[Any], value: Any, types: Mapping[str, Any], path: str) -> tuple[str, str] | None:
    """Wrong only where it is wrong for every branch that could hold it."""
    if isinstance(value, tuple) and len(value) == 2 and value[0] in types:  # a record in a union of several: (full name, fields)
        return misplaced_time(types[value[0]], value[1], types, path)
    found = [misplaced_time(branch, value, types, path) for branch in node if _could_hold(branch, value, types)]
    return found[0] if found and all(each is not None for each in found) else None


def _could_hold(branch: Any, value: Any, types: Mapping[str, Any]) -> bool:
    node = types.get(branch) if isinstance(branch, str) else branch
    if node is None:
        return False
    if isinstance(value, date | time):
        kind = _KINDS.get(_kind(node))
        return kind is not None and isinstance(value, kind)
    if isinstance(value, Mapping):
        return node["type"] in ("record", "map")
    return bool(node["type"] == "array")
