"""Payment: charges cards and refunds them.

Each charge is a row of its own, so orders of one account do not wait for each other. The sum of its
charges is what an account has paid.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import BigInteger, Column, MetaData, Table, Text, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from saga_demo import lean
from saga_demo.ledger import record_action, record_compensation
from saga_demo.messages import CardCharged, ChargeCard, RefundCard
from saga_demo.services import build_service
from saga_demo.settings import ServiceSettings
from saga_demo.spans import Spans
from saga_participant import Participant, Rejected, Step

CARD_LIMIT: Final = 1_000_000_00
"""Cents; what one order of a new account may cost."""

metadata: Final = MetaData()
accounts: Final = Table(
    "accounts",
    metadata,
    Column("account", Text, primary_key=True),
    Column("card_limit", BigInteger, nullable=False),
)
charges: Final = Table(
    "charges",
    metadata,
    Column("charge_id", Text, primary_key=True),
    Column("account", Text, nullable=False),
    Column("order_id", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),  # cents
    Column("reason", Text, nullable=False),
    Column("state", Text, nullable=False),  # charged or refunded
)


def make_payment(settings: ServiceSettings | None = None) -> Participant:
    """Build the service. Settings come from the environment unless given."""
    service = build_service("payment", metadata, settings)
    payment = service.participant
    if service.settings.lean:
        lean.payment(payment, service.settings)
        return payment

    @payment.action
    async def charge(command: ChargeCard, db: AsyncConnection, step: Step) -> CardCharged:
        async with service.faults.injected(command.faults, step):
            if command.amount > await limit_of(db, command.account, service.spans):
                raise Rejected("over_limit", "the card's limit is lower than the order's total")
            charge_id = f"chg-{step.saga_id}-{step.run}"
            await service.spans.write(
                db,
                insert(charges).values(
                    charge_id=charge_id,
                    account=command.account,
                    order_id=command.order_id,
                    amount=command.amount,
                    reason=command.reason,
                    state="charged",
                ),
            )
            await record_action(db, step, service.spans)
        return CardCharged(charge_id=charge_id)

    @payment.compensation
    async def refund(command: RefundCard, charged: CardCharged, db: AsyncConnection, step: Step) -> None:
        booked = update(charges).where(charges.c.charge_id == charged.charge_id, charges.c.state == "charged")
        if (await service.spans.write(db, booked.values(state="refunded"))).rowcount != 1:
            raise LookupError("the charge to refund is not there")
        await record_compensation(db, step, service.spans)

    return payment


async def limit_of(db: AsyncConnection, account: str, spans: Spans) -> int:
    """Return the card's limit. A new account is opened."""
    wanted = select(accounts.c.card_limit).where(accounts.c.account == account)
    limit = (await db.execute(wanted)).scalar_one_or_none()
    if limit is None:
        make: Any = postgresql.insert if db.dialect.name == "postgresql" else sqlite.insert
        opened = make(accounts).values(account=account, card_limit=CARD_LIMIT).on_conflict_do_nothing()
        await spans.write(db, opened)
        limit = (await db.execute(wanted)).scalar_one()
    return int(limit)


payment: Final = make_payment()
