"""Accepted work from its owner's side, through the real transactions: whom an answer goes to, what
`db` is, and news meanwhile."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Column, Integer, Table, Text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession
from sqlalchemy.orm import DeclarativeBase

from contract.barrier_shop import Shop, accepted, columns_of, give
from saga_messaging.errors import ConfigurationError
from saga_participant import AnswerRefused, InProgress, Rejected
from saga_participant.testing import Outcome
from saga_schemas.outcomes import Kind
from support.till.shop import Taken, effect


async def test_the_newest_command_hears_of_the_end_in_its_own_kind_and_with_its_own_headers(shop: Shop) -> None:
    for kind, run, said, outcome in (
        (Kind.ACTION, 1, Taken(receipt="r-1"), Outcome.SUCCEEDED),
        (Kind.RESOLVE, 1, Taken(receipt="r-1"), Outcome.SUCCEEDED),
        (Kind.RESOLVE, 1, Rejected("no"), Outcome.REJECTED),
        (Kind.RESOLVE, 2, Rejected("no"), Outcome.FENCED),
        (Kind.ACTION, 2, Taken(receipt="r-1"), Outcome.SUCCEEDED),
        (Kind.COMPENSATION, 2, Rejected("no"), Outcome.NOTHING_TO_UNDO),
    ):
        shop.tester.new_saga()
        ref = await accepted(shop)
        await shop.ask(kind, run)
        again = await shop.tester.redeliver()
        assert again is not None
        reply = await give(shop, ref, said)
        assert (reply.outcome, reply.to) == (outcome, again.to), (kind, run)
        assert await shop.says(kind, run) == outcome.value, "and so does the next asking"


async def test_a_command_that_comes_late_does_not_take_the_newest_ones_place(shop: Shop) -> None:
    ref = await accepted(shop)
    first = shop.tester._last
    newest = await shop.tester.redeliver()
    assert first is not None
    assert newest is not None
    await shop.tester.deliver(first)
    assert (await give(shop, ref, Taken(receipt="r-1"))).to == newest.to


async def test_an_operators_new_run_that_came_before_the_no_is_served_after_it(shop: Shop) -> None:
    ref = await accepted(shop)
    await shop.ask(Kind.ACTION, 2)
    reply = await give(shop, ref, Rejected("no"))
    assert (reply.outcome, reply.to.run, reply.value) == (Outcome.SUCCEEDED, 2, {"receipt": "r-2"})
    assert (await shop.row(), await shop.effects()) == (("DONE", 2), ["take 2"])


async def test_progress_raises_the_number_and_goes_to_the_newest_command(shop: Shop) -> None:
    ref = await accepted(shop)
    await shop.ask(Kind.RESOLVE)
    assert shop.till._execution is not None
    (news,) = await shop.till._execution.later.progress(ref, InProgress("3 of 5"), keep_lease=True)
    reply = shop.tester._read(news)
    assert (reply.outcome, reply.seq, reply.value, reply.to.kind) == (
        Outcome.IN_PROGRESS,
        2,
        {"note": "3 of 5"},
        Kind.RESOLVE,
    )
    await shop.till.progress(ref, "4 of 5")
    again = await shop.ask(Kind.ACTION)
    assert again is not None
    assert (again.outcome, again.seq, again.value) == (Outcome.IN_PROGRESS, 3, {"note": "4 of 5"})
    assert not shop.told.steps[-1].resumed


async def test_progress_extends_the_lease_only_when_it_is_told_to(shop: Shop) -> None:
    async def lease() -> int:
        return int((await columns_of(shop.tester.engine, str(shop.tester.saga_id), "lease_until"))[0])

    ref = await accepted(shop)
    before = await lease()
    await shop.till.progress(ref, "1 of 5")
    assert await lease() == before
    await shop.till.progress(ref, "2 of 5", lease=timedelta(days=1))
    assert await lease() > before + 20 * 3_600_000_000
    wrongs: tuple[Any, ...] = (30, timedelta(seconds=-1))
    for wrong in wrongs:
        with pytest.raises(TypeError):
            await shop.till.progress(ref, "3 of 5", lease=wrong)


async def test_nobody_hears_of_progress_of_what_nobody_waits_for(shop: Shop) -> None:
    ref = await accepted(shop)
    for lost in (ref.removesuffix("1") + "2", "nonsense", ref.replace("/pay/", "/other/")):
        with pytest.raises(AnswerRefused):
            await shop.till.progress(lost, "1 of 5")
    async with shop.till.answering(ref) as (_, answer):
        answer(Taken(receipt="r-1"))
    with pytest.raises(AnswerRefused):
        await shop.till.progress(ref, "2 of 5")


class Mapped(DeclarativeBase):
    pass


class Effect(Mapped):
    __table__ = Table(
        "effects", Mapped.metadata, Column("n", Integer, primary_key=True), *(Column(name, Text) for name in ("saga_id", "step"))
    )


async def test_db_is_what_was_asked_for_and_a_no_takes_back_all_of_it(shop: Shop) -> None:
    for wanted in (AsyncConnection, AsyncSession, asyncpg.Connection):
        for answered, row, written in ((Taken(receipt="r"), "DONE", ["take 1"]), (Rejected("no"), "REJECTED", [])):
            if wanted is asyncpg.Connection and "postgresql" not in shop.database:
                with pytest.raises(ConfigurationError, match="needs asyncpg"):
                    async with shop.till.answering("any", db=wanted):
                        pass
                continue
            shop.tester.new_saga()
            ref = await accepted(shop)
            async with shop.till.answering(ref, db=wanted) as (db, answer):
                if wanted is not asyncpg.Connection:
                    assert isinstance(db, wanted)
                await effect(db, shop.told.steps[-1], "take")
                answer(answered)
            assert (await shop.row(), await shop.effects()) == ((row, 1), written), wanted


async def test_what_a_session_could_not_write_in_the_end_does_not_stand_in_the_way_of_a_no(shop: Shop) -> None:
    ref = await accepted(shop)

    async def answered(with_what: Taken | Rejected) -> None:
        async with shop.till.answering(ref, db=AsyncSession) as (db, answer):
            db.add(Effect(saga_id=None, step=None))
            answer(with_what)

    with pytest.raises(IntegrityError):
        await answered(Taken(receipt="r-1"))
    assert await shop.row() == ("ACCEPTED", 1), "nothing was recorded"
    await answered(Rejected("no"))
    assert (await shop.row(), await shop.effects()) == (("REJECTED", 1), [])


async def test_an_answer_given_through_any_db_undoes_what_was_wished_undone(shop: Shop) -> None:
    for wanted in (AsyncConnection, AsyncSession, None):
        shop.tester.new_saga()
        ref = await accepted(shop)
        await shop.ask(Kind.COMPENSATION)
        if wanted is None:
            async with shop.till.answering(ref) as (_, answer):
                answer(Taken(receipt="r-1"))
        else:
            async with shop.till.answering(ref, db=wanted) as (_, answer):
                answer(Taken(receipt="r-1"))
        assert (await shop.row(), await shop.effects()) == (("UNDONE", 1), ["give back 1"])


async def test_another_type_of_db_is_refused(shop: Shop) -> None:
    with pytest.raises(TypeError, match="AsyncConnection, AsyncSession or asyncpg"):
        async with shop.till.answering("any", db=int):
            pass
