"""Fraud: rates whether an order looks honest. It changes nothing that has to be undone."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Integer, MetaData, Table, Text, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from saga_demo.ledger import record_action
from saga_demo.messages import OrderScreened, ScreenOrder
from saga_demo.services import build_service
from saga_demo.settings import ServiceSettings
from saga_participant import Participant, Rejected, Step

SUSPICIOUS_TOTAL: Final = 500_000_00
"""Cents; an order above that is rejected."""

metadata: Final = MetaData()
screenings: Final = Table(
    "screenings",
    metadata,
    Column("screening_id", Text, primary_key=True),
    Column("order_id", Text, nullable=False),
    Column("customer", Text, nullable=False),
    Column("score", Integer, nullable=False),
)


def make_fraud(settings: ServiceSettings | None = None) -> Participant:
    """Build the service. Settings come from the environment unless given."""
    service = build_service("fraud", metadata, settings)
    fraud = service.participant

    @fraud.action
    async def screen(command: ScreenOrder, db: AsyncConnection, step: Step) -> OrderScreened:
        async with service.faults.injected(command.faults, step):
            if command.total > SUSPICIOUS_TOTAL:
                raise Rejected("suspicious", "the order's total is higher than anybody's before")
            score = min(99, 100 * command.total // SUSPICIOUS_TOTAL)
            await service.spans.write(
                db,
                insert(screenings).values(
                    screening_id=f"scr-{step.saga_id}-{step.run}",
                    order_id=command.order_id,
                    customer=command.customer,
                    score=score,
                ),
            )
            await record_action(db, step, service.spans)
        return OrderScreened(score=score)

    return fraud


fraud: Final = make_fraud()
