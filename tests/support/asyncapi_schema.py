"""The official JSON Schema of AsyncAPI 3.0.0, and what must be so besides: every reference leads
somewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from jsonschema import Draft7Validator

from support.paths import TESTS


@cache
def _validator() -> Draft7Validator:
    schema = json.loads((TESTS / "support" / "asyncapi" / "3.0.0.json").read_text(encoding="utf-8"))
    Draft7Validator.check_schema(schema)
    return Draft7Validator(schema)


def faults(document: dict[str, Any]) -> list[str]:
    """What is wrong with an AsyncAPI document; nothing, where it is valid.

    Payloads are checked twice: the schema looks at Avro only where it stands in the message, as it
    does once references are resolved.
    """
    found = [f"{error.json_path}: {error.message[:300]}" for error in _validator().iter_errors(document)]
    found += [f"{reference} leads nowhere" for reference in _references(document) if _target(document, reference) is None]
    return found or [
        f"resolved {error.json_path}: {error.message[:300]}" for error in _validator().iter_errors(_inlined(document))
    ]


def _inlined(document: dict[str, Any]) -> dict[str, Any]:
    """The document with each payload in its message."""
    copy: dict[str, Any] = json.loads(json.dumps(document))
    for message in copy["components"]["messages"].values():
        if "$ref" in message.get("payload", {}):
            message["payload"] = _target(copy, message["payload"]["$ref"])
    return copy


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
