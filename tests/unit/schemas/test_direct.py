"""The direct way of reading and writing takes nothing that the long way would not take, and gives
the same; for whatever it leaves, there is the long way."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saga_schemas.catalog import Catalog
from saga_schemas.codec import decode, encode
from saga_schemas.direct_reader import reader_of
from saga_schemas.direct_writer import writer_of
from saga_schemas.errors import BadMessage, EncodingFailed
from saga_schemas.schema import Schema


def logical(type_: str, logical_type: str, **more: Any) -> dict[str, Any]:
    return {"type": type_, "logicalType": logical_type, **more}


UUID_NODE = logical("string", "uuid")
AT_NODE = logical("long", "timestamp-micros")
ENUM = {"type": "enum", "name": "x.E", "symbols": ["A", "B", "C"]}
FIXED = {"type": "fixed", "name": "x.F", "size": 3}
INNER = {
    "type": "record",
    "name": "x.Inner",
    "fields": [{"name": "a", "type": "string", "default": "d"}, {"name": "b", "type": "int"}],
}
EVERY = [
    "null", "boolean", "int", "long", "bytes", "string", UUID_NODE, AT_NODE, ENUM, FIXED, {"type": "array", "items": "long"},
    {"type": "array", "items": ["null", "string"]}, {"type": "map", "values": "int"}, ["null", "string"], ["int", "null"],
    ["null", UUID_NODE], ["null", AT_NODE], ["null", {"type": "array", "items": "string"}], INNER,
    ["null", {"type": "record", "name": "x.Maybe", "fields": [{"name": "a", "type": "string"}]}], "float", "double",
    logical("bytes", "decimal", precision=9, scale=2), logical("fixed", "decimal", name="x.G", size=5, precision=9, scale=2),
    logical("int", "date"), logical("int", "time-millis"), logical("long", "time-micros"), logical("long", "timestamp-millis"),
    logical("long", "local-timestamp-millis"), logical("long", "local-timestamp-micros"), ["null", logical("int", "date")],
]  # fmt: skip
"""All that is read and written directly."""
LEFT: list[Any] = [
    ["int", "long"], ["null", "int", "string"], logical("string", "unknown"), ["string", "int"],
    {"type": "array", "items": ["int", "long"]},
]  # fmt: skip
"""Some of what is left to the long way."""
TEXTS = st.text(st.characters(exclude_categories=()), max_size=80)
INTS = st.one_of(
    st.integers(-70, 70), st.integers(-(2**65), 2**65), st.sampled_from([2**31 - 1, 2**31, -(2**31), 2**63, -(2**63)])
)
ZONES = st.sampled_from([None, UTC, timezone(timedelta(hours=-7, minutes=3))])
WHOLE = st.datetimes(timezones=ZONES).map(lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000))
TIMES = st.one_of(
    st.datetimes(timezones=ZONES),
    WHOLE,
    st.dates(),
    st.times(timezones=ZONES),
    st.times().map(lambda at: at.replace(microsecond=0)),
)
DECIMALS = st.one_of(st.decimals(), st.decimals(-(10**8), 10**8, places=2))
UUIDS = st.uuids().flatmap(lambda one: st.sampled_from([one, str(one), str(one).upper(), one.hex]))
LEAVES = st.one_of(
    st.none(), st.booleans(), INTS, st.floats(), TEXTS, st.binary(max_size=70), TIMES, UUIDS, DECIMALS, st.sampled_from("ABCD")
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(st.sampled_from("ab"), TEXTS), inner, max_size=3), st.tuples(inner)
    ),
    max_leaves=6,
)


class Text(str):
    """Not a text of Python's own."""

    def encode(self, *given: Any) -> bytes:
        return b"other"


def schema(*types: Any) -> Schema:
    return Schema.parse(
        {"type": "record", "name": "x.R", "fields": [{"name": f"f{place}", "type": type_} for place, type_ in enumerate(types)]}
    )


def the_long_way(one: Schema) -> Schema:
    return replace(one, read_directly=None, write_directly=None)


SCHEMAS = {str(type_): schema(type_) for type_ in [*EVERY, *LEFT]}
ALL = schema(*EVERY)


def written(one: Schema, value: dict[str, Any]) -> bytes | tuple[str, str]:
    try:
        return encode(one, value)
    except EncodingFailed as failed:
        return failed.path, failed.detail


def takes(one: Schema, value: dict[str, Any]) -> bool:
    assert one.write_directly is not None
    try:
        one.write_directly(value)
    except Exception:  # anything it may raise
        return False
    return True


def read(one: Schema, body: bytes, canonical: bool) -> str | tuple[str, str]:
    try:
        return repr(decode(one.prefix + body, Catalog([one]), canonical=canonical).value)
    except BadMessage as bad:
        return bad.reason, bad.detail


def test_every_type_that_is_taken_directly_is_and_the_others_are_left() -> None:
    for type_ in EVERY:
        assert reader_of(type_, {}) is not None, type_
        assert writer_of(type_, {}) is not None, type_
    assert ALL.read_directly is not None
    assert ALL.write_directly is not None
    for type_ in LEFT:
        one = schema("string", type_)
        assert (one.read_directly, one.write_directly) == (None, None), type_


@settings(max_examples=3000, deadline=None)
@given(st.sampled_from(sorted(SCHEMAS)), VALUES)
def test_any_value_is_written_or_refused_as_the_long_way_does_it(name: str, value: Any) -> None:
    one = SCHEMAS[name]
    framed = written(one, {"f0": value})
    assert framed == written(the_long_way(one), {"f0": value})
    if isinstance(framed, bytes):
        for canonical in (False, True):
            assert read(one, framed[5:], canonical) == read(the_long_way(one), framed[5:], canonical)


