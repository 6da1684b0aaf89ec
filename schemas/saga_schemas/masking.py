"""Values that people are not shown: those of fields with the attribute `"x-mask": true`.

The attribute stands at a field of the record's schema. Whatever lies below the field is hidden too.
Programs are given the values as they are; only what is shown to people is masked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from saga_schemas.schema import Schema

ATTRIBUTE: Final = "x-mask"
MASK: Final = "••••••••"
"""What stands in the place of a value, whatever its type and length. A null stays."""


def has_masks(schema: Schema) -> bool:
    """Whether some field of the schema, or of a record within it, is masked."""
    return f'"{ATTRIBUTE}"'.encode() in schema.canonical


def masked(schema: Schema, value: Mapping[str, Any]) -> dict[str, Any]:
    """The value as people are shown it.

    Args:
        schema: It says which fields are masked. It may be a later one than the value's own: what
            the value has otherwise is left as it is.
        value: As `codec.decode` gives it.
    """
    shown: dict[str, Any] = _record(schema.document, value, schema.types)
    return shown


def _shown(node: Any, value: Any, types: Mapping[str, Any]) -> Any:
    if isinstance(node, str):
        node = types.get(node, node)
    if isinstance(node, list):
        return _branch(node, value, types)
    if not isinstance(node, dict):
        return value
    match node["type"]:
        case "record" if isinstance(value, Mapping):
            return _record(node, value, types)
        case "array" if isinstance(value, list):
            return [_shown(node["items"], each, types) for each in value]
        case "map" if isinstance(value, Mapping):
            return {key: _shown(node["values"], each, types) for key, each in value.items()}
        case _:
            return value


def _record(node: Mapping[str, Any], value: Mapping[str, Any], types: Mapping[str, Any]) -> dict[str, Any]:
    fields = {entry["name"]: entry for entry in node["fields"]}
    return {name: _field(fields.get(name), each, types) for name, each in value.items()}


def _field(entry: Mapping[str, Any] | None, value: Any, types: Mapping[str, Any]) -> Any:
    if entry is None or value is None:
        return value
    # Only `false` takes the mask off: a misspelt value must not show what was meant to be hidden.
    return MASK if entry.get(ATTRIBUTE, False) is not False else _shown(entry["type"], value, types)


def _branch(branches: list[Any], value: Any, types: Mapping[str, Any]) -> Any:
    """A value of a union.

    Which record it is stands beside it where there are several (codec.py). Where the union has a
    map too, the masks of all that it may be apply.
    """
    if isinstance(value, tuple):
        name, fields = value
        return (name, _shown(name, fields, types))
    for branch in branches:
        value = _shown(branch, value, types)
    return value
