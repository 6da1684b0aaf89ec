"""Shipping: books a parcel with a carrier.

It is the pivot of the order, so a booking is never undone.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, MetaData, Table, Text, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from saga_demo import lean
from saga_demo.ledger import record_action
from saga_demo.messages import BookCarrier, CarrierBooked
from saga_demo.services import build_service
from saga_demo.settings import ServiceSettings
from saga_participant import Participant, Rejected, Step

metadata: Final = MetaData()
parcels: Final = Table(
    "parcels",
    metadata,
    Column("parcel_id", Text, primary_key=True),
    Column("order_id", Text, nullable=False),
    Column("carrier", Text, nullable=False),
    Column("address", Text, nullable=False),
)


def make_shipping(settings: ServiceSettings | None = None) -> Participant:
    """Build the service. Settings come from the environment unless given."""
    service = build_service("shipping", metadata, settings)
    shipping = service.participant
    if service.settings.lean:
        lean.shipping(shipping, service.settings)
        return shipping

    @shipping.action
    async def book(command: BookCarrier, db: AsyncConnection, step: Step) -> CarrierBooked:
        async with service.faults.injected(command.faults, step):
            carrier = carrier_of(command)
            parcel_id = f"pcl-{step.saga_id}-{step.run}"
            await service.spans.write(
                db,
                insert(parcels).values(parcel_id=parcel_id, order_id=command.order_id, carrier=carrier, address=command.address),
            )
            await record_action(db, step, service.spans)
        return CarrierBooked(parcel_id=parcel_id)

    return shipping


def carrier_of(command: BookCarrier) -> str:
    """Return the order's carrier. Raises Rejected when it names none."""
    if not command.carrier:
        raise Rejected("no_carrier", "the order names no carrier")
    return command.carrier


shipping: Final = make_shipping()
