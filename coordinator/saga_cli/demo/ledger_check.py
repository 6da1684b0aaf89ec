"""Checks that the services' books agree with the orders' outcomes: no effect is lost, none is
doubled.

The check reads only the services' databases. `effect_ledger` has a line for every effect, written
inside the business function without a unique constraint. So a doubled effect is two lines, and a
lost one is none. The business tables must agree with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import create_async_engine

from saga_demo.inventory import reservations, stock
from saga_demo.ledger import effect_ledger
from saga_demo.payment import charges
from saga_demo.shipping import parcels
from saga_messaging.sqlite import connect_args

STEP_OF: Final = {"inventory": "reserve", "payment": "charge", "shipping": "ship"}

Rows = Sequence[Sequence[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order and how its saga ended."""

    saga_id: str
    order_id: str
    completed: bool
    """True: every step has its effect. False: none has."""
    quantity: int
    total: int
    """Cents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What the three services have stored."""

    effects: Mapping[str, Rows]
    """By service: (saga id, step, kind) of every line of its ledger."""
    held: Rows
    """(order id, quantity) of every reservation that was not released."""
    bins: Rows
    """(sku, bin, set aside, sum of the reservations that hold it)"""
    charged: Rows
    """(order id, cents) of every charge that was not refunded."""
    shipped: Rows
    """(order id,) of every parcel."""


async def check(service_urls: Mapping[str, str], orders: Sequence[Order]) -> list[str]:
    """Read the books and compare them with the orders.

    Args:
        service_urls: SQLAlchemy URL of each service's database.
        orders: All orders of the run.

    Returns:
        A sentence for every disagreement; empty when all agree.
    """
    return disagreements(await read_books(service_urls), orders)


async def read_books(service_urls: Mapping[str, str]) -> Books:
    """Read the services' databases."""
    ledger = select(effect_ledger.c.saga_id, effect_ledger.c.step, effect_ledger.c.kind)
    inventory = await _read(service_urls["inventory"], ledger, _HELD, _BINS)
    payment = await _read(service_urls["payment"], ledger, _CHARGED)
    shipping = await _read(service_urls["shipping"], ledger, _SHIPPED)
    return Books(
        effects={"inventory": inventory[0], "payment": payment[0], "shipping": shipping[0]},
        held=inventory[1],
        bins=inventory[2],
        charged=payment[1],
        shipped=shipping[1],
    )


def disagreements(books: Books, orders: Sequence[Order]) -> list[str]:
    """Return a sentence for every disagreement between books and orders, or among the books."""
    completed = [order for order in orders if order.completed]
    return [
        *_of_effects(books, orders),
        *_of_amounts("units set aside", books.held, {order.order_id: order.quantity for order in completed}, orders),
        *_of_amounts("cents charged", books.charged, {order.order_id: order.total for order in completed}, orders),
        *_of_amounts("parcels", [(row[0], 1) for row in books.shipped], {order.order_id: 1 for order in completed}, orders),
        *(
            f"stock of {sku}, bin {number}: {aside} set aside, but its orders hold {held}"
            for sku, number, aside, held in books.bins
            if aside != held
        ),
    ]


_HELD: Final = select(reservations.c.order_id, reservations.c.quantity).where(reservations.c.state == "held")
_CHARGED: Final = select(charges.c.order_id, charges.c.amount).where(charges.c.state == "charged")
_SHIPPED: Final = select(parcels.c.order_id)
_BINS: Final = select(
    stock.c.sku,
    stock.c.bin,
    stock.c.reserved,
    select(func.coalesce(func.sum(reservations.c.quantity), 0))
    .where(reservations.c.sku == stock.c.sku, reservations.c.bin == stock.c.bin, reservations.c.state == "held")
    .scalar_subquery(),
)
"""One statement, so that no other order changes the stock between the two reads."""


def _of_effects(books: Books, orders: Sequence[Order]) -> Iterator[str]:
    lines = Counter((saga_id, step, kind) for rows in books.effects.values() for saga_id, step, kind in rows)
    for order in orders:
        for step in STEP_OF.values():
            done, undone = lines[order.saga_id, step, "action"], lines[order.saga_id, step, "compensation"]
            right = (done, undone) == (1, 0) if order.completed else done == undone <= 1
            if not right:
                must = "once and not undone" if order.completed else "undone as often as done, at most once"
                yield f"order {order.order_id}: {step} was done {done} times and undone {undone} times, must be {must}"


def _of_amounts(what: str, rows: Rows, expected: Mapping[str, int], orders: Sequence[Order]) -> Iterator[str]:
    """Yield a sentence for each order whose amount differs.

    `rows` are (order id, amount); an uncompleted order must have none.
    """
    found: Counter[str] = Counter()
    for order_id, amount in rows:
        found[order_id] += amount
    for order in orders:
        wanted = expected.get(order.order_id, 0)
        if found[order.order_id] != wanted:
            yield f"order {order.order_id}: {found[order.order_id]} {what}, must be {wanted}"


async def _read(url: str, *statements: Select[Any]) -> list[Rows]:
    engine = create_async_engine(url, connect_args=connect_args(url))
    try:
        async with engine.connect() as connection:
            return [[tuple(row) for row in await connection.execute(statement)] for statement in statements]
    finally:
        await engine.dispose()
