"""Fields that people are not shown."""

from __future__ import annotations

from typing import Any

import pytest

from saga_schemas.catalog import Catalog
from saga_schemas.codec import decode, encode
from saga_schemas.masking import MASK, has_masks, masked
from saga_schemas.plain import to_plain
from saga_schemas.schema import Schema

CARD = {
    "type": "record",
    "name": "shop.Card",
    "fields": [{"name": "number", "type": "string", "x-mask": True}, {"name": "brand", "type": "string"}],
}
OTHER = {"type": "record", "name": "shop.Iban", "fields": [{"name": "iban", "type": "string", "x-mask": True}]}


def schema_of(*fields: dict[str, Any]) -> Schema:
    return Schema.parse({"type": "record", "name": "shop.Pay", "fields": list(fields)})


def shown(schema: Schema, value: dict[str, Any]) -> dict[str, Any]:
    """As a payload that came over the wire is shown."""
    decoded = decode(encode(schema, value), Catalog([schema]))
    return to_plain(schema, masked(schema, decoded.value))


@pytest.mark.parametrize(
    ("type", "value", "seen"),
    [
        (CARD, {"number": "4111", "brand": "visa"}, {"number": MASK, "brand": "visa"}),
        ({"type": "array", "items": CARD}, [{"number": "4", "brand": "v"}], [{"number": MASK, "brand": "v"}]),
        ({"type": "map", "values": CARD}, {"a": {"number": "4", "brand": "v"}}, {"a": {"number": MASK, "brand": "v"}}),
        (["null", CARD], {"number": "4", "brand": "v"}, {"number": MASK, "brand": "v"}),
        (["null", CARD], None, None),
        ([CARD, OTHER], ("shop.Iban", {"iban": "DE"}), {"iban": MASK}),
        ([OTHER, {"type": "map", "values": "string"}], {"iban": "DE"}, {"iban": MASK}),
    ],
)
def test_a_masked_field_is_hidden_wherever_its_record_stands(type: Any, value: Any, seen: Any) -> None:
    assert shown(schema_of({"name": "by", "type": type}), {"by": value}) == {"by": seen}


def test_a_value_of_any_type_is_hidden_and_null_stays() -> None:
    schema = schema_of(
        {"name": "amount", "type": "long", "x-mask": True},
        {"name": "card", "type": CARD, "x-mask": True},
        {"name": "note", "type": ["null", "string"], "x-mask": True},
        {"name": "shown", "type": "string", "x-mask": False},
    )

    value = {"amount": 7, "card": {"number": "4", "brand": "v"}, "note": None, "shown": "x"}

    assert shown(schema, value) == {"amount": MASK, "card": MASK, "note": None, "shown": "x"}


@pytest.mark.parametrize("said", ["true", 1, None, {}])
def test_a_mask_that_is_misspelt_hides_too(said: object) -> None:
    schema = schema_of({"name": "pin", "type": "string", "x-mask": said})

    assert has_masks(schema) and shown(schema, {"pin": "1234"}) == {"pin": MASK}


def test_a_later_schema_hides_what_an_earlier_one_showed() -> None:
    later = schema_of({"name": "pin", "type": "string", "x-mask": True}, {"name": "new", "type": CARD})

    assert masked(later, {"pin": "1", "old": {"number": "4"}, "new": "text"}) == {
        "pin": MASK,
        "old": {"number": "4"},
        "new": "text",
    }
    assert not has_masks(schema_of({"name": "pin", "type": "string"}))
