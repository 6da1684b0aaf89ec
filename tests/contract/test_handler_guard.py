"""A handler's `db` ends with the handler, on every way to the database: what was left behind
touches no other command's transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from contract.barrier_shop import Shop, on_postgresql, through_sqlalchemy
from saga_participant.database.guard import HandlerHasEnded, TransactionIsOurs
from saga_schemas.outcomes import Kind
from support.till.shop import write

Use = Callable[[], Awaitable[Any]]
STRAY = "INSERT INTO effects (saga_id, step, kind, run) VALUES ('nobody', 'pay', 'stray', 1)"


async def uses_of(db: Any) -> dict[str, Use]:
    """Everything that may be kept of a db and used later."""
    kept: dict[str, Use] = {statement: partial(write, db, statement) for statement in ("COMMIT", "ROLLBACK", STRAY)}
    if isinstance(db, AsyncSession):
        connection, sync = await db.connection(), db.sync_session
        kept |= {
            "connection": lambda: connection.execute(text(STRAY)),
            "run_sync": lambda: db.run_sync(lambda session: session.execute(text(STRAY))),
            "sync session": lambda: connection.run_sync(lambda _: sync.execute(text(STRAY))),
            "flush": db.commit,
        }
    elif isinstance(db, AsyncConnection):
        nested, sync_connection = await db.begin_nested(), db.sync_connection
        assert sync_connection is not None
        kept |= {
            "savepoint": nested.rollback,
            "run_sync": lambda: db.run_sync(lambda connection: connection.commit()),
            "sync connection": lambda: db.run_sync(lambda _: sync_connection.execute(text(STRAY))),
            "stream": lambda: db.stream(text("SELECT 1")),
        }
    else:
        savepoint, execute = db.transaction(), db.execute
        await savepoint.start()
        statement = await db.prepare(STRAY)
        cursor = await db.cursor("SELECT generate_series(1, 1000)")
        kept |= {
            "method": lambda: execute("COMMIT"),
            "savepoint": savepoint.rollback,
            "prepared": statement.fetch,
            "cursor": lambda: cursor.fetch(10),
            "cursors": lambda: anext(aiter(statement.cursor())),
            "copy": lambda: db.copy_records_to_table("effects", records=[]),
            "another": lambda: db.fetchval("SELECT 1"),
        }
    return kept


class Left:
    """A handler that leaves behind a task with everything it could get hold of."""

    def __init__(self) -> None:
        self.go, self.done = asyncio.Event(), asyncio.Event()
        self.went_through: list[str] = []
        self.refused: dict[str, Exception] = {}
        self.db: Any = None
        self.task: asyncio.Task[None] | None = None

    async def behind(self, db: Any) -> None:
        self.db = db
        self.task = asyncio.ensure_future(self.use(await uses_of(db)))

    async def use(self, uses: dict[str, Use]) -> None:
        await self.go.wait()
        try:
            for name, use in uses.items():
                try:
                    await use()
                except Exception as error:
                    self.refused[name] = error
                else:
                    self.went_through.append(name)
        finally:
            self.done.set()

    async def now(self) -> None:
        self.go.set()
        async with asyncio.timeout(60):
            await self.done.wait()


async def test_what_a_handler_left_behind_touches_no_other_commands_transaction(shop: Shop) -> None:
    left = Left()
    shop.told.on_db = left.behind
    assert await shop.says(Kind.ACTION) == "SUCCEEDED"
    first = shop.tester.saga_id

    shop.told.on_db, shop.told.during = None, left.now
    shop.tester.new_saga()
    assert await shop.says(Kind.ACTION, mode="break") == "FAILED"
    assert left.went_through == []
    assert {name for name in left.refused if name.isupper()} == {"COMMIT", "ROLLBACK"}
    assert {type(error) for name, error in left.refused.items() if name.isupper()} == {HandlerHasEnded}
    assert (await shop.row(), await shop.effects()) == (None, [])
    shop.told.during = None
    assert await shop.says(Kind.ACTION) == "SUCCEEDED"
    assert await shop.effects() == ["take 1"]
    shop.tester.saga_id = first
    assert (await shop.row(), await shop.effects()) == (("DONE", 1), ["take 1"])


async def test_what_an_action_left_behind_says_nothing_while_it_is_undone_in_the_same_transaction(shop: Shop) -> None:
    left = Left()

    async def meanwhile(_: Any) -> None:
        await left.now()

    shop.told.lease *= 0
    await shop.ask(Kind.ACTION, mode="accept")
    shop.told.on_db, shop.told.while_giving_back, shop.told.modes = left.behind, meanwhile, ["", ""]
    said = await shop.says(Kind.COMPENSATION)
    assert left.went_through == []
    assert (said, await shop.row(), await shop.effects()) in (
        ("UNDONE", ("UNDONE", 1), ["take 1", "give back 1"]),
        ("FAILED", ("ACCEPTED", 1), []),
    ), "a session that was left behind can disturb its own saga's: then nothing stays, and it is asked again"
    async with shop.tester.engine.connect() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM effects WHERE kind = 'stray'"))).scalar_one() == 0


async def test_a_db_that_was_kept_is_no_db_for_the_next_handler(shop: Shop) -> None:
    kept: list[Any] = []

    async def keep(db: Any) -> None:
        kept.append(db)

    async def use_the_kept_one(db: Any) -> None:
        with pytest.raises(Exception, match=r"ended|closed|released"):
            await write(kept[0], STRAY)

    shop.told.on_db = keep
    await shop.ask(Kind.ACTION)
    shop.told.on_db = use_the_kept_one
    shop.tester.new_saga()
    assert await shop.says(Kind.ACTION) == "SUCCEEDED"
    shop.tester.saga_id = shop.tester.new_saga()
    async with shop.tester.engine.connect() as connection:
        strays = await connection.execute(text("SELECT count(*) FROM effects WHERE kind = 'stray'"))
        assert strays.scalar_one() == 0


async def test_what_is_left_behind_says_nothing_between_the_handlers_end_and_the_commit(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    from saga_participant.delivery import barrier_transaction, invocation

    left, perform = Left(), invocation.perform

    async def then_the_rest(*args: Any) -> Any:
        ended = await perform(*args)
        await left.now()
        return ended

    monkeypatch.setattr(barrier_transaction, "perform", then_the_rest)
    shop.told.on_db = left.behind
    reply = await shop.ask(Kind.ACTION)
    assert reply is not None
    assert left.went_through == []
    if reply.outcome.value == "SUCCEEDED":
        assert (await shop.row(), await shop.effects()) == (("DONE", 1), ["take 1"])
    else:  # SQLAlchemy takes a transaction, or a savepoint, that it was told to end for ended
        assert shop.handle == "connection"
        assert (await shop.row(), await shop.effects()) == (None, [])


@through_sqlalchemy
@pytest.mark.parametrize("what", ["commit", "rollback"])
async def test_the_transaction_cannot_be_ended_behind_dbs_back(shop: Shop, what: str) -> None:
    async def end(db: Any) -> None:
        if isinstance(db, AsyncSession):
            db = await db.connection()
        assert db.sync_connection is not None
        await db.run_sync(lambda connection: getattr(connection, what)())

    shop.told.on_db = end
    reply = await shop.ask(Kind.ACTION)
    assert reply is not None
    assert reply.failure is not None
    assert reply.failure.code == "transaction_is_ours"
    assert (await shop.row(), await shop.effects()) == (None, [])
    shop.told.on_db = None
    assert await shop.says(Kind.ACTION) == "SUCCEEDED"


async def test_a_handler_that_is_refused_the_end_and_goes_on_has_succeeded(shop: Shop) -> None:
    async def try_to_end(db: Any) -> None:
        for statement in ("COMMIT", "ROLLBACK", "BEGIN"):
            with pytest.raises(TransactionIsOurs):
                await write(db, statement)

    shop.told.on_db = try_to_end
    assert await shop.says(Kind.ACTION) == "SUCCEEDED"
    assert (await shop.row(), await shop.effects()) == (("DONE", 1), ["take 1"])


async def test_what_is_left_open_ends_with_the_transaction(shop: Shop) -> None:
    async def leave_open(db: Any) -> None:
        await uses_of(db)
        if isinstance(db, AsyncConnection | AsyncSession):
            await db.stream(text("SELECT * FROM effects"))

    shop.told.on_db = leave_open
    for _ in range(3):
        shop.tester.new_saga()
        assert await shop.says(Kind.ACTION) == "SUCCEEDED"
        assert await shop.effects() == ["take 1"]


RESTS = {
    "SET application_name TO 'left behind'": "SHOW application_name",
    "LISTEN left_behind": "SELECT string_agg(c, ',') FROM pg_listening_channels() c",
    "SELECT pg_advisory_lock(4711)": "SELECT string_agg(objid::text, ',') FROM pg_locks"
    " WHERE locktype = 'advisory' AND pid = pg_backend_pid()",
    "CREATE TEMP TABLE left_behind (n int)": "SELECT to_regclass('left_behind')::text",
    "PREPARE left_behind AS SELECT 1": "SELECT string_agg(name, ',') FROM pg_prepared_statements WHERE name = 'left_behind'",
}


async def ask(db: Any, question: str) -> Any:
    if isinstance(db, AsyncSession | AsyncConnection):
        return (await db.execute(text(question))).scalar()
    return await db.fetchval(question)


@on_postgresql
@pytest.mark.parametrize("rest", RESTS)
async def test_a_rest_in_the_session_is_nobody_elses(shop: Shop, rest: str) -> None:
    found: list[Any] = []

    async def look(db: Any) -> None:
        found.append(await ask(db, RESTS[rest]))

    async def leave(db: Any) -> None:
        await look(db)
        await ask(db, rest) if rest.startswith("SELECT") else await write(db, rest)

    for act in (leave, look):
        shop.told.on_db = act
        shop.tester.new_saga()
        assert await shop.says(Kind.ACTION) == "SUCCEEDED"
    assert found[0] == found[1]


async def test_a_listener_or_a_codec_of_asyncpgs_is_nobody_elses(shared_url: str) -> None:
    shop, drivers = Shop(shared_url, "asyncpg"), list[Any]()

    async def leave(db: Any) -> None:
        drivers.append(db._connection)
        await db.set_type_codec("text", schema="pg_catalog", encoder=str, decoder=lambda _: "garbled")

    async def look(db: Any) -> None:
        drivers.append(db._connection)
        assert await db.fetchval("SELECT 'plain'::text") == "plain"

    async with shop.tester:
        for act in (leave, look):
            shop.told.on_db = act
            shop.tester.new_saga()
            assert await shop.says(Kind.ACTION) == "SUCCEEDED"
    assert drivers[0] is not drivers[1]
