"""What only the bare asyncpg connection has: statements by name that may be lost, literals, and
savepoints of its own."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from contract.barrier_shop import Shop
from saga_messaging.background import end
from saga_participant.database.joined_statements import LARGEST_BYTES, PREPARE
from saga_participant.testing import ParticipantTester
from saga_schemas.outcomes import Kind
from support.till.shop import GiveBack, Take

HOSTILE = "o'brien\\'; DROP TABLE saga_barrier; --"


async def named_statements(shop: Shop) -> int:
    """How many of our statements the participant's connection has."""
    async with shop.tester._running.database.begin(bare=True) as transaction:
        driver: Any = transaction._connection  # type: ignore[attr-defined]
        return int(await driver.fetchval("SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'saga_%'"))


@pytest.fixture
def shop(shared_url: str) -> Shop:
    return Shop(shared_url, "asyncpg")


async def round_of(shop: Shop) -> None:
    """An action, its repetition and its compensation of a new saga."""
    shop.tester.new_saga()
    assert await shop.says(Kind.ACTION) == "SUCCEEDED"
    again = await shop.tester.redeliver()
    assert again is not None
    assert again.value == {"receipt": "r-1"}
    assert await shop.says(Kind.COMPENSATION) == "UNDONE"
    assert await shop.effects() == ["take 1", "give back 1"]


async def test_a_connection_that_lost_its_statements_goes_on_with_parameters(shop: Shop) -> None:
    async with shop.tester:
        await round_of(shop)
        assert await named_statements(shop) == 2
        async with shop.tester._running.database.begin(bare=True) as transaction:
            await transaction._connection.execute("DEALLOCATE ALL")  # type: ignore[attr-defined]
            await transaction._connection.reload_schema_state()  # type: ignore[attr-defined]  # asyncpg's own are gone too
        await round_of(shop)
        await round_of(shop)
        assert await named_statements(shop) == 0


async def test_a_connection_on_which_the_names_are_taken_goes_on_with_parameters(shop: Shop) -> None:
    async with shop.tester:
        async with shop.tester._running.database.begin(bare=True) as transaction:
            await transaction._connection.execute(PREPARE)  # type: ignore[attr-defined]
        await round_of(shop)


async def test_a_value_that_could_break_out_of_its_quotes_goes_as_a_parameter(shop: Shop) -> None:
    stranger = ParticipantTester(shop.till, database=shop.database, tenant=HOSTILE)
    async with stranger:
        await stranger.action("pay", Take(amount=1))
        await stranger.redeliver()
        await stranger.compensation("pay", GiveBack(amount=1))
        assert [reply.outcome.value for reply in stranger.replies] == ["SUCCEEDED", "SUCCEEDED", "UNDONE"]
        async with stranger.engine.connect() as connection:
            found = (await connection.execute(text("SELECT tenant, state FROM saga_barrier WHERE tenant LIKE 'o%'"))).one()
        assert tuple(found) == (HOSTILE, "UNDONE")


@pytest.mark.parametrize("size", [LARGEST_BYTES // 2, LARGEST_BYTES + 1])
async def test_a_reply_of_any_size_is_remembered_to_the_byte(shop: Shop, size: int) -> None:
    async with shop.tester:
        shop.told.receipt = ("r-'\\x00\n" + "ß" * size)[:size]
        await shop.ask(Kind.ACTION)
        await shop.tester.redeliver()
        assert [reply.value for reply in shop.tester.replies] == [{"receipt": shop.told.receipt}] * 2


async def test_savepoints_of_a_handler_keep_and_take_back_what_they_hold(shop: Shop) -> None:
    async def act(db: Any) -> None:
        insert = f"INSERT INTO effects (saga_id, step, kind, run) VALUES ('{shop.tester.saga_id}', 'pay', $1, 1)"
        async with db.transaction():
            await db.execute(insert, "kept")
            with contextlib.suppress(ZeroDivisionError):
                async with db.transaction():
                    await db.execute(insert, "lost with its error")
                    raise ZeroDivisionError
        by_hand = db.transaction(isolation="read_committed", readonly=False)
        await by_hand.start()
        await db.execute(insert, "taken back by hand")
        await by_hand.rollback()
        with pytest.raises(Exception, match="serializable"):
            await db.transaction(isolation="serializable").start()

    async with shop.tester:
        shop.told.on_db = act
        assert await shop.says(Kind.ACTION) == "SUCCEEDED"
        assert await shop.effects() == ["take 1", "kept 1"]


async def test_an_error_inside_a_savepoint_leaves_the_transaction_usable(shop: Shop) -> None:
    async def act(db: Any) -> None:
        with contextlib.suppress(asyncpg.UndefinedTableError):
            async with db.transaction():
                await db.execute("SELECT nonsense FROM nowhere")

    async with shop.tester:
        shop.told.on_db = act
        assert await shop.says(Kind.ACTION) == "SUCCEEDED"
        assert await shop.effects() == ["take 1"]


async def test_a_command_given_up_while_it_waits_for_its_row_leaves_no_transaction_behind(shared_url: str) -> None:
    engine = create_async_engine(shared_url, pool_size=1, max_overflow=0)
    first, second = Shop(shared_url, "asyncpg"), Shop(shared_url, "asyncpg")
    holding, waiting = asyncio.Event(), asyncio.Event()
    second.tester = ParticipantTester(second.till, database=engine)

    async def hold() -> None:
        holding.set()
        await waiting.wait()

    async with first.tester, second.tester:
        first.told.during = hold
        second.tester.saga_id = first.tester.saga_id
        other = asyncio.ensure_future(first.says(Kind.ACTION))
        await holding.wait()
        given_up = asyncio.ensure_future(second.says(Kind.ACTION))
        await until_so_many_wait(1, first.tester.engine)
        await end((given_up,))
        waiting.set()
        assert await other == "SUCCEEDED"
        await until_so_many_wait(0, first.tester.engine)
        async with engine.begin() as connection:
            await connection.execute(text("SELECT 1"))
        assert await second.says(Kind.ACTION) == "SUCCEEDED"
        assert await second.effects() == ["take 1"]
    await engine.dispose()


async def until_so_many_wait(number: int, engine: AsyncEngine) -> None:
    """For a lock, by the server's own account."""
    question = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    async with asyncio.timeout(30), engine.connect() as connection:
        while (await connection.execute(question)).scalar_one() != number:  # noqa: ASYNC110  # a server tells nobody
            await asyncio.sleep(0.01)
