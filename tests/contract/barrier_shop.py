"""A till on one database, by one way to it: what the barrier's suites ask and look at."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from saga_participant import Rejected
from saga_participant.barrier.entry import ReceivedCommand
from saga_participant.testing import HOUR_US, ParticipantTester, Reply
from saga_schemas.ids import uuid7
from saga_schemas.limits import INT32_MAX
from saga_schemas.outcomes import Kind, Outcome
from saga_schemas.records import EMPTY_BYTES, Empty
from support.till.groups import KnownToBeQuick
from support.till.shop import GiveBack, Take, Taken, effects, make_till, reply_or_silence

ALONE = ["sqlite connection", "sqlite session", "postgresql connection", "postgresql session", "postgresql asyncpg"]
WAYS = [*ALONE, *(f"{way} in-a-group" for way in ALONE)]
on_postgresql = pytest.mark.parametrize("way", [way for way in WAYS if way.startswith("postgresql")], indirect=True)
through_sqlalchemy = pytest.mark.parametrize("way", [way for way in WAYS if "asyncpg" not in way], indirect=True)


class Way(NamedTuple):
    """How a participant under test goes to its database."""

    url: str
    handle: str
    """The kind of connection its handlers get."""
    in_a_group: bool

    @property
    def tester(self) -> type[ParticipantTester]:
        """Delivers each command alone, or in a group."""
        return BesideOthers if self.in_a_group else ParticipantTester


class BesideOthers(ParticipantTester):
    """Every command is delivered together with one of another saga, so they share a transaction."""

    async def deliver(self, command: ReceivedCommand) -> Reply | None:
        self._running.groups.times = KnownToBeQuick()
        headers = command.headers
        other = replace(
            headers,
            saga_id=uuid7(time.time_ns() // 1000, os.urandom(10)),
            kind=Kind.RESOLVE,
            record=Empty.avro_name,
            incarnation=INT32_MAX,  # answered whatever a sweep has told
            expiry_us=time.time_ns() // 1000 + HOUR_US,
        )
        beside = ReceivedCommand(headers=other, payload=EMPTY_BYTES)
        replied, answers = await asyncio.gather(super().deliver(command), self._running.deliver(beside), return_exceptions=True)
        if isinstance(replied, BaseException):
            raise replied
        assert not isinstance(answers, BaseException)
        assert [answer.outcome for answer in answers] == [Outcome.FENCED]
        return replied


class Small(Take):
    """The same record for who takes no more than ten."""

    avro_name: ClassVar[str] = "till.Take"

    def model_post_init(self, context: object) -> None:
        if self.amount > 10:
            raise ValueError("too much")


class Shop:
    """A till on one database, by one way to it."""

    def __init__(self, database: str, handle: str, tester: type[ParticipantTester] = ParticipantTester) -> None:
        self.database, self.handle = database, handle
        self.till, self.told = make_till(database, handle=handle, handler_limit_s=60.0)
        self.tester = tester(self.till, database=database)

    async def ask(self, kind: Kind, run: int = 1, mode: str = "", **options: Any) -> Reply | None:
        if kind is Kind.ACTION:
            return await reply_or_silence(self.tester.action("pay", Take(amount=1, mode=mode), run=run, **options))
        if kind is Kind.COMPENSATION:
            return await reply_or_silence(self.tester.compensation("pay", GiveBack(amount=1, mode=mode), run=run, **options))
        return await reply_or_silence(self.tester.resolve("pay", run=run, **options))

    async def says(self, kind: Kind, run: int = 1, mode: str = "", **options: Any) -> str | None:
        reply = await self.ask(kind, run, mode, **options)
        return None if reply is None else reply.outcome.value

    async def effects(self) -> list[str]:
        return await effects(self.tester.engine, self.tester.saga_id)

    async def row(self) -> tuple[str, int] | None:
        return await row_of(self.tester.engine, str(self.tester.saga_id))

    async def incarnation(self) -> int | None:
        found = await columns_of(self.tester.engine, str(self.tester.saga_id), "incarnation")
        return None if found is None else int(found[0])


async def row_of(engine: AsyncEngine, saga_id: str) -> tuple[str, int] | None:
    found = await columns_of(engine, saga_id, "state, run")
    return None if found is None else (found[0], found[1])


async def columns_of(engine: AsyncEngine, saga_id: str, columns: str) -> Any:
    key = saga_id if engine.dialect.name == "postgresql" else saga_id.replace("-", "")
    statement = text(f"SELECT {columns} FROM saga_barrier WHERE CAST(saga_id AS TEXT) = :id")
    async with engine.connect() as connection:
        return (await connection.execute(statement, {"id": key})).one_or_none()


async def accepted(shop: Shop, run: int = 1) -> str:
    await shop.ask(Kind.ACTION, run, "accept")
    return shop.told.steps[-1].ref


async def give(shop: Shop, ref: str, said: Taken | Rejected) -> Reply:
    """Answer later; what is sent."""
    assert shop.till._execution is not None
    async with shop.till._execution.later.answering(ref, None) as (_, answer, sent):
        answer(said)
    return shop.tester._read(sent[-1])
