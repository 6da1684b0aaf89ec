"""Plain JSON: what people write becomes exact Avro, and what does not fit is refused with a path
and a type, never echoed (B2, B3)."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saga_schemas.catalog import Catalog
from saga_schemas.codec import decode, encode
from saga_schemas.errors import PlainInvalid
from saga_schemas.plain import MOST_PROBLEMS, from_plain, to_plain
from saga_schemas.schema import Schema

MONEY = {"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": 2}


def record(name: str, *fields: Any) -> dict[str, Any]:
    return {
        "type": "record",
        "name": name,
        "fields": [{"name": n, "type": t} | ({"default": d[0]} if d else {}) for n, t, *d in fields],
    }


ORDER = Schema.parse(
    record(
        "shop.Order",
        ("id", "string"), ("n", "int"), ("big", "long"), ("rate", "double"), ("small", "float"), ("ok", "boolean"), ("raw",
        "bytes"), ("total", MONEY),
        ("mac", {"type": "fixed", "name": "shop.Mac", "size": 2}), ("at", {"type": "long", "logicalType": "timestamp-micros"}),
        ("day", {"type": "int", "logicalType": "date"}), ("hour", {"type": "long", "logicalType": "time-micros"}),
        ("local", {"type": "long", "logicalType": "local-timestamp-micros"}), ("ref", {"type": "string", "logicalType": "uuid"}),
        ("colour", {"type": "enum", "name": "shop.Colour", "symbols": ["RED", "BLUE"]}), ("tags", {"type": "array", "items": "string"}),
        ("map", {"type": "map", "values": "int"}), ("note", ["null", "string"], None), ("any", ["null", "long", "string",
        "boolean"], None),
        ("pay", ["null", record("shop.Card", ("number", "string")), record("shop.Cash", ("amount", MONEY))], None),
    )
)  # fmt: skip
PLAIN: dict[str, Any] = {
    "id": "o-1", "n": 7, "big": 2**62, "rate": 0.5, "small": 0.25, "ok": True, "raw": "AAE=", "total": "12.50", "mac": "YWI=",
    "at": "2026-11-03T14:05:06.000123Z", "day": "2026-11-03", "hour": "14:05:06", "local": "2026-11-03T14:05:06.000000",
    "ref": "019a4a1b-79d0-71f7-aa38-7f05eb7dba10", "colour": "RED", "tags": ["a"], "map": {"x": 1}, "note": "hi", "any": 3,
    "pay": {"amount": "1.00"},
}  # fmt: skip


def test_plain_json_becomes_avro_and_comes_back_the_same() -> None:
    value = from_plain(ORDER, PLAIN)
    assert value["total"] == Decimal("12.50")
    assert value["at"] == datetime(2026, 11, 3, 14, 5, 6, 123, tzinfo=UTC)
    assert value["pay"] == ("shop.Cash", {"amount": Decimal("1.00")})
    decoded = decode(encode(ORDER, value), Catalog([ORDER])).value
    assert decoded == value
    assert to_plain(ORDER, decoded) == PLAIN
    json.dumps(to_plain(ORDER, decoded), allow_nan=False)


def test_missing_fields_take_their_defaults() -> None:
    value = from_plain(ORDER, {name: each for name, each in PLAIN.items() if name not in ("note", "any", "pay")})
    assert (value["note"], value["any"], value["pay"]) == (None, None, None)


def test_a_union_takes_the_first_branch_that_fits() -> None:
    for plain, value in ((3, 3), ("3", "3"), (True, True), (None, None)):
        assert (
            from_plain(ORDER, PLAIN | {"any": plain})["any"] is value or from_plain(ORDER, PLAIN | {"any": plain})["any"] == value
        )
    assert from_plain(ORDER, PLAIN | {"pay": {"number": "1"}})["pay"] == ("shop.Card", {"number": "1"})


def test_defaults_of_logical_types_become_what_they_mean() -> None:
    schema = Schema.parse(
        record(
            "shop.D",
            ("m", MONEY, "\u0001\u00f4"), ("b", "bytes", "\u00ff"), ("t", {"type": "long", "logicalType": "timestamp-millis"}, 1000),
            ("d", {"type": "int", "logicalType": "date"}, 1), ("h", {"type": "int", "logicalType": "time-millis"}, 60_000),
            ("u", {"type": "string", "logicalType": "uuid"}, "019a4a1b-79d0-71f7-aa38-7f05eb7dba10"),
            ("r", record("shop.In", ("x", "int", 7), ("y", "string")), {"y": "s"}), ("a", {"type": "array", "items": "int"}, [1]),
            ("o", ["string", "null"], "dflt"), ("mm", {"type": "map", "values": MONEY}, {"k": "\u0001"}),
        )
    )  # fmt: skip
    value = from_plain(schema, {})
    assert value == {
        "m": Decimal("5.00"), "b": b"\xff", "t": datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), "d": date(1970, 1, 2), "h": time(0, 1),
        "u": UUID("019a4a1b-79d0-71f7-aa38-7f05eb7dba10"), "r": {"x": 7, "y": "s"}, "a": [1], "o": "dflt", "mm": {"k": Decimal("0.01")},
    }  # fmt: skip
    assert decode(encode(schema, value), Catalog([schema])).value == value


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("id", [None, 7, True, [], {}, "\ud800"]), ("n", ["7", 7.0, 7.5, True, None, 2**31, -(2**31) - 1, 10**400]), ("big",
        [2**63, "1", 1e3]),
        ("rate", ["0.5", True, None, float("nan"), float("inf"), 10**400]), ("small", [1e39, float("nan")]), ("ok", [0, 1, "true", None]),
        ("raw", ["***", "AAE", 1, None, "é"]), ("mac", ["YQ==", "YWJj", 1]),
        ("total", [12.5, 1234, True, "12.505", "1234.00", "NaN", "Infinity", "1e9", "1_0", " 1", "", "x", "1" * 500, "1e-99999999",
        "1e99999999", "٣", None]),
        ("at", ["2026-11-03", "2026-11-03T14:05:06", 0, None, "x"]), ("day", ["2026-13-01", "20261103", "2026-11-03T00:00:00", 1]),
        ("hour", ["25:00", "14:05:06Z", 1]), ("local", ["2026-11-03T14:05:06Z", "2026-11-03", 1]),
        ("ref", ["x", "019a4a1b79d071f7aa387f05eb7dba10", "{019a4a1b-79d0-71f7-aa38-7f05eb7dba10}", 1]),
        ("colour", ["red", 0, None]), ("tags", ["a", {"0": "a"}, None]), ("map", [[], {"\ud800": 1}, None]), ("note", [7, False]),
        ("any", [1.5, [], 2**63]),
        ("pay", [{}, {"number": 1}, "x", {"number": "1", "amount": "1"}]),
    ],
)  # fmt: skip
def test_a_wrong_type_is_refused_with_its_path(field: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(PlainInvalid) as caught:
            from_plain(ORDER, PLAIN | {field: value})
        assert caught.value.path.startswith(field)


def test_a_path_goes_into_arrays_maps_and_records() -> None:
    for change, path in (({"tags": ["a", 7]}, "tags[1]"), ({"map": {"s3cret": "x"}}, "map.*")):
        with pytest.raises(PlainInvalid) as caught:
            from_plain(ORDER, PLAIN | change)
        assert caught.value.path == path


def test_unknown_and_missing_fields_and_what_is_no_object_are_refused() -> None:
    with pytest.raises(PlainInvalid) as caught:
        from_plain(ORDER, PLAIN | {"notes": "s3cret"})
    assert "s3cret" not in str(caught.value)
    assert caught.value.problems[0].said == "notes is no field; did you mean note?"
    with pytest.raises(PlainInvalid) as caught:
        from_plain(ORDER, PLAIN | {"\x1b[2J" + "z" * 100: 1})
    assert caught.value.path == "�[2J" + "z" * 60 + "…"
    assert "only the fields id, n" in str(caught.value)
    with pytest.raises(PlainInvalid) as caught:
        from_plain(ORDER, {name: each for name, each in PLAIN.items() if name != "total"})
    assert (caught.value.path, caught.value.expected) == ("total", "decimal(5,2)")
    assert caught.value.problems[0].said == "total is missing; it is decimal(5,2)"
    others: tuple[object, ...] = (None, [], "x", 7)
    for obj in others:
        with pytest.raises(PlainInvalid):
            from_plain(ORDER, obj)


def test_everything_amiss_is_told_at_once_up_to_a_bound() -> None:
    wrong = {name: each for name, each in PLAIN.items() if name not in ("id", "n")} | {
        "totl": 1, "total": 12.5, "tags": ["a", 7, 8], "pay": {"numbr": "1"}, "ref": "x",
    }  # fmt: skip
    with pytest.raises(PlainInvalid) as caught:
        from_plain(ORDER, wrong)
    assert [problem.path for problem in caught.value.problems] == ["totl", "id", "n", "total", "ref", "tags[1]", "tags[2]", "pay"]
    assert caught.value.problems[3].said == 'total is not decimal(5,2) in quotes, as in "12.50": a number would be rounded'
    with pytest.raises(PlainInvalid) as caught:
        from_plain(ORDER, PLAIN | {"tags": list(range(100))})
    assert len(caught.value.problems) == MOST_PROBLEMS


def test_the_value_is_never_repeated() -> None:
    for field in ("n", "total", "at", "ref", "raw", "colour", "tags"):
        with pytest.raises(PlainInvalid) as caught:
            from_plain(ORDER, PLAIN | {field: "s3cret"})
        assert "s3cret" not in str(caught.value)


def test_a_value_that_would_be_tried_exponentially_often_is_refused() -> None:
    node: Any = record("shop.R0", ("x", {"type": "array", "items": "string"}))
    names: list[Any] = ["shop.R0"]
    for level in range(1, 8):
        node = [record(f"shop.A{level}", ("x", node)), record(f"shop.B{level}", ("x", names))]
        names = [f"shop.A{level}", f"shop.B{level}"]
    obj: Any = {"x": ["a"] * 5_000 + [7]}
    for _ in range(7):
        obj = {"x": obj}
    with pytest.raises(PlainInvalid, match="a smaller value"):
        from_plain(Schema.parse(record("shop.R", ("x", node))), {"x": obj})


def test_floats_that_json_cannot_hold_go_out_as_strings() -> None:
    schema = Schema.parse(record("shop.F", ("a", "double"), ("b", "double"), ("c", "double")))
    value = {"a": float("nan"), "b": float("inf"), "c": float("-inf")}
    assert to_plain(schema, value) == {"a": "NaN", "b": "Infinity", "c": "-Infinity"}


@given(
    st.decimals(min_value=-999, max_value=999, places=2, allow_nan=False),
    st.text(st.characters(codec="utf-8")),
    st.binary(max_size=30),
)
def test_money_text_and_bytes_survive_the_way_there_and_back(total: Decimal, text: str, raw: bytes) -> None:
    value = from_plain(ORDER, PLAIN) | {"total": total, "note": text, "raw": raw}
    assert from_plain(ORDER, to_plain(ORDER, value)) == value
