"""A schema's canonical document as AsyncAPI's own JSON Schema of Avro wants it: without dots in
names.

Both say the same of every value. Only aliases may be lost: one of another namespace cannot be
written without a dot, so it is left out. The id is that of the canonical document.
"""

from __future__ import annotations

from typing import Any


def avro_document(node: Any, namespace: str = "") -> Any:
    """The document with `name` and `namespace` apart.

    Args:
        node: A canonical document, or a part of one.
        namespace: Of the type around it.
    """
    if isinstance(node, list):
        return [avro_document(branch, namespace) for branch in node]
    if not isinstance(node, dict):
        return node
    out = dict(node)
    if "name" in node:
        own, _, out["name"] = node["name"].rpartition(".")
        if "aliases" in node:
            out["aliases"] = _without_dots(node["aliases"], own)
        if own != namespace:
            out["namespace"] = namespace = own
    if "fields" in node:
        out["fields"] = [{**entry, "type": avro_document(entry["type"], namespace)} for entry in node["fields"]]
    for inner in ("items", "values"):
        if inner in node:
            out[inner] = avro_document(node[inner], namespace)
    return out


def _without_dots(aliases: Any, namespace: str) -> list[str]:
    """The aliases of that namespace by their simple names."""
    parts = [str(alias).rpartition(".") for alias in aliases]
    return [simple for space, _, simple in parts if space in ("", namespace)]
