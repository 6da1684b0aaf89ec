"""The examples of canonical documents in docs/wire.md: one field of a record each, as it is written
and as its id is made of it. They come from the gate, and tests/unit/schemas walks the same rules.
"""

from __future__ import annotations

from saga_schemas.schema import Schema, load_json

RECORD = '{"type": "record", "name": "R", "namespace": "a.b", "doc": "left out", "fields": [%s]}'
FIELDS = (
    '{"name": "f", "type": "string"}',
    '{"name": "f", "type": {"type": "string"}}',
    '{"name": "f", "type": "int", "doc": "left out", "aliases": ["g"], "order": "ignore", "default": 0}',
    '{"name": "f", "type": {"type": "enum", "name": "E", "symbols": ["A"], "doc": "left out"}}, {"name": "g", "type": "E"}',
    '{"name": "f", "type": {"type": "fixed", "name": "F", "namespace": "c", "size": 2}}, {"name": "g", "type": "c.F"}',
    '{"name": "f", "type": {"type": "map", "values": "string"}, "default": {"doc": "kept", "b": "", "a": ""}}',
    '{"name": "f", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}}',
    '{"name": "f", "type": "double", "default": 1}',
    '{"name": "f", "type": "double", "default": 1.0}',
    '{"name": "f", "type": "double", "default": 1E2}',
    '{"name": "f", "type": "double", "default": 0.00001}',
    '{"name": "f", "type": "string", "default": "\\u00e9 \\u2028 \\/ \\u001F \\u000a \\" \\\\"}',
)


def markdown() -> str:
    """The examples as a table: each field, its part of the canonical document, the id."""
    rows = ["| field, as written | in the canonical document | id |\n|---|---|---|\n"]
    for field in FIELDS:
        schema = Schema.parse(load_json(RECORD % field))
        part = schema.canonical.decode().removeprefix('{"fields":[').removesuffix('],"name":"a.b.R","type":"record"}')
        rows.append(f"| `{field}` | `{part.replace(chr(0x2028), '⟨U+2028⟩')}` | `{schema.id:08x}` |\n")
    return f"Each of these fields is the only one of the record\n\n```json\n{RECORD % '…'}\n```\n\n{''.join(rows)}"
