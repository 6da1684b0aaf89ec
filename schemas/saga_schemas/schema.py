"""An Avro record schema that passed the gate, with the id it has everywhere.

The id is made from the schema itself, so every process and every language computes the same one
without a registry: the first four bytes, big-endian, of SHA-256 over the canonical document
(gate.py) as JSON with sorted keys and no spaces, put into 0x40000000 to 0x7fffffff. (Avro's own
Parsing Canonical Form drops defaults and logical types: legal evolutions would share an id.)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import fastavro

from saga_schemas import gate, limits, strict_json
from saga_schemas.direct_reader import Read, reader_of
from saga_schemas.direct_writer import Write, writer_of
from saga_schemas.errors import SchemaRefused

MAGIC: Final = b"\0"
_OWN_RANGE: Final = 0x4000_0000
OWN_IDS: Final = range(_OWN_RANGE, 2 * _OWN_RANGE)
"""Ids are positive in every language, and never one that a registry counts up to."""
_TIMES: Final = (b'"timestamp-', b'"local-timestamp-', b'"time-', b'"date"', b'"uuid"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """One record schema; equal when its canonical documents are."""

    id: int
    full_name: str
    canonical: bytes
    """The canonical document as JSON: what is stored and sent."""
    document: dict[str, Any] = field(repr=False, compare=False)
    parsed: Any = field(repr=False, compare=False)
    """What fastavro works with."""
    prefix: bytes = field(repr=False, compare=False)
    """The framing before a value of this schema."""
    types: Mapping[str, Any] = field(repr=False, compare=False)
    """The canonical node of every named type in it."""
    has_ints: bool = field(repr=False, compare=False)
    """fastavro reads and writes an `int` of 64 bits: values of such a schema are checked for it."""
    has_decimals: bool = field(repr=False, compare=False)
    """A decimal of 256 KiB keeps fastavro busy for many seconds: long values of such a schema are
    walked first."""
    has_times: bool = field(default=False, repr=False, compare=False)
    """fastavro does not ask whether a time has the zone its type needs, nor whether a text is a
    UUID: values of such a schema are checked for it."""
    has_record_unions: bool = field(repr=False, compare=False)
    """Some union has several records: only their names tell them apart, so values are `(full name,
    fields)`."""
    read_directly: Read | None = field(default=None, repr=False, compare=False)
    """Reads what is spelled as we spell it; None: some type in it is not read so."""
    write_directly: Write | None = field(default=None, repr=False, compare=False)
    """Writes values of Python's own types; None: some type in it is not written so."""

    @classmethod
    def parse(cls, document: object, known: Mapping[str, Any] | None = None) -> Schema:
        """Takes a record's document through the gate.

        Args:
            document: The schema as JSON values.
            known: The documents of types that it refers to, by full name.

        Raises:
            SchemaRefused: It does not pass; says where and why.
        """
        node = gate.canonical(document, known or {}).node
        if not isinstance(node, dict) or node.get("type") != "record":
            raise SchemaRefused("a message's schema is a record")
        canonical = _json(node)
        if len(canonical) > limits.SCHEMA_BYTES:
            raise SchemaRefused(f"a schema has at most {limits.SCHEMA_BYTES} bytes")
        try:
            parsed = fastavro.parse_schema(json.loads(canonical))
        except Exception as error:  # fastavro has no common base for what it refuses (defaults, names, logical types)
            raise SchemaRefused(f"{node['name']}: {error}") from error
        schema_id = schema_id_of(canonical)
        types = _types(node, {})
        return cls(
            id=schema_id,
            full_name=node["name"],
            canonical=canonical,
            document=node,
            parsed=parsed,
            prefix=MAGIC + schema_id.to_bytes(4, "big"),
            types=types,
            has_ints=b'"int"' in canonical,
            has_decimals=b'"decimal"' in canonical,
            has_times=any(kind in canonical for kind in _TIMES),
            has_record_unions=_has_record_unions(node, types),
            read_directly=reader_of(node, types),
            write_directly=writer_of(node, types),
        )

    @classmethod
    def parse_json(cls, text: str | bytes, known: Mapping[str, Any] | None = None) -> Schema:
        """As `parse`, from JSON."""
        return cls.parse(load_json(text), known)


def schema_id_of(canonical: bytes) -> int:
    """The id of a canonical document."""
    return _OWN_RANGE | int.from_bytes(hashlib.sha256(canonical).digest()[:4], "big") & (_OWN_RANGE - 1)


def parse_all(documents: Iterable[object]) -> list[Schema]:
    """The schemas of all records among documents that may refer to each other.

    Raises:
        SchemaRefused: One does not pass the gate, or two have one name.
    """
    known: dict[str, Any] = {}
    for document in documents:
        name = gate.full_name_of(document)
        if name is None:
            raise SchemaRefused("a schema without a name")
        if name in known and known[name] != document:
            raise SchemaRefused(f"{name} is given twice, differently")
        known[name] = document
    return [Schema.parse(document, known) for document in known.values() if document.get("type") == "record"]


def load_json(text: str | bytes) -> Any:
    """A schema's JSON as a document that is not gated yet.

    Raises:
        SchemaRefused: It is too large, or not JSON that can be read in one way only.
    """
    if len(text) > limits.SCHEMA_BYTES:
        raise SchemaRefused(f"a schema has at most {limits.SCHEMA_BYTES} bytes")
    try:
        return strict_json.parse(text, depth=limits.SCHEMA_JSON_DEPTH)
    except strict_json.JsonInvalid as invalid:
        raise SchemaRefused(f"a schema's JSON is refused: {invalid}") from None


def _json(node: Any) -> bytes:
    try:
        return json.dumps(node, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError) as error:  # also lone surrogates
        raise SchemaRefused("a schema holds a value that is not JSON in UTF-8") from error


def record_branches(union: list[Any], types: Mapping[str, Any]) -> list[str]:
    """The full names of the records among a union's branches."""
    names = [gate.branch_name(branch) for branch in union]
    return [name for name in names if name in types and types[name]["type"] == "record"]


def _has_record_unions(node: Any, types: Mapping[str, Any]) -> bool:
    """Walks the canonical document, whose depth the gate has bounded; a type is looked into where
    it is defined."""
    if isinstance(node, list):
        return len(record_branches(node, types)) > 1 or any(_has_record_unions(branch, types) for branch in node)
    return any(_has_record_unions(inner, types) for inner in _inner(node))


def _types(node: Any, found: dict[str, Any]) -> dict[str, Any]:
    if isinstance(node, dict) and "name" in node:
        found[node["name"]] = node
    for inner in node if isinstance(node, list) else _inner(node):
        _types(inner, found)
    return found


def _inner(node: Any) -> list[Any]:
    if not isinstance(node, dict):
        return []
    inner = [entry["type"] for entry in node["fields"]] if node["type"] == "record" else [node.get("items"), node.get("values")]
    return [each for each in inner if each is not None]