@settings(max_examples=3000, deadline=None)
@given(st.sampled_from(sorted(SCHEMAS)), st.binary(max_size=24), st.booleans())
def test_any_bytes_are_read_or_refused_as_the_long_way_does_it(name: str, body: bytes, canonical: bool) -> None:
    one = SCHEMAS[name]
    assert read(one, body, canonical) == read(the_long_way(one), body, canonical)


GOOD: dict[str, Any] = {
    "f0": None, "f1": True, "f2": -(2**31), "f3": 2**63 - 1, "f4": b"\0\xff", "f5": "é" * 70, "f6": UUID(int=2**127 + 5),
    "f7": datetime(1, 1, 1, 0, 0, 0, 1, UTC), "f8": "C", "f9": b"abc", "f10": [1, -64, 64, 2**40], "f11": [None, "x"],
    "f12": {"k": 1, "": -1}, "f13": "s", "f14": None, "f15": None, "f16": datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC),
    "f17": ["a", ""], "f18": {"a": "", "b": 7}, "f19": {"a": "z"}, "f20": 0.5, "f21": -1e300, "f22": Decimal("-1234567.89"),
    "f23": Decimal("0.01"), "f24": date(2026, 11, 3), "f25": time(23, 59, 59, 999_000), "f26": time(0, 0, 0, 1),
    "f27": datetime(1969, 12, 31, 23, 59, 59, 999_000, UTC), "f28": datetime(1, 1, 1), "f29": datetime(2026, 3, 29, 2, 30), "f30": None,
}  # fmt: skip
BODY = encode(ALL, GOOD)[5:]


def test_a_value_of_every_type_takes_the_direct_way_there_and_back() -> None:
    assert ALL.write_directly is not None
    assert ALL.read_directly is not None
    assert ALL.write_directly(GOOD) == BODY == encode(the_long_way(ALL), GOOD)[5:]
    assert ALL.read_directly(BODY, 0) == (GOOD, len(BODY))


def test_with_any_bit_flipped_any_byte_left_out_or_doubled_both_ways_agree() -> None:
    long = the_long_way(ALL)
    for at in range(len(BODY)):
        changed = [BODY[:at] + BODY[at + 1 :], BODY[: at + 1] + BODY[at:], BODY[:at]]
        changed += [BODY[:at] + bytes((BODY[at] ^ 1 << bit,)) + BODY[at + 1 :] for bit in range(8)]
        for body in changed:
            for canonical in (False, True):
                assert read(ALL, body, canonical) == read(long, body, canonical)


@pytest.mark.parametrize(
    ("type_", "body"),
    [
        ("long", b"\x80\x00"), ("long", b"\xff" * 9 + b"\x03"), ("int", b"\x80\x80\x80\x80\x20"), ("string", b"\x82\x00a"),
        ("string", b"\x01"), ("string", b"\x02\xff"), ("string", b"\x04a"), ("bytes", b"\x03a"), ("boolean", b"\x02"),
        (["null", "int"], b"\x01\x02"), (["null", "int"], b"\x04\x02"), (ENUM, b"\x01"), (ENUM, b"\x06"), (FIXED, b"ab"),
        ({"type": "map", "values": "int"}, b"\x04\x02a\x02\x02a\x04\x00"), ({"type": "array", "items": "int"}, b"\x01\x02\x02\x00"),
        ({"type": "array", "items": "int"}, b"\x02\x02\x02\x02\x00"), (UUID_NODE, b"\x40" + b"0" * 32), ("int", b"\x02\x00"),
        (EVERY[22], b"\x04\x00\x01"), (EVERY[22], b"\x00"), (EVERY[22], b"\x50" + b"\x7f" * 40), (EVERY[25], b"\x80\xf0\xb2\x52"),
        ("double", b"\0" * 6 + b"\xf8\x7f"), ("float", b"\0\0\xc0\x7f"), ("double", b"\0" * 7),
    ],
)  # fmt: skip
def test_another_spelling_is_never_taken_directly(type_: Any, body: bytes) -> None:
    direct = schema(type_).read_directly
    assert direct is not None
    try:
        _, end = direct(body, 0)
    except Exception:  # anything it may raise
        return
    assert end != len(body)


@pytest.mark.parametrize(
    "value", [Text("text"), 1.0, Decimal(1), (1,), bytearray(b"abc"), datetime(2026, 1, 1), True, float("nan")]
)
def test_what_is_not_of_pythons_own_types_is_never_written_directly(value: Any) -> None:
    for type_ in (
        "null",
        "int",
        "string",
        "bytes",
        AT_NODE,
        UUID_NODE,
        FIXED,
        ["null", "string"],
        {"type": "array", "items": "int"},
    ):
        assert not takes(schema(type_), {"f0": value})


def test_missing_fields_get_their_defaults_and_unknown_ones_are_refused() -> None:
    inner = SCHEMAS[str(INNER)]
    for fields in ({"b": 1}, {"a": "x"}, {}, {"a": "x", "b": 1, "c": 2}, {"b": 1, "c": 2}):
        assert written(inner, {"f0": fields}) == written(the_long_way(inner), {"f0": fields})
    assert isinstance(written(inner, {"f0": {"b": 1}}), bytes)
    assert isinstance(written(inner, {"f0": {"b": 1, "c": 2}}), tuple)
