"""Bytes: good ones round-trip exactly; for hostile ones (B6, B7) there is a value that is truly
theirs or a BadMessage, nothing else."""

from __future__ import annotations

import time as time_module
from datetime import UTC, date, datetime, time
from decimal import Decimal
from io import BytesIO
from typing import Any
from uuid import UUID

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saga_schemas import limits
from saga_schemas.catalog import Catalog
from saga_schemas.codec import decode, encode, to_reader
from saga_schemas.errors import BadMessage, EncodingFailed
from saga_schemas.schema import Schema
from saga_schemas.wire_walk import check_wire

CARD = {"type": "record", "name": "Card", "fields": [{"name": "number", "type": "string"}]}
CASH = {"type": "record", "name": "Cash", "fields": [{"name": "number", "type": "string"}]}
ORDER = Schema.parse(
    {
        "type": "record", "name": "Order", "namespace": "shop",
        "fields": [
            {"name": "id", "type": "string"}, {"name": "count", "type": "int"}, {"name": "big", "type": "long"}, {"name": "gift",
            "type": "boolean"},
            {"name": "note", "type": ["null", "string"], "default": None}, {"name": "colour", "type": {"type": "enum",
            "name": "Colour", "symbols": ["RED", "BLUE"]}},
            {"name": "total", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
            {"name": "skus", "type": {"type": "array", "items": "string"}}, {"name": "stock", "type": {"type": "map", "values": "int"}},
            {"name": "ref", "type": {"type": "string", "logicalType": "uuid"}}, {"name": "at", "type": {"type": "long",
            "logicalType": "timestamp-micros"}},
            {"name": "day", "type": {"type": "int", "logicalType": "date"}}, {"name": "hour", "type": {"type": "int",
            "logicalType": "time-millis"}},
            {"name": "rate", "type": "double"}, {"name": "pay", "type": ["null", CARD, CASH]}, {"name": "mac",
            "type": {"type": "fixed", "name": "Mac", "size": 4}},
        ],
    }
)  # fmt: skip
VALUE: dict[str, Any] = {
    "id": "o-1", "count": -3, "big": 2**62, "gift": True, "note": None, "colour": "BLUE", "total": Decimal("12.50"), "skus": ["a", "bc"],
    "stock": {"x": 1, "y": 70}, "ref": UUID("019a4a1b-79d0-71f7-aa38-7f05eb7dba10"), "at": datetime(2026, 11, 3, 14, 5, 6, 123,
    tzinfo=UTC),
    "day": date(2026, 11, 3), "hour": time(14, 5), "rate": 0.25, "pay": ("shop.Cash", {"number": "n"}), "mac": b"abcd",
}  # fmt: skip
CATALOG = Catalog([ORDER])
GOOD = encode(ORDER, VALUE)


def schema(*types: Any, name: str = "shop.R", **defaults: Any) -> Schema:
    fields = [
        {"name": f"f{n}", "type": each} | ({"default": defaults[f"f{n}"]} if f"f{n}" in defaults else {})
        for n, each in enumerate(types)
    ]
    return Schema.parse({"type": "record", "name": name, "fields": fields})


def refusal(of: Schema, body: bytes, reader: Schema | None = None) -> str:
    with pytest.raises(BadMessage) as caught:
        decode(of.prefix + body, Catalog([of]), reader)
    return caught.value.reason


def test_a_value_round_trips_exactly_even_in_a_union_of_like_records() -> None:
    decoded = decode(GOOD, CATALOG)
    assert decoded.value == VALUE
    assert (decoded.writer, decoded.framed) == (ORDER, GOOD)
    assert encode(ORDER, decoded.value) == GOOD


def test_the_framing_is_a_zero_and_four_bytes_of_schema_id() -> None:
    assert GOOD[:5] == b"\x00" + ORDER.id.to_bytes(4, "big")


def test_the_schema_id_is_also_read_from_its_header() -> None:
    decoded = decode(GOOD[5:], CATALOG, None, [("__value_schema_id", GOOD[:5])])
    assert (decoded.value, decoded.framed) == (VALUE, GOOD)
    for bad in (b"", b"\x01" + bytes(16), GOOD[:4], None):
        with pytest.raises(BadMessage, match="bad_framing"):
            decode(GOOD[5:], CATALOG, None, [("__value_schema_id", bad)])
    with pytest.raises(BadMessage, match="header_duplicate"):
        decode(GOOD[5:], CATALOG, None, [("__value_schema_id", GOOD[:5])] * 2)


def test_a_wrong_magic_byte_an_unknown_id_and_nothing_at_all_are_named() -> None:
    for framed, reason in (
        (b"\x01" + GOOD[1:], "bad_framing"),
        (b"\x00\x80\x00\x00\x01" + GOOD[5:], "unknown_schema"),
        (b"", "bad_framing"),
    ):
        with pytest.raises(BadMessage) as caught:
            decode(framed, CATALOG)
        assert caught.value.reason == reason


def test_a_value_truncated_at_any_byte_is_refused() -> None:
    for end in range(len(GOOD)):
        with pytest.raises(BadMessage) as caught:
            decode(GOOD[:end], CATALOG)
        assert caught.value.reason in ("bad_framing", "truncated", "invalid_value")


def test_with_any_bit_flipped_a_value_is_its_own_or_refused() -> None:
    refused = 0
    for bit in range(len(GOOD) * 8):
        flipped = bytearray(GOOD)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            decoded = decode(bytes(flipped), CATALOG)
        except BadMessage:
            refused += 1
            continue
        if encode(ORDER, decoded.value) != bytes(flipped):
            check_wire(ORDER.document, ORDER.types, bytes(flipped[5:]))
    assert refused > 100


@settings(max_examples=300)
@given(st.binary(max_size=200))
def test_arbitrary_bytes_give_a_value_or_a_bad_message(body: bytes) -> None:
    try:
        decode(ORDER.prefix + body, CATALOG)
    except BadMessage:
        return
    check_wire(ORDER.document, ORDER.types, body)


@settings(max_examples=200)
@given(st.integers(5, len(GOOD) - 1), st.binary(min_size=1, max_size=12))
def test_spliced_bytes_give_a_value_or_a_bad_message(position: int, splice: bytes) -> None:
    try:
        decode(GOOD[:position] + splice + GOOD[position:], CATALOG)
    except BadMessage:
        return


def test_bytes_after_the_value_are_refused() -> None:
    with pytest.raises(BadMessage, match="trailing_bytes"):
        decode(GOOD + b"\x00", CATALOG)


@pytest.mark.parametrize(
    ("type_", "body"),
    [
        ("long", b"\x80\x00"), ("long", b"\x82\x80\x00"), ("long", b"\xff" * 9 + b"\x03"), ("long", b"\xff" * 200 + b"\x01"),
        ("int", b"\xff" * 5 + b"\x01"),
        ("int", b"\x80\x80\x80\x80\x20"), ("string", b"\x82\x00a"), ("boolean", b"\x02"), ("string", b"\x02\xff"), ("string",
        b"\x01"), ("bytes", b"\x03a"),
        (["null", "int"], b"\x01\x02"), (["null", "int"], b"\x04\x02"), ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, b"\x01"),
        ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, b"\x04"), ({"type": "map", "values": "int"},
        b"\x04\x02a\x02\x02a\x04\x00"),
        ({"type": "array", "items": "int"}, b"\x01\x06\x02\x00"), ({"type": "bytes", "logicalType": "decimal", "precision": 2,
        "scale": 0}, b"\x04\x00\x64"),
        ({"type": "int", "logicalType": "time-millis"}, b"\xff\xff\xff\xff\x0f"), ({"type": "string", "logicalType": "uuid"}, b"\x02x"),
        ({"type": "int", "logicalType": "date"}, b"\xfe\xff\xff\xff\x0f"), ({"type": "long", "logicalType": "timestamp-micros"},
        b"\xfe" + b"\xff" * 8 + b"\x01"),
    ],
)  # fmt: skip
def test_what_fastavro_would_read_to_a_wrong_value_is_refused(type_: Any, body: bytes) -> None:
    assert refusal(schema(type_), body) in ("not_canonical", "invalid_value", "truncated", "trailing_bytes")


