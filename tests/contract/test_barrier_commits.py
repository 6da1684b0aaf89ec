"""The end of the barrier's transaction on PostgreSQL: what the database refuses, what nobody knows,
and a saving that misses its row."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from contract.barrier_shop import Shop
from contract.tcp_proxy import CommitProxy
from saga_participant.database.transactions import CommitRefused
from saga_participant.handling.handlers import Handle
from saga_participant.outcomes import Unavailable
from saga_schemas.outcomes import Kind

ONE_EFFECT_A_SAGA = "ALTER TABLE effects ADD CONSTRAINT one_a_saga UNIQUE (saga_id) DEFERRABLE INITIALLY DEFERRED"
POSTGRES_HANDLES = ["connection", "session", "asyncpg"]


async def run(engine: AsyncEngine, statement: str) -> None:
    async with engine.begin() as connection:
        await connection.execute(text(statement))


@pytest.fixture(params=POSTGRES_HANDLES)
async def till(request: pytest.FixtureRequest, database_url: str) -> AsyncIterator[Shop]:
    """A till on a database of its own."""
    shop = Shop(database_url, request.param)
    async with shop.tester:
        yield shop


@pytest.fixture(params=["connection", "asyncpg"])
async def behind_proxy(request: pytest.FixtureRequest, database_url: str) -> AsyncIterator[tuple[Shop, CommitProxy]]:
    url = make_url(database_url)
    async with CommitProxy(url.host or "", url.port or 5432) as proxy:
        shop = Shop(url.set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False), request.param)
        async with shop.tester:
            yield shop, proxy
            proxy.fault = "none"


async def test_a_commit_refused_by_a_deferred_constraint_is_a_failure_without_effect(till: Shop) -> None:
    await run(till.tester.engine, ONE_EFFECT_A_SAGA)
    await till.ask(Kind.ACTION)
    reply = await till.ask(Kind.COMPENSATION)
    assert reply is not None
    assert reply.failure is not None
    assert "violation" in reply.failure.code or reply.failure.code == "integrity_error"
    assert (await till.row(), await till.effects()) == (("DONE", 1), ["take 1"])
    assert await till.says(Kind.COMPENSATION, incarnation=2) == "FAILED"
    assert (await till.row(), await till.incarnation(), await till.effects()) == (("DONE", 1), 2, ["take 1"])
    await run(till.tester.engine, "ALTER TABLE effects DROP CONSTRAINT one_a_saga")
    assert await till.says(Kind.COMPENSATION) is None, "of an incarnation that is older than what the row has seen"
    assert await till.says(Kind.COMPENSATION, incarnation=2) == "UNDONE"


async def test_a_commit_whose_answer_is_lost_is_answered_by_silence_and_then_from_the_row(
    behind_proxy: tuple[Shop, CommitProxy],
) -> None:
    shop, proxy = behind_proxy
    proxy.fault = "answer lost"
    assert await shop.ask(Kind.ACTION) is None
    proxy.fault = "none"
    assert (await shop.row(), await shop.effects()) == (("DONE", 1), ["take 1"])
    again = await shop.tester.redeliver()
    assert again is not None
    assert again.value == {"receipt": "r-1"}
    assert await shop.effects() == ["take 1"]


async def test_a_commit_that_never_arrived_is_answered_by_silence_and_then_done_anew(
    behind_proxy: tuple[Shop, CommitProxy],
) -> None:
    shop, proxy = behind_proxy
    proxy.fault = "commit lost"
    assert await shop.ask(Kind.ACTION) is None
    proxy.fault = "none"
    assert (await shop.row(), await shop.effects()) == (None, [])
    again = await shop.tester.redeliver()
    assert again is not None
    assert again.value == {"receipt": "r-1"}
    assert await shop.effects() == ["take 1"]


async def test_a_saving_that_finds_no_row_never_commits(till: Shop) -> None:
    """The table's own owner may delete the row of an open transaction; whatever did, the effect has
    to go."""
    await run(
        till.tester.engine,
        "CREATE FUNCTION lose_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM saga_barrier; RETURN NULL; END $$",
    )
    await run(till.tester.engine, "CREATE TRIGGER lose_row AFTER INSERT ON effects EXECUTE FUNCTION lose_row()")
    assert await till.ask(Kind.ACTION) is None
    assert (await till.row(), await till.effects()) == (None, [])
    await run(till.tester.engine, "DROP TRIGGER lose_row ON effects")
    assert await till.says(Kind.ACTION) == "SUCCEEDED"


async def test_a_saving_that_the_database_refuses_is_a_failure_without_effect(till: Shop) -> None:
    await run(till.tester.engine, "ALTER TABLE saga_barrier ADD CHECK (action_reply IS NULL)")
    reply = await till.ask(Kind.ACTION)
    assert reply is not None
    assert reply.failure is not None
    assert "violation" in reply.failure.code or reply.failure.code == "integrity_error"
    assert (await till.row(), await till.effects()) == (None, [])


NO_ROOM = "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no room' USING ERRCODE = '{}'; END $$"
AT_THE_SAVING = "CREATE TRIGGER no_room BEFORE UPDATE ON saga_barrier FOR EACH ROW EXECUTE FUNCTION no_room()"
AT_THE_COMMIT = """CREATE CONSTRAINT TRIGGER no_room AFTER INSERT ON effects DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION no_room()"""


@pytest.mark.parametrize("where", [AT_THE_SAVING, AT_THE_COMMIT], ids=["saving", "commit"])
@pytest.mark.parametrize("state", ["53100", "58030"])
async def test_a_server_without_room_has_not_committed_so_the_command_waits(till: Shop, where: str, state: str) -> None:
    await run(till.tester.engine, NO_ROOM.format(state))
    await run(till.tester.engine, where)
    with pytest.raises(Unavailable):
        await till.ask(Kind.ACTION)
    assert (await till.row(), await till.effects()) == (None, [])
    await run(till.tester.engine, f"DROP TRIGGER no_room ON {'effects' if where is AT_THE_COMMIT else 'saga_barrier'}")
    assert await till.says(Kind.ACTION) == "SUCCEEDED"
    assert await till.effects() == ["take 1"]


async def test_a_handler_that_leaves_a_query_running_has_failed_and_had_no_effect(shared_url: str) -> None:
    shop, left = Shop(shared_url, "asyncpg"), list[asyncio.Task[str]]()

    async def leave_running(db: Any) -> None:
        left.append(asyncio.ensure_future(db.execute("SELECT pg_sleep(30)")))
        await asyncio.sleep(0)

    async with shop.tester:
        shop.told.on_db = leave_running
        reply = await shop.ask(Kind.ACTION)
        assert reply is not None
        assert reply.failure is not None
        assert reply.failure.code == "interface_error"
        await asyncio.gather(*left, return_exceptions=True)
        assert (await shop.row(), await shop.effects()) == (None, [])


async def test_a_commit_that_the_database_answers_with_a_rollback_is_refused(shared_url: str) -> None:
    """Where nothing is saved the COMMIT alone would not tell: in a transaction given up by the
    database it rolls back, without an error."""
    shop = Shop(shared_url, "asyncpg")
    async with shop.tester:
        await shop.ask(Kind.ACTION)
        execution = shop.tester._running
        async with execution.database.begin(bare=True) as transaction:
            await transaction.lock(shop.tester.saga_id, "pay")
            async with transaction.handle(Handle.ASYNCPG) as db:
                with pytest.raises(Exception, match="division"):
                    await db.execute("SELECT 1 / 0")
            with pytest.raises(CommitRefused):
                await transaction.commit()
