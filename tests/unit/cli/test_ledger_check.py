"""The demo's ledger check: green where the books agree, red for one effect too few or too many,
wherever it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from saga_cli.demo.ledger_check import Books, Order, disagreements

DONE = Order(saga_id="s-1", order_id="o-1", completed=True, quantity=2, total=2500)
UNDONE = Order(saga_id="s-5", order_id="o-5", completed=False, quantity=3, total=3750)
GOOD = Books(
    effects={
        "inventory": [("s-1", "reserve", "action"), ("s-5", "reserve", "action"), ("s-5", "reserve", "compensation")],
        "payment": [("s-1", "charge", "action"), ("s-5", "charge", "action"), ("s-5", "charge", "compensation")],
        "shipping": [("s-1", "ship", "action")],
    },
    held=[("o-1", 2)],
    bins=[("book", 3, 2, 2)],
    charged=[("o-1", 2500)],
    shipped=[("o-1",)],
)


def spoiled(book: str, rows: list[Any]) -> Any:
    changes: dict[str, Any] = {book: rows}
    return replace(GOOD, **changes)


def without(rows: Any, place: int) -> Any:
    return [row for number, row in enumerate(rows) if number != place]


def test_books_that_agree_have_nothing_to_say() -> None:
    assert disagreements(GOOD, [DONE, UNDONE]) == []


@pytest.mark.parametrize(("service", "place"), [(name, n) for name, rows in GOOD.effects.items() for n in range(len(rows))])
def test_each_effect_removed_or_doubled_is_seen(service: str, place: int) -> None:
    rows = list(GOOD.effects[service])
    for changed in (without(rows, place), [*rows, rows[place]]):
        found = disagreements(replace(GOOD, effects={**GOOD.effects, service: changed}), [DONE, UNDONE])

        saga_id, step, _ = rows[place]
        assert len(found) == 1
        assert found[0].startswith(f"order o-{saga_id[2:]}: {step} was done")


@pytest.mark.parametrize("book", ["held", "charged", "shipped"])
def test_each_row_of_business_removed_or_doubled_is_seen(book: str) -> None:
    rows = list(getattr(GOOD, book))

    assert len(disagreements(spoiled(book, []), [DONE])) == 1
    assert len(disagreements(spoiled(book, rows * 2), [DONE])) == 1


def test_an_order_that_was_undone_may_leave_nothing_behind() -> None:
    left = replace(GOOD, held=[*GOOD.held, ("o-5", 3)], charged=[*GOOD.charged, ("o-5", 3750)], shipped=[*GOOD.shipped, ("o-5",)])

    assert disagreements(left, [DONE, UNDONE]) == [
        "order o-5: 3 units set aside, must be 0",
        "order o-5: 3750 cents charged, must be 0",
        "order o-5: 1 parcels, must be 0",
    ]


def test_stock_and_its_reservations_must_agree() -> None:
    found = disagreements(replace(GOOD, bins=[("book", 3, 5, 2)]), [DONE])

    assert found == ["stock of book, bin 3: 5 set aside, but its orders hold 2"]


def test_another_amount_than_the_orders_is_seen() -> None:
    assert disagreements(replace(GOOD, charged=[("o-1", 2499)]), [DONE]) == ["order o-1: 2499 cents charged, must be 2500"]
