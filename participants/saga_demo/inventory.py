"""Inventory: reserves and releases stock.

A product lies in several bins, and an order's id chooses its bin. So orders for one product do not
all wait for one row. A bin is filled when an order first asks for it.
"""

from __future__ import annotations

import zlib
from typing import Any, Final

from sqlalchemy import Column, Integer, MetaData, Table, Text, bindparam, insert, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from saga_demo import lean
from saga_demo.ledger import record_action, record_compensation
from saga_demo.messages import ReleaseStock, ReserveStock, StockReserved
from saga_demo.services import build_service
from saga_demo.settings import ServiceSettings
from saga_demo.spans import Spans
from saga_participant import Participant, Rejected, Step

BINS: Final = 16
SEED_QUANTITY: Final = 100_000
"""Content of a new bin."""

metadata: Final = MetaData()
stock: Final = Table(
    "stock",
    metadata,
    Column("sku", Text, primary_key=True),
    Column("bin", Integer, primary_key=True),
    Column("quantity", Integer, nullable=False),
    Column("reserved", Integer, nullable=False),
)
reservations: Final = Table(
    "reservations",
    metadata,
    Column("reservation_id", Text, primary_key=True),
    Column("order_id", Text, nullable=False),
    Column("sku", Text, nullable=False),
    Column("bin", Integer, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("state", Text, nullable=False),  # held or released
)

_TAKE: Final = (
    update(stock)
    .where(stock.c.sku == bindparam("of"), stock.c.bin == bindparam("from_bin"))
    .where(stock.c.reserved + bindparam("more", type_=Integer) <= stock.c.quantity)
    .values(reserved=stock.c.reserved + bindparam("more", type_=Integer))
)
"""Reserves stock in a bin that has enough."""
_RELEASE: Final = (
    update(reservations)
    .where(reservations.c.reservation_id == bindparam("id"), reservations.c.state == "held")
    .values(state="released")
    .returning(reservations.c.sku, reservations.c.bin, reservations.c.quantity)
)


def make_inventory(settings: ServiceSettings | None = None) -> Participant:
    """Build the service. Settings come from the environment unless given."""
    service = build_service("inventory", metadata, settings)
    inventory = service.participant
    if service.settings.lean:
        lean.inventory(inventory, service.settings)
        return inventory

    @inventory.action
    async def reserve(command: ReserveStock, db: AsyncConnection, step: Step) -> StockReserved:
        async with service.faults.injected(command.faults, step):
            taken_from = await take(db, command, service.spans)
            reservation_id = f"res-{step.saga_id}-{step.run}"
            await service.spans.write(
                db,
                insert(reservations).values(
                    reservation_id=reservation_id,
                    order_id=command.order_id,
                    sku=command.sku,
                    bin=taken_from,
                    quantity=command.quantity,
                    state="held",
                ),
            )
            await record_action(db, step, service.spans)
        return StockReserved(reservation_id=reservation_id)

    @inventory.compensation
    async def release(command: ReleaseStock, reserved: StockReserved, db: AsyncConnection, step: Step) -> None:
        sku, from_bin, quantity = (await service.spans.write(db, _RELEASE, {"id": reserved.reservation_id})).one()
        back = update(stock).where(stock.c.sku == sku, stock.c.bin == from_bin).values(reserved=stock.c.reserved - quantity)
        await service.spans.write(db, back)
        await record_compensation(db, step, service.spans)

    return inventory


async def take(db: AsyncConnection, command: ReserveStock, spans: Spans) -> int:
    """Reserve stock in the order's bin, or in the next one that has enough, and return the bin.

    Raises:
        Rejected: No bin has enough.
    """
    first = zlib.crc32(command.order_id.encode()) % BINS
    for number in range(BINS):
        chosen = (first + number) % BINS
        wanted = {"of": command.sku, "from_bin": chosen, "more": command.quantity}
        if (await spans.write(db, _TAKE, wanted)).rowcount == 1:
            return chosen
        await fill(db, command.sku, chosen, spans)
        if (await spans.write(db, _TAKE, wanted)).rowcount == 1:
            return chosen
    raise Rejected("out_of_stock", f"no bin holds {command.quantity} of {command.sku}")


async def fill(db: AsyncConnection, sku: str, number: int, spans: Spans) -> None:
    """Create the bin, full, unless it exists."""
    make: Any = postgresql.insert if db.dialect.name == "postgresql" else sqlite.insert
    full = make(stock).values(sku=sku, bin=number, quantity=SEED_QUANTITY, reserved=0).on_conflict_do_nothing()
    await spans.write(db, full)


inventory: Final = make_inventory()
