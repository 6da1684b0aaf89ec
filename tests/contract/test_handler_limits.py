"""A handler's time is over, or its session is gone, in the middle of a statement: the command is
answered all the same."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

import aiosqlite
import pytest

from contract.barrier_shop import Shop, accepted, give, on_postgresql
from saga_messaging import sqlite
from saga_participant.delivery import execution
from saga_participant.outcomes import SessionLost, Unavailable
from saga_participant.testing import ParticipantTester, Reply
from saga_schemas.outcomes import Kind
from support.till.shop import Take, Taken, make_till, write

LOSE_SESSION = "SELECT pg_terminate_backend(pg_backend_pid())"


async def for_ever(db: Any) -> None:
    """A statement that does not end by itself."""
    dialect = getattr(getattr(db, "dialect", None) or getattr(getattr(db, "bind", None), "dialect", None), "name", "postgresql")
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    await write(db, endless if dialect == "sqlite" else "SELECT pg_sleep(600)")


def code_of(reply: Reply | None) -> str | None:
    assert reply is not None
    assert reply.failure is not None
    return reply.failure.code


@pytest.fixture
def impatient(shop: Shop) -> Shop:
    """A shop whose handlers have a tenth of a second."""
    assert shop.tester._execution is not None
    shop.tester._execution.calls.limit_s = 0.1
    return shop


async def test_a_limit_that_hits_inside_a_statement_is_answered_and_leaves_nothing(impatient: Shop) -> None:
    impatient.told.on_db = for_ever
    async with asyncio.timeout(60):
        assert code_of(await impatient.ask(Kind.ACTION)) == "handler_timeout"
    impatient.told.on_db = None
    assert (await impatient.row(), await impatient.effects()) == (None, [])
    impatient.tester._running.calls.limit_s = 60
    assert await impatient.says(Kind.ACTION) == "SUCCEEDED"
    assert await impatient.effects() == ["take 1"]


async def test_a_limit_that_hits_inside_a_compensations_statement_is_answered_and_the_effect_stays(shop: Shop) -> None:
    async def act(db: Any) -> None:
        await for_ever(db)

    await shop.ask(Kind.ACTION)
    shop.tester._running.calls.limit_s = 0.1
    shop.told.while_giving_back = act
    async with asyncio.timeout(60):
        assert code_of(await shop.ask(Kind.COMPENSATION)) == "handler_timeout"
    shop.told.while_giving_back = None
    shop.tester._running.calls.limit_s = 60
    assert (await shop.row(), await shop.effects()) == (("DONE", 1), ["take 1"])
    assert await shop.says(Kind.COMPENSATION) == "UNDONE"


async def test_an_answer_is_recorded_although_the_compensation_that_waits_for_it_never_ends_in_time(shop: Shop) -> None:
    async def act(db: Any) -> None:
        await for_ever(db)

    ref = await accepted(shop)
    await shop.ask(Kind.COMPENSATION)
    shop.tester._running.calls.limit_s = 0.1
    shop.told.while_giving_back = act
    async with asyncio.timeout(60):
        with pytest.raises(Unavailable, match="give the answer again"):
            await give(shop, ref, Taken(receipt="r-1"))
        assert await shop.row() == ("ACCEPTED", 1)
        assert code_of(await give(shop, ref, Taken(receipt="r-1"))) == "handler_timeout"
    shop.told.while_giving_back = None
    shop.tester._running.calls.limit_s = 60
    assert (await shop.row(), await shop.effects()) == (("DONE", 1), [])
    assert await shop.says(Kind.COMPENSATION) == "UNDONE"


async def test_late_is_late_whatever_it_says_when_it_is_cancelled(impatient: Shop) -> None:
    async def pretend(db: Any) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await for_ever(db)

    impatient.told.on_db = pretend
    async with asyncio.timeout(60):
        assert code_of(await impatient.ask(Kind.ACTION)) == "handler_timeout"
    impatient.told.on_db = None
    assert (await impatient.row(), await impatient.effects()) == (None, [])


@pytest.mark.parametrize("way", ["sqlite connection", "sqlite session"], indirect=True)
async def test_a_limit_that_hits_before_the_statement_begins_is_answered_too(
    impatient: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite interrupts only what runs, and this one's thread is busy for a while."""
    run: Any = aiosqlite.Connection._execute

    async def run_late(connection: Any, function: Any, *arguments: Any, **options: Any) -> Any:
        def late(*given: Any, **named: Any) -> Any:
            time.sleep(0.5)
            return function(*given, **named)

        endless = bool(arguments) and "RECURSIVE" in str(arguments[0])
        return await run(connection, late if endless else function, *arguments, **options)

    monkeypatch.setattr(aiosqlite.Connection, "_execute", run_late)
    monkeypatch.setattr(sqlite, "ENDING_S", 60.0)
    impatient.told.on_db = for_ever
    async with asyncio.timeout(30):
        assert code_of(await impatient.ask(Kind.ACTION)) == "handler_timeout"
        impatient.told.on_db = None
        assert (await impatient.row(), await impatient.effects()) == (None, [])


