"""The participant `vouchers`: issues a voucher to a customer who has an address.

The pivot of the saga: nothing to undo.
"""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from saga_participant import Participant, Rejected, Step


class IssueVoucher(BaseModel):
    customer: str
    email: str | None


async def make_tables(engine: AsyncEngine) -> None:
    async with engine.begin() as db:
        await db.execute(
            text("CREATE TABLE IF NOT EXISTS voucher (id TEXT PRIMARY KEY, customer TEXT NOT NULL, email TEXT NOT NULL)")
        )


vouchers = Participant(
    "vouchers",
    database=os.environ.get("VOUCHERS_DATABASE_URL", "sqlite+aiosqlite:///vouchers.db"),
    schemas=Path(__file__).parent / "schemas",
    on_start=make_tables,
)


@vouchers.action
async def issue(command: IssueVoucher, db: AsyncConnection, step: Step) -> None:
    if command.email is None:
        raise Rejected("no_address", "there is no email to send a voucher to")
    await db.execute(
        text("INSERT INTO voucher (id, customer, email) VALUES (:id, :customer, :email)"),
        {"id": str(step.saga_id), "customer": command.customer, "email": command.email},
    )
