"""The effect ledger: one line for each effect, written inside the business function, without any
unique constraint.

So a doubled effect is two lines, and a lost one is none. The ledger is no part of the protocol.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Column, DateTime, Integer, MetaData, Table, Text, case, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from saga_demo.spans import Spans
from saga_participant import Step

metadata: Final = MetaData()

effect_ledger: Final = Table(
    "effect_ledger",
    metadata,
    Column("saga_id", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("kind", Text, nullable=False),  # action or compensation
    Column("run", Integer, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False, server_default=func.now()),
)

ASYNCPG_INSERT: Final = "INSERT INTO effect_ledger (saga_id, step, kind, run) VALUES ($1, $2, $3, $4)"
_INSERT: Final = insert(effect_ledger)


async def record_action(db: AsyncConnection, step: Step, spans: Spans) -> None:
    """Write the line of an action's effect."""
    await _write(db, step, "action", spans)


async def record_compensation(db: AsyncConnection, step: Step, spans: Spans) -> None:
    """Write the line of a compensation's effect."""
    await _write(db, step, "compensation", spans)


async def net_effects(db: AsyncConnection) -> dict[tuple[str, str], int]:
    """Return actions less compensations by (saga id, step). 0 and 1 are right; anything else is a
    lost or doubled effect."""
    sign: Any = case((effect_ledger.c.kind == "action", 1), else_=-1)
    rows = await db.execute(
        select(effect_ledger.c.saga_id, effect_ledger.c.step, func.sum(sign)).group_by(
            effect_ledger.c.saga_id, effect_ledger.c.step
        )
    )
    return {(saga_id, step): int(net) for saga_id, step, net in rows}


async def _write(db: AsyncConnection, step: Step, kind: str, spans: Spans) -> None:
    await spans.write(db, _INSERT, {"saga_id": str(step.saga_id), "step": step.name, "kind": kind, "run": step.run})
