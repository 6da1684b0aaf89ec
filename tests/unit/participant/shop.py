"""A small participant of the tests' own: one effect that can be counted, and handlers that do as they are told."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from saga_participant import Failed, InProgress, Participant, Rejected, Step

SCHEMAS = Path(__file__).parent / "schemas"
EFFECTS = "CREATE TABLE IF NOT EXISTS effects (saga_id TEXT NOT NULL, step TEXT NOT NULL, kind TEXT NOT NULL, run INTEGER NOT NULL)"


class Take(BaseModel):
    amount: int
    mode: str = ""


class Taken(BaseModel):
    receipt: str


class GiveBack(BaseModel):
    amount: int
    mode: str = ""


async def make_effects(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(text(EFFECTS))


async def effect(db: AsyncConnection, step: Step, kind: str) -> None:
    await db.execute(
        text("INSERT INTO effects (saga_id, step, kind, run) VALUES (:saga, :step, :kind, :run)"),
        {"saga": str(step.saga_id), "step": step.name, "kind": kind, "run": step.run},
    )


async def effects(engine: AsyncEngine) -> list[str]:
    """Kind and run of every effect, in order of writing."""
    async with engine.connect() as connection:
        rows = (await connection.execute(text("SELECT kind, run FROM effects"))).all()
    return [f"{kind} {run}" for kind, run in rows]


class Told:
    """What the handlers do next, and what they were given."""

    def __init__(self) -> None:
        self.modes: list[str] = []
        self.lease = timedelta(hours=1)
        self.steps: list[Step] = []

    def next(self, default: str) -> str:
        return self.modes.pop(0) if self.modes else default


def make_till(database: Any = "sqlite+aiosqlite://", **options: Any) -> tuple[Participant, Told]:
    """Takes and gives back; `mode` (or `Told.modes`) says how it goes."""
    till = Participant("till", database=database, schemas=SCHEMAS, on_start=make_effects, **options)
    told = Told()

    @till.action(fenceable=False)
    async def take(command: Take, db: AsyncConnection, step: Step) -> Taken | InProgress:
        told.steps.append(step)
        mode = told.next(command.mode)
        if mode == "accept":
            return InProgress("being looked at", lease=told.lease)
        await effect(db, step, "take")
        await misbehave(mode, db)
        return Taken(receipt=f"r-{step.run}")

    @till.compensation
    async def give_back(command: GiveBack, taken: Taken, db: AsyncConnection, step: Step) -> None:
        told.steps.append(step)
        await effect(db, step, "give back")
        await misbehave(told.next(command.mode), db)

    return till, told


async def misbehave(mode: str, db: AsyncConnection) -> None:
    """Everything a handler may do wrong (B19), by name."""
    match mode:
        case "reject":
            raise Rejected("no", "not today")
        case "fail":
            raise Failed("later", "try again", retry_after=timedelta(seconds=3))
        case "break":
            raise ValueError("secret 4111 1111 1111 1111")
        case "exit":
            raise SystemExit(3)
        case "interrupt":
            raise KeyboardInterrupt
        case "generator":
            raise GeneratorExit
        case "cancel":
            raise asyncio.CancelledError
        case "hang":
            await asyncio.Event().wait()
        case "commit":
            await db.commit()
        case "rollback":
            await db.rollback()
        case "close":
            await db.close()
        case "commit by text":
            await db.execute(text("COMMIT"))
        case "sql":
            await db.execute(text("SELECT nonsense FROM nowhere"))
