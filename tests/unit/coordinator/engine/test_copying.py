"""A changed copy is all that changes of a record."""

from __future__ import annotations

from dataclasses import fields

import pytest

from saga_coordinator.engine.copying import changed, copyable, values_of


@copyable
class Card:
    number: int
    holder: str = "nobody"


def test_records_with_the_same_fields_are_the_same() -> None:
    assert Card(number=1) == Card(holder="nobody", number=1)
    assert {Card(number=1), Card(number=1), Card(number=2)} == {Card(number=1), Card(number=2)}


def test_a_changed_copy_leaves_the_record_it_was_made_from() -> None:
    card = Card(number=1, holder="ann")
    assert changed(card, {"number": 2}) == Card(number=2, holder="ann")
    assert card == Card(number=1, holder="ann")


def test_what_is_not_a_field_is_not_changed() -> None:
    with pytest.raises(AssertionError, match="Card has no such field"):
        changed(Card(number=1), {"colour": "blue"})


def test_values_stand_in_the_order_of_the_fields_also_in_a_copy() -> None:
    card = changed(Card(holder="ann", number=1), {"holder": "bob", "number": 2})
    assert list(values_of(card)) == [field.name for field in fields(Card)]