@on_postgresql
@pytest.mark.parametrize("swallowed", [False, True])
async def test_a_handler_that_loses_its_session_every_time_is_tried_again_so_often_and_then_has_failed(
    shop: Shop, swallowed: bool
) -> None:
    async def lose(db: Any) -> None:
        with contextlib.suppress(*[Exception] if swallowed else []):
            await write(db, LOSE_SESSION)

    shop.told.on_db = lose
    for losses in range(execution.MAX_LOSSES):
        with pytest.raises(SessionLost):
            await shop.ask(Kind.ACTION)
        assert shop.tester._last is not None
        with pytest.raises(SessionLost):
            await shop.tester._running.deliver(shop.tester._last, losses)
    last = shop.tester._last
    assert last is not None
    answers = await shop.tester._running.deliver(last, execution.MAX_LOSSES)
    assert code_of(shop.tester._read(answers[0])) == "handler_session_lost"
    shop.told.on_db = None
    assert (await shop.row(), await shop.effects()) == (None, [])
    assert await shop.says(Kind.ACTION) == "SUCCEEDED"


@on_postgresql
async def test_work_that_was_accepted_stays_accepted_when_its_handler_loses_its_session(shop: Shop) -> None:
    async def lose(db: Any) -> None:
        await write(db, LOSE_SESSION)

    shop.told.lease = shop.told.lease * 0
    await shop.ask(Kind.ACTION, mode="accept")
    shop.told.on_db = lose
    shop.told.modes = [""] * 2
    with pytest.raises(SessionLost):
        await shop.ask(Kind.COMPENSATION)
    assert shop.tester._last is not None
    last = shop.tester._last
    assert last is not None
    answers = await shop.tester._running.deliver(last, execution.MAX_LOSSES)
    assert [answer.outcome.value for answer in answers] == ["IN_PROGRESS"]
    shop.told.on_db, shop.told.modes = None, [""]
    assert await shop.says(Kind.COMPENSATION) == "UNDONE"
    assert await shop.effects() == ["take 1", "give back 1"]


@on_postgresql
async def test_an_undo_in_the_transaction_of_the_action_that_loses_the_session_is_known_to_have_failed(shop: Shop) -> None:
    async def lose(db: Any) -> None:
        await write(db, LOSE_SESSION)

    shop.told.lease = shop.told.lease * 0
    await shop.ask(Kind.ACTION, mode="accept")
    shop.told.while_giving_back = lose
    shop.told.modes = [""] * 4
    with pytest.raises(SessionLost):
        await shop.ask(Kind.COMPENSATION)
    assert shop.tester._last is not None
    last = shop.tester._last
    assert last is not None
    answers = await shop.tester._running.deliver(last, execution.MAX_LOSSES)
    assert [answer.outcome.value for answer in answers] == ["FAILED"]
    shop.told.while_giving_back = None
    assert (await shop.row(), await shop.effects()) == (("DONE", 1), ["take 1"])
    assert await shop.says(Kind.COMPENSATION) == "UNDONE"


async def test_a_session_may_be_idle_for_as_long_as_the_handler_may_take(shared_url: str) -> None:
    for limit_s, said in ((60, "2min"), (600, "11min")):
        till, told = make_till(shared_url, handle="asyncpg", handler_limit_s=limit_s)
        found: list[str] = []

        async def look(db: Any, found: list[str] = found) -> None:
            found.append(await db.fetchval("SHOW idle_in_transaction_session_timeout"))

        told.on_db = look
        async with ParticipantTester(till, database=shared_url) as tester:
            await tester.action("pay", Take(amount=1))
        assert found == [said]
