"""The exact writer changes no verdict and no byte: with it and without it a schema reads, writes and refuses the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from saga_schemas.catalog import Catalog
from saga_schemas.codec import decode, encode
from saga_schemas.errors import BadMessage, EncodingFailed
from saga_schemas.schema import Schema

LINE = {
    "type": "record",
    "name": "Line",
    "fields": [{"name": "sku", "type": "string"}, {"name": "n", "type": "int", "default": 1}],
}
TYPES: dict[str, Any] = {
    "text": "string", "count": "int", "big": "long", "gift": "boolean", "rate": "double", "share": "float", "raw": "bytes",
    "nothing": "null", "note": ["null", "string"], "late": ["int", "null"],
    "colour": {"type": "enum", "name": "Colour", "symbols": ["RED", "BLUE"]},
    "mac": {"type": "fixed", "name": "Mac", "size": 2},
    "lines": {"type": "array", "items": LINE}, "stock": {"type": "map", "values": ["null", "Line"]},
    "total": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
    "tax": {"type": "fixed", "name": "Tax", "size": 4, "logicalType": "decimal", "precision": 9, "scale": 2},
    "ref": {"type": "string", "logicalType": "uuid"},
    "at": {"type": "long", "logicalType": "timestamp-micros"}, "sent": {"type": "long", "logicalType": "timestamp-millis"},
    "day": {"type": "int", "logicalType": "date"}, "hour": {"type": "int", "logicalType": "time-millis"},
    "odd": {"type": "string", "logicalType": "unheard-of"},
}  # fmt: skip
SCHEMAS = {
    name: Schema.parse({"type": "record", "name": f"shop.R{name}", "fields": [{"name": "f", "type": type_}]})
    for name, type_ in TYPES.items()
    if "Line" not in str(type_)
} | {
    "lines": Schema.parse(
        {"type": "record", "name": "shop.Lines", "namespace": "shop", "fields": [
            {"name": "f", "type": TYPES["lines"]}, {"name": "stock", "type": TYPES["stock"], "default": {}},
        ]}
    )
}  # fmt: skip


class Word(StrEnum):
    RED = "RED"


class Own(int):
    pass


NUMBERS = st.sampled_from(
    [0, 1, -1, 63, 64, -64, -65, 511, 512, 2**31 - 1, 2**31, -(2**31), -(2**31) - 1, 2**63 - 1, 2**63, -(2**63)]
)
LEAVES = st.one_of(
    st.none(), st.booleans(), NUMBERS, st.integers(-(2**70), 2**70), st.floats(), st.floats(width=32), st.text(), st.binary(max_size=4),
    st.sampled_from(["RED", "BLUE", Word.RED, "\ud800", Own(7), bytearray(b"ab"), time(14, 5), 1.0e300, "x" * 600]),
    st.decimals(allow_nan=False, allow_infinity=False, places=2), st.decimals(), st.uuids(), st.dates(), st.times(),
    st.datetimes(timezones=st.sampled_from([UTC])),
)  # fmt: skip
LINES = st.fixed_dictionaries({"sku": st.one_of(st.text(), LEAVES)}, optional={"n": st.one_of(NUMBERS, LEAVES), "more": LEAVES})
VALUES = st.one_of(
    LEAVES, st.lists(LINES, max_size=3), st.lists(LEAVES, max_size=2), st.tuples(st.just("shop.Line"), LINES),
    st.dictionaries(st.text(max_size=3), st.one_of(st.none(), LINES), max_size=3),
)  # fmt: skip


def without(schema: Schema) -> Schema:
    return replace(schema, exact=None)


def written(schema: Schema, value: Any) -> Any:
    try:
        return encode(schema, value)
    except EncodingFailed as refused:
        return str(refused), refused.path


def read(schema: Schema, framed: bytes, canonical: bool) -> Any:
    try:
        # As text: a NaN is not itself.
        return repr(decode(framed, Catalog([schema]), canonical=canonical).value)
    except BadMessage as refused:
        return refused.reason, refused.detail


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_kind_of_type_has_its_exact_writer(name: str) -> None:
    assert SCHEMAS[name].exact is not None


@settings(max_examples=1500, deadline=None)
@given(st.sampled_from(sorted(SCHEMAS)), VALUES, st.one_of(st.none(), st.dictionaries(st.text(max_size=3), LINES, max_size=3)))
@example("total", Decimal("-12.50"), None)
@example("colour", Word.RED, None)
@example("day", date(2026, 11, 3), None)
@example("at", datetime(2026, 11, 3, 14, 5, 6, 123, tzinfo=UTC), None)
@example("ref", UUID(int=5), None)
@example("lines", [{"sku": "a", "n": 3}], {"x": {"sku": "b", "n": 2**31}})
def test_a_value_is_written_or_refused_as_without_it(name: str, value: Any, stock: Any) -> None:
    record = {"f": value} if stock is None else {"f": value, "stock": stock}
    assert written(SCHEMAS[name], record) == written(without(SCHEMAS[name]), record)


@settings(max_examples=1500, deadline=None)
@given(st.sampled_from(sorted(SCHEMAS)), VALUES, st.data(), st.booleans())
def test_bytes_are_read_or_refused_as_without_it(name: str, value: Any, data: st.DataObject, canonical: bool) -> None:
    schema = SCHEMAS[name]
    good = written(schema, {"f": value})
    framed = good if isinstance(good, bytes) else schema.prefix + data.draw(st.binary(max_size=12))
    start = data.draw(st.integers(5, len(framed)))
    end = data.draw(st.integers(start, min(len(framed), start + 3)))
    mutated = framed[:start] + data.draw(st.binary(max_size=3)) + framed[end:]
    for each in (framed, mutated):
        assert read(schema, each, canonical) == read(without(schema), each, canonical)


def test_a_union_of_several_types_is_left_to_fastavro() -> None:
    schema = Schema.parse({"type": "record", "name": "R", "fields": [{"name": "f", "type": ["null", "int", "string"]}]})
    assert schema.exact is None
    assert decode(encode(schema, {"f": "x"}), Catalog([schema])).value == {"f": "x"}
