"""A real participant whose commands say what its handlers do: `saga participant run
support.booking.service:booking`.

Each effect is a row of `effect_ledger`, written by the handler itself and without any unique
constraint. Work that is accepted is answered when the test puts a row into `decision`: the service
polls for it and answers through `booking.answering`.
"""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final
from uuid import uuid4

from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from saga_participant import AnswerRefused, Failed, InProgress, Participant, Rejected, Step

POLL_S: Final = 0.05
TABLES: Final = (
    "CREATE TABLE IF NOT EXISTS effect_ledger "
    "(saga_id uuid NOT NULL, step text NOT NULL, kind text NOT NULL, run int NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp(), "
    "tx text NOT NULL DEFAULT pg_current_xact_id()::text)",
    "CREATE TABLE IF NOT EXISTS decision (ref text PRIMARY KEY, how text NOT NULL, taken text)",
)


class How(StrEnum):
    DONE = "DONE"
    REJECT = "REJECT"
    FAIL = "FAIL"
    LATER = "LATER"


class Book(BaseModel):
    room: str
    how: How
    resumed: How
    lease_ms: int


class Hold(BaseModel):
    room: str


class Booked(BaseModel):
    booking: str
    run: int


class Unbook(BaseModel):
    how: How


class Unbooked(BaseModel):
    booking: str
    receipt: str


async def make_tables(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("SELECT pg_advisory_xact_lock(7)"))
        for statement in TABLES:
            await connection.execute(text(statement))


engine = create_async_engine(os.environ["BOOKING_DATABASE_URL"], pool_size=20, max_overflow=4)
booking = Participant("booking", database=engine, schemas=Path(__file__).parent, on_start=make_tables)
_deciding: set[asyncio.Task[None]] = set()


@booking.action
async def book(command: Book, db: AsyncConnection, step: Step) -> Booked | InProgress:
    how = command.resumed if step.resumed else command.how
    if how is How.LATER:
        _wait_for_decision(step.ref)
        return InProgress("the hotel is closed", lease=timedelta(milliseconds=command.lease_ms))
    # The effect first: a no, or a failure, must take it back.
    await note(db, step, "action")
    _raise_for(how)
    return Booked(booking=str(uuid4()), run=step.run)


@booking.action(fenceable=True)
async def hold(command: Hold, step: Step) -> Booked | InProgress:
    _wait_for_decision(step.ref)
    return InProgress("held")


@booking.compensation
async def unbook(command: Unbook, booked: Booked, db: AsyncConnection, step: Step) -> Unbooked:
    await note(db, step, "compensation")
    _raise_for(command.how)
    return Unbooked(booking=booked.booking, receipt=str(uuid4()))


async def note(db: AsyncConnection, step: Step, kind: str) -> None:
    """Count the effect."""
    values = {"saga": step.saga_id, "step": step.name, "kind": kind, "run": step.run}
    await db.execute(text("INSERT INTO effect_ledger (saga_id, step, kind, run) VALUES (:saga, :step, :kind, :run)"), values)


def _raise_for(how: How) -> None:
    if how is How.REJECT:
        raise Rejected("no_room", "there is no such room")
    if how is How.FAIL:
        raise Failed("hotel_down", "the hotel does not answer", retry_after=timedelta(milliseconds=1500))


def _wait_for_decision(ref: str) -> None:
    task = asyncio.get_running_loop().create_task(_decide(ref))
    _deciding.add(task)
    task.add_done_callback(_deciding.discard)


async def _decide(ref: str) -> None:
    while (how := await _decision(ref)) is None:  # noqa: ASYNC110 - the test writes it from another process
        await asyncio.sleep(POLL_S)
    try:
        async with booking.answering(ref) as (db, answer):
            saga_id, name, run = ref.split("/")
            await db.execute(
                text("INSERT INTO effect_ledger (saga_id, step, kind, run) VALUES (:saga, :step, 'action', :run)"),
                {"saga": saga_id, "step": name, "run": int(run)},
            )
            answer(Rejected("no_room") if how == How.REJECT else Booked(booking=str(uuid4()), run=int(run)))
    except AnswerRefused:
        await _taken(ref, "refused")
    else:
        await _taken(ref, "given")


async def _decision(ref: str) -> str | None:
    async with engine.connect() as connection:
        return (await connection.execute(text("SELECT how FROM decision WHERE ref = :ref"), {"ref": ref})).scalar()


async def _taken(ref: str, fate: str) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE decision SET taken = :fate WHERE ref = :ref"), {"fate": fate, "ref": ref})
