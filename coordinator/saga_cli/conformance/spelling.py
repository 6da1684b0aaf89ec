"""Another legal Avro spelling of a value: every item of an array or map in a block of its own, with
the block's size before it. Pure."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import fastavro

from saga_schemas.schema import Schema


class NoBlocks(Exception):
    """There is no item to put into a block, or a union leaves its branch open."""


def in_blocks(schema: Schema, value: dict[str, Any]) -> bytes:
    """The framed bytes.

    Raises:
        NoBlocks: The value has no other spelling.
    """
    writer = _Writer(schema)
    written = schema.prefix + writer.write(schema.document, value)
    if not writer.blocks:
        raise NoBlocks
    return written


class _Writer:
    def __init__(self, schema: Schema) -> None:
        self._types = schema.types
        self.blocks = 0

    def write(self, node: Any, value: Any) -> bytes:
        if isinstance(node, list):
            return self._union(node, value)
        node = self._types.get(node, {"type": node}) if isinstance(node, str) else node
        match node["type"]:
            case "record":
                return b"".join(self.write(entry["type"], value[entry["name"]]) for entry in node["fields"])
            case "array":
                return self._in_blocks(self.write(node["items"], item) for item in value)
            case "map":
                return self._in_blocks(self.write("string", key) + self.write(node["values"], one) for key, one in value.items())
        out = io.BytesIO()
        fastavro.schemaless_writer(out, fastavro.parse_schema(dict(node)), value)
        return out.getvalue()

    def _union(self, branches: list[Any], value: Any) -> bytes:
        others = [branch for branch in branches if branch != "null"]
        if value is None:
            return _zigzag(branches.index("null"))
        if len(others) != 1:
            raise NoBlocks
        return _zigzag(branches.index(others[0])) + self.write(others[0], value)

    def _in_blocks(self, items: Iterable[bytes]) -> bytes:
        written = b""
        for item in items:
            self.blocks += 1
            written += _zigzag(-1) + _zigzag(len(item)) + item
        return written + _zigzag(0)


def _zigzag(number: int) -> bytes:
    left = number << 1 if number >= 0 else (-number << 1) - 1
    out = bytearray()
    while left > 0x7F:
        out.append(left & 0x7F | 0x80)
        left >>= 7
    return bytes([*out, left])
