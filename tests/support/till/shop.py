"""A small participant of the tests' own: one effect that can be counted, and handlers that do as
they are told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from saga_participant import Failed, InProgress, Participant, Rejected, Step
from saga_participant.testing import NoReply, Reply

SCHEMAS = Path(__file__).parent / "schemas"
EFFECTS = """CREATE TABLE IF NOT EXISTS effects (
    n {numbered}, saga_id TEXT NOT NULL, step TEXT NOT NULL, kind TEXT NOT NULL, run INTEGER NOT NULL)"""
NUMBERED = {"sqlite": "INTEGER PRIMARY KEY", "postgresql": "BIGINT GENERATED ALWAYS AS IDENTITY"}
HANDLES = {"connection": AsyncConnection, "session": AsyncSession, "asyncpg": asyncpg.Connection}


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
        await connection.execute(text(EFFECTS.format(numbered=NUMBERED[connection.dialect.name])))


async def write(db: Any, statement: str) -> None:
    """A statement without parameters on whichever db it is."""
    await db.execute(text(statement) if hasattr(db, "execution_options") or isinstance(db, AsyncSession) else statement)


async def past_the_guard(db: Any, statement: str) -> None:
    """On the driver's own connection, which nobody is given."""
    if isinstance(db, AsyncSession):
        db = await db.connection()
    if isinstance(db, AsyncConnection):
        assert db.sync_connection is not None
        await db.sync_connection.connection.driver_connection.execute(statement)  # type: ignore[union-attr]
    else:
        await db._connection.execute(statement)


async def effect(db: Any, step: Step, kind: str) -> None:
    await write(
        db, f"INSERT INTO effects (saga_id, step, kind, run) VALUES ('{step.saga_id}', '{step.name}', '{kind}', {step.run})"
    )


async def effects(engine: AsyncEngine, saga_id: object = None) -> list[str]:
    """Kind and run of every effect (of one saga), in order of writing."""
    async with engine.connect() as connection:
        rows = (await connection.execute(text("SELECT kind, run, saga_id FROM effects ORDER BY n"))).all()
    return [f"{kind} {run}" for kind, run, saga in rows if saga_id is None or saga == str(saga_id)]


async def reply_or_silence(asking: Awaitable[Reply]) -> Reply | None:
    """The reply, or None where the participant is silent."""
    try:
        return await asking
    except NoReply:
        return None


class Told:
    """What the handlers do next, and what they were given."""

    def __init__(self) -> None:
        self.modes: list[str] = []
        self.lease = timedelta(hours=1)
        self.note = "being looked at"
        self.steps: list[Step] = []
        self.during: Callable[[], Any] | None = None
        self.on_db: Callable[[Any], Any] | None = None
        self.while_giving_back: Callable[[Any], Any] | None = None
        self.receipt: str | None = None

    def next(self, default: str) -> str:
        return self.modes.pop(0) if self.modes else default


def make_till(
    database: Any = "sqlite+aiosqlite://", *, handle: str = "connection", fenceable: bool = False, **options: Any
) -> tuple[Participant, Told]:
    """Takes and gives back; `mode` (or `Told.modes`) says how it goes."""
    till = Participant("till", database=database, schemas=SCHEMAS, on_start=make_effects, **options)
    told = Told()

    async def take(command: Take, db: Any, step: Step) -> Taken | InProgress:
        told.steps.append(step)
        mode = told.next(command.mode)
        if mode == "accept":
            return InProgress(told.note, lease=told.lease)
        if mode.endswith(" at once"):
            await misbehave(mode.removesuffix(" at once"), db)
        await effect(db, step, "take")
        if told.during is not None:
            await told.during()
        if told.on_db is not None:
            await told.on_db(db)
        if mode == "wrong type":
            return "a receipt"  # type: ignore[return-value]
        await misbehave(mode, db)
        return Taken(receipt=told.receipt or f"r-{step.run}")

    async def give_back(command: GiveBack, taken: Taken, db: Any, step: Step) -> None:
        told.steps.append(step)
        assert taken.receipt.startswith("r-")
        await effect(db, step, "give back")
        if told.while_giving_back is not None:
            await told.while_giving_back(db)
        await misbehave(told.next(command.mode), db)

    for handler in (take, give_back):
        handler.__annotations__["db"] = HANDLES[handle]
    till.action(fenceable=fenceable)(take)
    till.compensation(give_back)
    return till, told


async def misbehave(mode: str, db: Any) -> None:
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
        case "begin":
            async with db.begin():
                pass
        case "commit by text":
            await write(db, "COMMIT")
        case "commit and begin by text":
            await write(db, "COMMIT")
            await write(db, "BEGIN")
        case "rollback by text":
            await write(db, "ROLLBACK")
        case "commit past the guard":
            await past_the_guard(db, "COMMIT")
        case "commit and begin past the guard":
            await past_the_guard(db, "COMMIT")
            await past_the_guard(db, "BEGIN")
        case "rollback past the guard":
            await past_the_guard(db, "ROLLBACK")
        case "sql":
            await write(db, "SELECT nonsense FROM nowhere")
        case "sql, caught":
            try:
                await write(db, "SELECT nonsense FROM nowhere")
            except Exception:
                return
