"""A user's pydantic model against its Avro record: every disagreement is a line, agreement converts
both ways exactly."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict, Field

from saga_schemas.binding import Binding, bind, names_record, record_for
from saga_schemas.catalog import Catalog
from saga_schemas.codec import decode, encode
from saga_schemas.errors import BadMessage, BindingFailed
from saga_schemas.schema import Schema


def schema(name: str = "shop.Order", **types: Any) -> Schema:
    return Schema.parse(
        {"type": "record", "name": name, "fields": [{"name": field, "type": each} for field, each in types.items()]}
    )


class Colour(StrEnum):
    RED = "RED"
    BLUE = "BLUE"


class Shade(Enum):
    RED = "RED"
    BLUE = "BLUE"


class Line(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")
    sku: str
    colour: Shade


class Card(BaseModel):
    number: str


class Cash(BaseModel):
    number: str


class Order(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")
    id: Annotated[str, Field(min_length=1)]
    count: int
    total: Decimal
    at: datetime
    ref: UUID
    text_ref: str
    colour: Colour
    size: Literal["S", "L"]
    note: str | None = None
    lines: tuple[Line, ...]
    more: Sequence[Colour]
    prices: dict[str, Shade]
    pay: Card | Cash | None
    first: Line | None
    either: int | str
    loose: Any


def enumeration(name: str, *symbols: str) -> dict[str, Any]:
    return {"type": "enum", "name": f"shop.{name}", "symbols": list(symbols)}


NUMBER = [{"name": "number", "type": "string"}]
LINE = {
    "type": "record",
    "name": "shop.Line",
    "fields": [{"name": "sku", "type": "string"}, {"name": "colour", "type": "shop.Colour"}],
}
ORDER = schema(
    id="string", count="int", total={"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
    at={"type": "long", "logicalType": "timestamp-micros"}, ref={"type": "string", "logicalType": "uuid"},
    text_ref={"type": "string", "logicalType": "uuid"}, colour=enumeration("Colour", "RED", "BLUE"), size=enumeration("Size", "S", "L"),
    note=["null", "string"], lines={"type": "array", "items": LINE}, more={"type": "array", "items": "shop.Colour"},
    prices={"type": "map", "values": "shop.Colour"},
    pay=["null", {"type": "record", "name": "shop.Card", "fields": NUMBER}, {"type": "record", "name": "shop.Cash", "fields": NUMBER}],
    first=["null", "shop.Line"], either=["string", "long"], loose="string",
)  # fmt: skip
REF = UUID("019a4a1b-79d0-71f7-aa38-7f05eb7dba10")


def order(**changes: Any) -> Order:
    values: dict[str, Any] = {
        "id": "o-1", "count": 2, "total": Decimal("12.50"), "at": datetime(2026, 11, 3, tzinfo=UTC), "ref": REF,
        "text_ref": str(REF), "colour": Colour.BLUE,
        "size": "L", "lines": (Line(sku="a", colour=Shade.RED),), "more": [Colour.RED], "prices": {"x": Shade.BLUE},
        "pay": Cash(number="7"), "first": None,
        "either": 7, "loose": "y",
    }  # fmt: skip
    return Order(**values | changes)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"pay": Card(number="7")},
        {"pay": None, "either": "x", "note": "n"},
        {"first": Line(sku="b", colour=Shade.BLUE)},
        {"lines": ()},
    ],
)
def test_a_strict_model_of_every_type_round_trips_through_avro(changes: dict[str, Any]) -> None:
    binding = bind(Order, ORDER)
    instance = order(**changes)
    framed = encode(ORDER, binding.to_value(instance))
    assert binding.from_value(decode(framed, Catalog([ORDER])).value) == instance


class Charge(BaseModel):
    account: str
    amount: int


class ChargeWrong(BaseModel):
    avro_name: ClassVar[str] = "shop.Charge"
    account: str | None
    amount: float
    tip: int


def test_every_disagreement_is_named_with_field_and_expected_type() -> None:
    with pytest.raises(BindingFailed) as caught:
        bind(ChargeWrong, schema("shop.Charge", account="string", amount="long", currency="string"))
    text = str(caught.value)
    assert "shop.Charge.account: the schema says string, the model str | None" in text
    assert "shop.Charge.amount: the schema says long, the model float" in text
    assert "ChargeWrong: has no field shop.Charge.currency (string)" in text
    assert "ChargeWrong: field tip is not in shop.Charge" in text


@pytest.mark.parametrize(
    ("type_", "python"),
    [
        ("string", int), ("int", str), ("int", bool), ("boolean", int), ("double", int), ("string", bytes), (["null", "string"],
        str), ("string", str | None),
        ({"type": "array", "items": "string"}, list[int]), ({"type": "array", "items": "string"}, set[str]), ({"type": "map",
        "values": "int"}, dict[int, int]),
        ({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}, float), (enumeration("E", "A"), Colour),
        (enumeration("E", "A"), Literal["B"]),
        (["string", "long"], int), ("string", int | str), (LINE | {"fields": []}, str), ({"type": "long",
        "logicalType": "timestamp-micros"}, int),
        ({"type": "array", "items": "string"}, tuple[str, str]),
    ],
)  # fmt: skip
def test_a_python_type_that_is_not_the_avro_type_is_refused(type_: Any, python: Any) -> None:
    model = type("R", (BaseModel,), {"__annotations__": {"f": python}, "__module__": __name__})
    if isinstance(type_, dict) and type_.get("name") == "shop.Line":
        type_ = {"type": "record", "name": "shop.Line", "fields": []}
    with pytest.raises(BindingFailed, match=r"R\.f"):
        bind(model, schema("shop.R", f=type_))


def test_a_field_with_a_default_may_be_missing_in_the_model_and_is_then_not_given_to_it() -> None:
    document = schema("shop.Charge", account="string", amount="long").document
    newer = Schema.parse({**document, "fields": [*document["fields"], {"name": "currency", "type": "string", "default": "EUR"}]})
    model: type[Charge] = type("Charge", (Charge,), {"model_config": ConfigDict(extra="forbid"), "__module__": __name__})
    binding: Binding[Charge] = bind(model, newer)
    framed = encode(newer, binding.to_value(model(account="a", amount=1)))
    value = decode(framed, Catalog([newer])).value
    assert value == {"account": "a", "amount": 1, "currency": "EUR"}
    assert binding.from_value(value) == model(account="a", amount=1)


def test_a_value_the_model_refuses_is_a_bad_message_without_the_value() -> None:
    class Charge(BaseModel):
        account: Annotated[str, Field(max_length=3)]

    with pytest.raises(BadMessage) as caught:
        bind(Charge, schema("shop.Charge", account="string")).from_value({"account": "s3cret"})
    assert (caught.value.reason, caught.value.detail) == ("invalid_value", "shop.Charge.account: string_too_long")


def test_a_model_stands_for_the_record_of_its_name_or_the_one_it_states() -> None:
    one, other = schema("shop.Charge", a="int"), schema("bank.Charge", a="int")
    assert record_for(Charge, [one]) is one
    assert names_record(ChargeWrong, "shop.Charge")
    assert not names_record(ChargeWrong, "shop.ChargeWrong")
    assert record_for(ChargeWrong, [one, other]) is one
    with pytest.raises(BindingFailed, match=r"bank\.Charge and shop\.Charge"):
        record_for(Charge, [one, other])
    with pytest.raises(BindingFailed, match="no schema"):
        record_for(Line, [one])
    with pytest.raises(BindingFailed, match="not named"):
        bind(Line, one)
