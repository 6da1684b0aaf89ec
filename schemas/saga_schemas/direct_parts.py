"""How a direct reader or writer of a type is put together from those of its parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

F = TypeVar("F")


class NotOurs(ValueError):
    """The bytes, or the value, are left to codec.py."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts(Generic[F]):
    """What reads (or writes) values, by the kind of their type."""

    plain: Mapping[str, F]
    """By the name of a type without parts."""
    logical: Callable[[F, str, dict[str, Any]], F | None]
    """Of a logical type: from what reads its bare values, from its name for fastavro, and from its
    node."""
    record: Callable[[list[tuple[Mapping[str, Any], F]]], F]
    """From its fields, each with what reads it."""
    optional: Callable[[F, bool], F]
    """Of a union of null and another type, from what reads that; and whether null comes first."""
    enum: Callable[[list[str]], F]
    fixed: Callable[[int], F]
    array: Callable[[F], F]
    map: Callable[[F], F]


def assembled(node: Any, types: Mapping[str, Any], parts: Parts[F]) -> F | None:
    """What reads (or writes) values of this canonical type; None where it, or a part of it, is left
    to codec.py.

    `types` are the named types of its document.
    """
    if isinstance(node, list):
        return _union(node, types, parts)
    if isinstance(node, str):
        node = types.get(node, {"type": node})
    bare = _bare(node, types, parts)
    if bare is None or "logicalType" not in node:
        return bare
    return parts.logical(bare, f"{node['type']}-{node['logicalType']}", node)


def _bare(node: dict[str, Any], types: Mapping[str, Any], parts: Parts[F]) -> F | None:
    """As though it had no logical type."""
    kind = node["type"]
    if kind == "record":
        fields = [(entry, assembled(entry["type"], types, parts)) for entry in node["fields"]]
        known = [(entry, inner) for entry, inner in fields if inner is not None]
        return parts.record(known) if len(known) == len(fields) else None
    if kind == "enum":
        return parts.enum(node["symbols"])
    if kind == "fixed":
        return parts.fixed(node["size"])
    if kind in ("array", "map"):
        inner = assembled(node.get("items", node.get("values")), types, parts)
        return None if inner is None else (parts.array if kind == "array" else parts.map)(inner)
    return parts.plain.get(kind)


def _union(branches: list[Any], types: Mapping[str, Any], parts: Parts[F]) -> F | None:
    """Of null and one other alone: a value fits one branch only then."""
    if len(branches) != 2 or "null" not in branches:
        return None
    null_first = branches[0] == "null"
    inner = assembled(branches[1 if null_first else 0], types, parts)
    return None if inner is None else parts.optional(inner, null_first)
