"""Mail: confirms the order to the customer.

A row of `mails` is a letter to send; its sender must expect to see one twice.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, MetaData, Table, Text, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from saga_demo.ledger import record_action
from saga_demo.messages import ConfirmationSent, SendConfirmation
from saga_demo.services import build_service
from saga_demo.settings import ServiceSettings
from saga_participant import Participant, Step

metadata: Final = MetaData()
mails: Final = Table(
    "mails",
    metadata,
    Column("message_id", Text, primary_key=True),
    Column("order_id", Text, nullable=False),
    Column("customer", Text, nullable=False),
)


def make_mail(settings: ServiceSettings | None = None) -> Participant:
    """Build the service. Settings come from the environment unless given."""
    service = build_service("mail", metadata, settings)
    mail = service.participant

    @mail.action
    async def confirm(command: SendConfirmation, db: AsyncConnection, step: Step) -> ConfirmationSent:
        async with service.faults.injected(command.faults, step):
            message_id = f"msg-{step.saga_id}-{step.run}"
            await service.spans.write(
                db, insert(mails).values(message_id=message_id, order_id=command.order_id, customer=command.customer)
            )
            await record_action(db, step, service.spans)
        return ConfirmationSent(message_id=message_id)

    return mail


mail: Final = make_mail()
