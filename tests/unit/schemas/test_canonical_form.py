"""The canonical form of schemas, rule by rule as docs/wire.md gives it to other languages."""

from __future__ import annotations

import pytest

from saga_schemas.errors import SchemaRefused
from saga_schemas.schema import Schema, load_json

RECORD = '{"type": "record", "name": "R", "namespace": "a.b", "doc": "x", "fields": [%s]}'
STRING = '"type":"string"'


def canonical(fields: str) -> str:
    """What the id is made of, but for the record around the fields."""
    text = Schema.parse(load_json(RECORD % fields)).canonical.decode()
    start, end = '{"fields":[', '],"name":"a.b.R","type":"record"}'
    assert text.startswith(start) and text.endswith(end)
    return text[len(start) : -len(end)]


@pytest.mark.parametrize(
    ("written", "stands_there"),
    [
        ("0", "0"), ("-7", "-7"), ("-0", "0"), ("0.0", "0.0"), ("-0.0", "-0.0"), ("1.10", "1.1"), ("1e2", "100.0"),
        ("0.0001", "0.0001"), ("0.00001", "1e-05"), ("123456789012345.0", "123456789012345.0"),
        ("9999999999999998.0", "9999999999999998.0"), ("1E16", "1e+16"), ("1.5E+300", "1.5e+300"), ("5e-324", "5e-324"),
    ],
)  # fmt: skip
def test_numbers(written: str, stands_there: str) -> None:
    given = '{"name": "f", "type": "double", "default": %s}'
    assert canonical(given % written) == f'{{"default":{stands_there},"name":"f","type":"double"}}'


@pytest.mark.parametrize(
    ("written", "stands_there"),
    [
        (r"\"\\", r"\"\\"), (r"\/", "/"), ("\u00e9\u007f\u2028\u2029", "\u00e9\u007f\u2028\u2029"),
        (r"\u00e9\u007F\u2028", "\u00e9\u007f\u2028"),
        (r"\ud83d\ude00", "\U0001f600"), (r"\u0008\u0009\u000a\u000c\u000d", r"\b\t\n\f\r"), (r"\u0000\u000B\u001F", r"\u0000\u000b\u001f"),
    ],
)  # fmt: skip
def test_texts(written: str, stands_there: str) -> None:
    given = '{"name": "f", "type": "string", "default": "%s"}'
    assert canonical(given % written) == f'{{"default":"{stands_there}","name":"f",{STRING}}}'


@pytest.mark.parametrize(
    ("written", "stands_there"),
    [
        ('{"name": "f", "type": {"type": "string"}}', '{"name":"f","type":{"type":"string"}}'),
        (  # keys by code point, where UTF-16 has the other order
            r'{"name": "f", "type": "string", "\ud83d\ude00": 1, "\uff00": 2}',
            '{"name":"f","type":"string","\uff00":2,"\U0001f600":1}',
        ),
        (  # only a type's own doc and namespace go
            '{"name": "f", "doc": "d", "namespace": "n", "type": "string", "mine": {"doc": "kept", "b": [{"namespace": 1}], "a": 0}}',
            '{"mine":{"a":0,"b":[{"namespace":1}],"doc":"kept"},"name":"f","type":"string"}',
        ),
        (
            '{"name": "f", "aliases": ["old"], "type": {"type": "enum", "name": "E", "aliases": ["Old"],'
            ' "symbols": ["B", "A"], "default": "A"}}',
            '{"aliases":["old"],"name":"f","type":{"aliases":["Old"],"default":"A","name":"a.b.E","symbols":["B","A"],"type":"enum"}}',
        ),
        (  # a second, equal definition is a reference
            '{"name": "f", "type": {"type": "fixed", "name": "F", "size": 2, "doc": "1"}},'
            '{"name": "g", "type": {"type": "fixed", "name": "a.b.F", "size": 2, "doc": "2"}}',
            '{"name":"f","type":{"name":"a.b.F","size":2,"type":"fixed"}},{"name":"g","type":"a.b.F"}',
        ),
        (  # a namespace is inherited by what stands inside
            '{"name": "f", "type": {"type": "record", "name": "c.S", "fields":'
            ' [{"name": "x", "type": {"type": "fixed", "name": "T", "size": 1}}]}}',
            '{"name":"f","type":{"fields":[{"name":"x","type":{"name":"c.T","size":1,"type":"fixed"}}],"name":"c.S","type":"record"}}',
        ),
    ],
)  # fmt: skip
def test_documents(written: str, stands_there: str) -> None:
    assert canonical(written) == stands_there


@pytest.mark.parametrize(
    "fields",
    [
        '{"name": "f", "type": {"type": {"type": "string"}}}', '{"name": "f", "type": {"type": "b.X"}}',
        '{"name": "f", "type": "string", "__x": 1}', '{"name": "f", "type": {"type": "error", "name": "S", "fields": []}}',
        '{"name": "f", "type": "string", "a": 1, "a": 1}', r'{"name": "f", "type": "string", "default": "\ud800"}',
        '{"name": "f", "type": "long", "x": 9223372036854775808}', '{"name": "f", "type": "double", "default": NaN}',
    ],
)  # fmt: skip
def test_what_has_no_canonical_form(fields: str) -> None:
    with pytest.raises(SchemaRefused):
        canonical(fields)
