"""What `participant.py --many` measures: the demo's inventory with a handler for many, whose one
statement writes the ledger's lines of all commands."""

from __future__ import annotations

import os
from typing import Final

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from saga_demo import ledger
from saga_demo.messages import ReserveStock, StockReserved
from saga_demo.settings import SCHEMAS
from saga_participant import Participant, Step

INSERT: Final = (
    "INSERT INTO effect_ledger (saga_id, step, kind, run) "
    "SELECT saga_id, step, 'action', run FROM unnest($1::text[], $2::text[], $3::integer[]) AS i (saga_id, step, run)"
)


async def make_ledger(engine: AsyncEngine) -> None:
    async with engine.begin() as db:
        await db.run_sync(ledger.metadata.create_all)


inventory: Final = Participant(
    "inventory", database=os.environ["SAGA_INVENTORY_DATABASE_URL"], schemas=SCHEMAS, on_start=make_ledger
)


@inventory.action(many=True)
async def reserve(commands: list[ReserveStock], db: asyncpg.Connection, steps: list[Step]) -> list[StockReserved]:
    await db.execute(INSERT, [str(step.saga_id) for step in steps], [step.name for step in steps], [step.run for step in steps])
    return [StockReserved(reservation_id=f"res-{step.saga_id}-{step.run}") for step in steps]
