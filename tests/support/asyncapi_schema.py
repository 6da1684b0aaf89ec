"""The official JSON Schema of AsyncAPI 3.0.0, and what must be so besides: every reference leads
somewhere, and every Avro schema is one as AsyncAPI describes them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from jsonschema import Draft7Validator

from support.paths import TESTS


@cache
def _validators() -> tuple[Draft7Validator, Draft7Validator]:
    """Of a whole document, and of an Avro schema in it."""
    schema = json.loads((TESTS / "support" / "asyncapi" / "3.0.0.json").read_text(encoding="utf-8"))
    Draft7Validator.check_schema(schema)
    avro = {"$ref": "#/definitions/avroSchema_v1", "definitions": schema["definitions"]}
    return Draft7Validator(schema), Draft7Validator(avro)


def faults(document: dict[str, Any]) -> list[str]:
    """What is wrong with an AsyncAPI document; nothing, where it is valid.

    The official schema looks at Avro only within a message. Here it stands in the components, so it
    is looked at apart.
    """
    whole, avro = _validators()
    found = [f"{error.json_path}: {error.message[:300]}" for error in whole.iter_errors(document)]
    found += [f"{reference} leads nowhere" for reference in _references(document) if _target(document, reference) is None]
    for name, schema in document["components"]["schemas"].items():
        if "schemaFormat" in schema:
            found += [f"{name} {error.json_path}: {error.message[:300]}" for error in avro.iter_errors(schema["schema"])]
    return found


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for inner in node.values():
            yield from _references(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from _references(inner)


def _target(document: dict[str, Any], reference: str) -> Any:
    node: Any = document
    for part in reference.removeprefix("#/").split("/"):
        node = node.get(part) if isinstance(node, dict) else None
    return node