@pytest.mark.parametrize(
    ("type_", "body", "value"),
    [
        ({"type": "array", "items": "int"}, b"\x03\x04\x02\x04\x00", [1, 2]),
        ({"type": "array", "items": "int"}, b"\x02\x02\x02\x04\x00", [1, 2]),
        ({"type": "map", "values": "int"}, b"\x01\x06\x02a\x02\x00", {"a": 1}),
        ({"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2}, b"\x06\x00\x00\x64", Decimal("1.00")),
        (["int", "long"], b"\x02\x02", 1),
    ],
)  # fmt: skip
def test_other_encoders_legal_spellings_are_read(type_: Any, body: bytes, value: Any) -> None:
    one = schema(type_)
    assert decode(one.prefix + body, Catalog([one])).value == {"f0": value}
    with pytest.raises(BadMessage, match="not_canonical"):
        decode(one.prefix + body, Catalog([one]), canonical=True)


@pytest.mark.parametrize(
    "count",
    [b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\x80\x80\x80\x80\x80\x40"],
)
@pytest.mark.parametrize(
    "items", ["int", "boolean", "string", {"type": "fixed", "name": "F", "size": 1}, {"type": "array", "items": "int"}]
)
def test_a_few_bytes_that_announce_billions_of_items_are_refused_at_once(count: bytes, items: Any) -> None:
    for type_ in ({"type": "array", "items": items}, {"type": "map", "values": items}):
        assert refusal(schema(type_), count) in ("truncated", "invalid_value", "not_canonical")


@pytest.mark.parametrize("type_", ["string", "bytes"])
def test_a_string_that_announces_gigabytes_is_refused_at_once(type_: str) -> None:
    assert refusal(schema(type_), b"\xfe\xff\xff\xff\xff\x1fabc") in ("truncated", "invalid_value")


def test_a_payload_above_the_cap_is_refused_before_it_is_looked_at() -> None:
    with pytest.raises(BadMessage) as caught:
        decode(b"\x01" * (limits.PAYLOAD_BYTES + 1), CATALOG)
    assert caught.value.reason == "too_large"
    with pytest.raises(EncodingFailed, match="larger"):
        encode(schema("string"), {"f0": "x" * limits.PAYLOAD_BYTES})


def test_the_largest_decimal_of_bytes_is_refused_quickly() -> None:
    money = schema({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2})
    out = BytesIO()
    fastavro.schemaless_writer(out, "bytes", b"\x7f" * (limits.PAYLOAD_BYTES - 100))
    started = time_module.perf_counter()
    assert refusal(money, out.getvalue()) == "not_canonical"
    many = schema({"type": "array", "items": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}})
    out = BytesIO()
    fastavro.schemaless_writer(out, {"type": "array", "items": "bytes"}, [b"\x7f" * 1000] * 250)
    assert refusal(many, out.getvalue()) == "not_canonical"
    assert time_module.perf_counter() - started < 2  # fastavro alone takes 14 s


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"count": 2**31}, "count"), ({"count": 3.7}, "count"), ({"count": "x"}, "count"), ({"count": True}, "count"),
        ({"id": None}, "id"), ({"id": 7}, "id"),
        ({"big": 2**63}, "big"), ({"colour": "PINK"}, "colour"), ({"skus": "ab"}, "skus"), ({"mac": b"toolong"}, "mac"),
        ({"note": 7}, "note"), ({"secret": 1}, ""),
        ({"total": Decimal("1.234")}, ""), ({"total": Decimal("12345678901.00")}, ""), ({"total": "s3cret"}, "total"),
        ({"id": "\ud800"}, ""),
    ],
)  # fmt: skip
def test_a_value_of_ours_that_does_not_fit_names_its_field_but_not_the_value(change: dict[str, Any], path: str) -> None:
    with pytest.raises(EncodingFailed) as caught:
        encode(ORDER, VALUE | change)
    assert caught.value.path == path
    assert "s3cret" not in str(caught.value)
    assert str(caught.value).startswith("shop.Order")


