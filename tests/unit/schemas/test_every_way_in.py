"""One rule for a value on all its ways in: HTTP, a definition's literal, an expression, a reply,
and Avro from Kafka.

docs/values.md is the table of these rules.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from io import BytesIO
from typing import Any
from uuid import UUID

import fastavro
import pytest
from pydantic import BaseModel, create_model

from saga_coordinator.definitions.avro_types import type_of
from saga_coordinator.definitions.conversion import DoesNotFit, convert
from saga_coordinator.definitions.expressions import parse
from saga_schemas.binding import bind
from saga_schemas.catalog import Catalog
from saga_schemas.codec import decode, encode
from saga_schemas.errors import BadMessage, EncodingFailed, PlainInvalid
from saga_schemas.headers import StartHeaders
from saga_schemas.inbound import Envelope, read_start_payload
from saga_schemas.plain import from_plain, to_plain
from saga_schemas.schema import Schema

ID = "019a4a1b-79d0-71f7-aa38-7f05eb7dba10"
START = StartHeaders(message_id="r-1", source="web", record="t.R", time_us=0, tenant="default", definition="d")
Refused = (PlainInvalid, DoesNotFit, EncodingFailed, BadMessage)


def _logical(kind: str, logical: str, **more: int) -> dict[str, Any]:
    return {"type": kind, "logicalType": logical, **more}


TYPES: dict[str, Any] = {
    "uuid": _logical("string", "uuid"),
    "money": _logical("bytes", "decimal", precision=6, scale=2),
    "millis": _logical("long", "timestamp-millis"),
    "micros": _logical("long", "timestamp-micros"),
    "local": _logical("long", "local-timestamp-micros"),
    "local_millis": _logical("long", "local-timestamp-millis"),
    "day": _logical("int", "date"),
    "clock": _logical("int", "time-millis"),
    "clock_micros": _logical("long", "time-micros"),
    "int": "int",
    "long": "long",
    "double": "double",
    "float": "float",
    "string": "string",
    "bytes": "bytes",
    "boolean": "boolean",
    "enum": {"type": "enum", "name": "t.Colour", "symbols": ["red", "blue"]},
    "text_or_bytes": ["bytes", "string"],
    "number": ["double", "long"],
}
PYTHON: dict[str, Any] = {
    "uuid": str,
    "money": Decimal,
    "millis": datetime,
    "micros": datetime,
    "local": datetime,
    "local_millis": datetime,
    "day": date,
    "clock": time,
    "clock_micros": time,
}
SCHEMAS = {
    name: Schema.parse({"type": "record", "name": "t.R", "fields": [{"name": "x", "type": node}]}) for name, node in TYPES.items()
}


def from_http(name: str, given: Any) -> Any:
    return _kept(name, from_plain(SCHEMAS[name], {"x": json.loads(json.dumps(given))}))


def from_literal(name: str, given: Any) -> Any:
    return _kept(name, {"x": convert(given, type_of(SCHEMAS[name]).fields["x"].type, "x")})


def from_expression(name: str, given: Any) -> Any:
    made = parse("${[input.x][0]}").value({"input": {"x": given}, "steps": {}, "saga": {}})
    return from_literal(name, made)


def from_reply(name: str, given: Any) -> Any:
    model: type[BaseModel] = create_model("R", x=(PYTHON[name], ...))
    return _kept(name, bind(model, SCHEMAS[name]).to_value(model.model_construct(x=given)))


def from_kafka(name: str, given: Any) -> Any:
    """The input of a start, written by a library that checks nothing."""
    out = BytesIO()
    out.write(SCHEMAS[name].prefix)
    fastavro.schemaless_writer(out, SCHEMAS[name].parsed, {"x": given})
    start = Envelope(headers=START, key=None, value=out.getvalue(), raw_headers=())
    return read_start_payload(start, Catalog([SCHEMAS[name]]), SCHEMAS[name]).value["x"]


def _kept(name: str, value: Mapping[str, Any]) -> Any:
    return decode(encode(SCHEMAS[name], dict(value)), Catalog([SCHEMAS[name]])).value["x"]


TEXT_WAYS: list[Callable[[str, Any], Any]] = [from_http, from_literal, from_expression]

ACCEPTED: list[tuple[str, Any, Any]] = [
    ("uuid", ID, UUID(ID)),
    ("uuid", ID.upper(), UUID(ID)),
    ("money", "12.50", Decimal("12.50")),
    ("money", "-9999.99", Decimal("-9999.99")),
    ("money", 12, Decimal("12")),
    ("micros", "1969-12-31T23:59:59.999999Z", datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
    ("micros", "0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
    ("micros", "9999-12-31T23:59:59.999999Z", datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
    ("micros", "2026-11-03t15:05:06+01:00", datetime(2026, 11, 3, 14, 5, 6, tzinfo=UTC)),
    ("micros", "2026-11-03T14:05:06.000001000Z", datetime(2026, 11, 3, 14, 5, 6, 1, tzinfo=UTC)),
    ("millis", "1969-12-31T23:59:59.999Z", datetime(1969, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)),
    ("local", "2026-03-29T02:30:00", datetime(2026, 3, 29, 2, 30)),
    ("local", "0001-01-01T00:00", datetime(1, 1, 1)),
    ("local_millis", "1969-12-31T23:59:59.999", datetime(1969, 12, 31, 23, 59, 59, 999_000)),
    ("day", "0001-01-01", date(1, 1, 1)),
    ("day", "1969-12-31", date(1969, 12, 31)),
    ("clock", "23:59:59.999", time(23, 59, 59, 999_000)),
    ("clock", "14:05", time(14, 5)),
    ("clock_micros", "00:00:00.000001", time(0, 0, 0, 1)),
    ("int", -(2**31), -(2**31)),
    ("long", 2**63 - 1, 2**63 - 1),
    ("double", 5, 5.0),
    ("string", "Zoë 𝄞", "Zoë 𝄞"),
    ("bytes", "AAE=", b"\x00\x01"),
    ("enum", "red", "red"),
    ("text_or_bytes", "AAE=", "AAE="),
    ("number", 0.5, 0.5),
]
REFUSED: list[tuple[str, Any]] = [
    ("uuid", ID.replace("-", "")),
    ("uuid", "{" + ID + "}"),
    ("uuid", "urn:uuid:" + ID),
    ("uuid", ID + " "),
    ("money", 12.75),
    ("money", "12.505"),
    ("money", "12345.00"),
    ("money", "1_0"),
    ("money", " 1"),
    ("money", "NaN"),
    ("money", "٣"),
    ("money", True),
    ("micros", "2026-11-03T14:05:06.0000001Z"),
    ("micros", "2026-11-03T14:05:06"),
    ("micros", "2026-11-03 14:05:06Z"),
    ("micros", "2026-W01-1T00:00:00Z"),
    ("micros", "0000-12-31T23:59:59Z"),
    ("micros", "0001-01-01T00:00:00+01:00"),
    ("micros", 0),
    ("millis", "2026-11-03T14:05:06.0001Z"),
    ("local", "2026-03-29T02:30:00Z"),
    ("local", "2026-03-29"),
    ("local", "2026-03-29T02:30:00.0000001"),
    ("local", "20260329T023000"),
    ("local", "2026-03-29T24:00:00"),
    ("local_millis", "2026-03-29T02:30:00.0001"),
    ("day", "20261103"),
    ("day", "2026-W01-1"),
    ("day", "2026-02-29"),
    ("day", "2026-11-03T00:00:00"),
    ("clock", "14:05:06.0001"),
    ("clock", "14:05:06Z"),
    ("clock", "24:00"),
    ("clock", "1405"),
    ("clock_micros", "14:05:06.0000001"),
    ("int", 2**31),
    ("int", 1.0),
    ("int", True),
    ("long", "1"),
    ("float", 1e39),
    ("double", "1.5"),
    ("boolean", 1),
    ("bytes", "***"),
    ("bytes", "AAE"),
    ("enum", "RED"),
]


@pytest.mark.parametrize("way", TEXT_WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize(("name", "given", "kept"), ACCEPTED, ids=[f"{name}-{given}" for name, given, _ in ACCEPTED])
def test_what_is_one_value_is_kept_on_every_way(way: Callable[[str, Any], Any], name: str, given: Any, kept: Any) -> None:
    got = way(name, given)
    assert (got, type(got)) == (kept, type(kept))


@pytest.mark.parametrize("way", TEXT_WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize(("name", "given"), REFUSED, ids=[f"{name}-{given}" for name, given in REFUSED])
def test_what_is_none_or_would_lose_something_is_refused_on_every_way(
    way: Callable[[str, Any], Any], name: str, given: Any
) -> None:
    with pytest.raises(Refused) as refused:
        way(name, given)
    assert str(given) not in str(refused.value) or len(str(given)) < 4


@pytest.mark.parametrize("way", [from_reply, from_kafka], ids=lambda way: way.__name__)
@pytest.mark.parametrize(
    ("name", "given", "kept"),
    [row for row in ACCEPTED if row[0] in PYTHON and row[0] != "uuid"] + [("uuid", ID, UUID(ID)), ("uuid", ID.upper(), UUID(ID))],
    ids=str,
)
def test_a_typed_value_is_kept_on_every_way(way: Callable[[str, Any], Any], name: str, given: Any, kept: Any) -> None:
    assert way(name, given if name == "uuid" else kept) == kept


HOURS = timezone(timedelta(hours=5, minutes=45))


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("uuid", ID.replace("-", "")),
        ("uuid", "{" + ID + "}"),
        ("uuid", "not a uuid"),
        ("money", Decimal("12.505")),
        ("money", Decimal("12345.00")),
        ("money", Decimal("NaN")),
        ("micros", datetime(2026, 11, 3)),
        ("millis", datetime(2026, 11, 3, 0, 0, 0, 1, tzinfo=UTC)),
        ("local", datetime(2026, 11, 3, tzinfo=HOURS)),
        ("local_millis", datetime(2026, 11, 3, 0, 0, 0, 1)),
        ("day", datetime(2026, 11, 3)),
        ("clock", time(1, tzinfo=UTC)),
        ("clock", time(1, 0, 0, 1)),
    ],
    ids=str,
)
def test_a_reply_that_would_lose_something_is_refused(name: str, given: Any) -> None:
    with pytest.raises(EncodingFailed):
        from_reply(name, given)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("uuid", ID.replace("-", "")),
        ("uuid", "{" + ID + "}"),
        ("uuid", "urn:uuid:" + ID),
        ("uuid", "not a uuid"),
        ("micros", 253_402_300_800_000_000),
        ("micros", -62_135_596_800_000_001),
        ("millis", 253_402_300_800_000),
        ("local", 253_402_300_800_000_000),
        ("day", -719_163),
        ("day", 2_932_897),
        ("clock", 86_400_000),
        ("clock", -1),
    ],
    ids=str,
)
def test_avro_that_says_no_value_of_its_type_is_refused(name: str, given: Any) -> None:
    with pytest.raises(BadMessage):
        from_kafka(name, given)


@pytest.mark.parametrize(("name", "given", "kept"), ACCEPTED, ids=[f"{name}-{given}" for name, given, _ in ACCEPTED])
def test_what_a_view_shows_can_be_given_again(name: str, given: Any, kept: Any) -> None:
    shown = to_plain(SCHEMAS[name], {"x": kept})
    assert from_http(name, shown["x"]) == kept


def test_instants_of_every_century_are_shown_in_one_spelling() -> None:
    for year in (1, 1969, 2026, 9999):
        shown = to_plain(SCHEMAS["micros"], {"x": datetime(year, 1, 2, 3, 4, 5, 6, tzinfo=UTC)})
        assert shown["x"] == f"{year:04d}-01-02T03:04:05.000006Z"
