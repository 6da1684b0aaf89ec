"""Handlers for benchmarks (`SAGA_DEMO_LEAN=1`): each command writes one line to the effect ledger,
and nothing else.

On asyncpg they use the bare connection, the fastest that the kit offers; elsewhere SQLAlchemy's.
The kit chooses the connection by the annotation of `db`, so the annotation is set once the database
is known.
"""

from __future__ import annotations

from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from saga_demo import ledger
from saga_demo.messages import (
    BookCarrier,
    CardCharged,
    CarrierBooked,
    ChargeCard,
    RefundCard,
    ReleaseStock,
    ReserveStock,
    StockReserved,
)
from saga_demo.settings import ServiceSettings
from saga_demo.spans import Spans
from saga_participant import Participant, Rejected, Step

F = TypeVar("F")


def inventory(participant: Participant, settings: ServiceSettings) -> None:
    """Add the handlers that reserve and release."""
    write = _Writer(settings)

    async def reserve(command: ReserveStock, db: Any, step: Step) -> StockReserved:
        await write(db, step, "action")
        return StockReserved(reservation_id=f"res-{step.saga_id}-{step.run}")

    async def release(command: ReleaseStock, db: Any, step: Step) -> None:
        await write(db, step, "compensation")

    participant.action(write.annotated(reserve))
    participant.compensation(write.annotated(release))


def payment(participant: Participant, settings: ServiceSettings) -> None:
    """Add the handlers that charge and refund."""
    write = _Writer(settings)

    async def charge(command: ChargeCard, db: Any, step: Step) -> CardCharged:
        await write(db, step, "action")
        return CardCharged(charge_id=f"chg-{step.saga_id}-{step.run}")

    async def refund(command: RefundCard, db: Any, step: Step) -> None:
        await write(db, step, "compensation")

    participant.action(write.annotated(charge))
    participant.compensation(write.annotated(refund))


def shipping(participant: Participant, settings: ServiceSettings) -> None:
    """Add the handler that books. It rejects an order without a carrier."""
    write = _Writer(settings)

    async def book(command: BookCarrier, db: Any, step: Step) -> CarrierBooked:
        if not command.carrier:
            raise Rejected("no_carrier", "the order names no carrier")
        await write(db, step, "action")
        return CarrierBooked(parcel_id=f"pcl-{step.saga_id}-{step.run}")

    participant.action(write.annotated(book))


class _Writer:
    """Writes the ledger's line on the service's connection."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._on_asyncpg = settings.on_asyncpg
        self._spans = Spans(settings)

    def annotated(self, handler: F) -> F:
        """Annotate the handler's `db` with that connection's class, and return the handler."""
        if self._on_asyncpg:
            import asyncpg

            handler.__annotations__["db"] = asyncpg.Connection
        else:
            handler.__annotations__["db"] = AsyncConnection
        return handler

    async def __call__(self, db: Any, step: Step, kind: str) -> None:
        if self._on_asyncpg:
            with self._spans.around("INSERT", ledger.effect_ledger.name):
                await db.execute(ledger.ASYNCPG_INSERT, str(step.saga_id), step.name, kind, step.run)
        elif kind == "action":
            await ledger.record_action(db, step, self._spans)
        else:
            await ledger.record_compensation(db, step, self._spans)
