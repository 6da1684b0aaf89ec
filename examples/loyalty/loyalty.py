"""The participant `loyalty`: keeps customers' points, credits them and takes them back."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4

from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from saga_participant import Participant, Rejected, Step

LARGEST_GRANT = 10_000


class GrantPoints(BaseModel):
    customer: str
    points: int


class PointsGranted(BaseModel):
    grant_id: str
    balance: int


class RevokePoints(BaseModel):
    customer: str
    grant_id: str


async def make_tables(engine: AsyncEngine) -> None:
    """Our own tables; the kit makes its `saga_barrier` beside them."""
    async with engine.begin() as db:
        await db.execute(text("CREATE TABLE IF NOT EXISTS account (customer TEXT PRIMARY KEY, balance INTEGER NOT NULL)"))
        await db.execute(text("CREATE TABLE IF NOT EXISTS points_grant (id TEXT PRIMARY KEY, points INTEGER NOT NULL)"))


loyalty = Participant(
    "loyalty",
    database=os.environ.get("LOYALTY_DATABASE_URL", "sqlite+aiosqlite:///loyalty.db"),
    schemas=Path(__file__).parent / "schemas",
    on_start=make_tables,
)


@loyalty.action
async def grant(command: GrantPoints, db: AsyncConnection, step: Step) -> PointsGranted:
    if command.points > LARGEST_GRANT:
        raise Rejected("too_many_points", "a purchase earns at most 10,000 points")
    grant_id = f"{step.name}-{uuid4()}"
    await db.execute(
        text("INSERT INTO points_grant (id, points) VALUES (:id, :points)"), {"id": grant_id, "points": command.points}
    )
    return PointsGranted(grant_id=grant_id, balance=await credit(db, command.customer, command.points))


@loyalty.compensation
async def revoke(command: RevokePoints, db: AsyncConnection) -> None:
    found = await db.execute(text("DELETE FROM points_grant WHERE id = :id RETURNING points"), {"id": command.grant_id})
    await credit(db, command.customer, -found.scalar_one())


async def credit(db: AsyncConnection, customer: str, points: int) -> int:
    """The customer's balance after it changed by so many points."""
    changed = await db.execute(
        text(
            "INSERT INTO account (customer, balance) VALUES (:customer, :points)"
            " ON CONFLICT (customer) DO UPDATE SET balance = account.balance + excluded.balance RETURNING balance"
        ),
        {"customer": customer, "points": points},
    )
    return int(changed.scalar_one())