def test_a_missing_field_without_a_default_is_named_and_one_with_a_default_is_filled() -> None:
    with pytest.raises(EncodingFailed):
        encode(ORDER, {name: value for name, value in VALUE.items() if name != "id"})
    assert encode(ORDER, {name: value for name, value in VALUE.items() if name != "note"}) == GOOD


def test_a_newer_writer_is_resolved_to_the_pinned_reader() -> None:
    reader, writer = schema("int"), schema("int", "string", f1="")
    catalog = Catalog([reader, writer])
    framed = encode(writer, {"f0": 7, "f1": "new"})
    assert decode(framed, catalog, reader).value == {"f0": 7}
    assert to_reader(framed, catalog, reader) == encode(reader, {"f0": 7})
    assert decode(encode(reader, {"f0": 7}), catalog, writer).value == {"f0": 7, "f1": ""}


def test_bytes_written_with_the_readers_own_schema_stay_the_same_bytes() -> None:
    assert to_reader(GOOD, CATALOG, ORDER) == GOOD


def test_a_writer_that_does_not_resolve_and_another_record_are_refused() -> None:
    reader, writer, other = schema("int"), schema("string"), schema("int", name="shop.S")
    catalog = Catalog([reader, writer, other])
    with pytest.raises(BadMessage, match="schema_mismatch"):
        decode(encode(writer, {"f0": "x"}), catalog, reader)
    with pytest.raises(BadMessage, match="record_mismatch"):
        decode(encode(other, {"f0": 1}), catalog, reader)


def test_no_refusal_repeats_what_was_sent() -> None:
    one = schema("string", {"type": "enum", "name": "E", "symbols": ["A"]})
    with pytest.raises(BadMessage) as caught:
        decode(one.prefix + b"\x0cs3cret\x02", Catalog([one]))
    assert "s3cret" not in str(caught.value)
