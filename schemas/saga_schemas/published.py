"""Schemas on `saga.schemas`: key is the id, value the canonical document. Truth: docs/wire.md.

Whoever writes the topic is not trusted: an entry counts only when its content passes the gate and
has the id of its key.
"""

from __future__ import annotations

from typing import Final

from saga_schemas.errors import SchemaRefused
from saga_schemas.gate import full_name_of
from saga_schemas.schema import Schema, load_json

HEADERS: Final = (("content-type", b"application/json"),)


def schema_key(schema_id: int) -> bytes:
    """The record key: eight lower-case hex digits."""
    return f"{schema_id:08x}".encode()


def read_published(key: bytes | None, value: bytes, names: frozenset[str]) -> Schema | None:
    """The schema of one record of the topic.

    Args:
        key: The record's key.
        value: The record's value.
        names: Full names of the records that the reader has to do with.

    Returns:
        None when it is a schema of none of them.

    Raises:
        SchemaRefused: Something is wrong with it; says what.
    """
    document = load_json(value)
    if full_name_of(document) not in names:
        return None
    schema = Schema.parse(document)
    if key != schema_key(schema.id):
        raise SchemaRefused(f"a schema of {schema.full_name} does not have the id of its key")
    return schema
