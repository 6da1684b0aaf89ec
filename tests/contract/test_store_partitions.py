"""The journal's partitions on PostgreSQL: coming to them beside transactions that run, making and
dropping them, and a crash between any two statements of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine

from contract.store_rows import apply, by_hand, journal, new_id, register, row_of, start
from saga_coordinator.migrations.versions import r0006_partitions
from saga_coordinator.store import revisions, short_locks
from saga_coordinator.store.identifiers import first_id
from saga_coordinator.store.identifiers import new_id as id_of
from saga_coordinator.store.open import open_store
from saga_coordinator.store.partition_port import Left, Partition, Partitions, Period
from saga_coordinator.store.partitions import JournalPartitions, journal_partitions
from saga_coordinator.store.port import Store, StoreError
from saga_coordinator.store.postgres import SESSION
from saga_coordinator.store.postgres_statements import READ_FACTS, arguments, folded
from saga_coordinator.store.rows import JOURNAL_FIELDS
from saga_coordinator.store.statements import INSERT_JOURNAL, Write
from saga_coordinator.store.store_copy import copy_store

DAY_US = 86_400_000_000
FIRST = Period(since_us=1_000 * DAY_US, until_us=1_030 * DAY_US)
SECOND = Period(since_us=1_030 * DAY_US, until_us=1_060 * DAY_US)
PARTITIONS = "SELECT tableoid::regclass::text, count(*) FROM journal GROUP BY 1 ORDER BY 1"
NAME = "journal_19720927"
"""Of the first period."""


class Crash(BaseException):
    """The process is gone: nothing of its own runs any more."""


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    opened = open_store(database_url)
    await opened.upgrade()
    await opened.start()
    yield opened
    await opened.stop()


async def add(url: str, *periods: Period) -> None:
    async with mine(url) as taken:
        await taken.add(periods)


@asynccontextmanager
async def mine(url: str) -> AsyncIterator[Partitions]:
    async with journal_partitions(make_url(url)) as taken:
        assert taken is not None
        yield taken


async def of(taken: Partitions, period: Period | None) -> Partition:
    return next(one for one in await taken.all() if one.period == period)


async def started_at(store: Store, *times_us: int) -> list[UUID]:
    """Sagas that began then."""
    definition = await register(store) if not await store.definitions("default") else 1
    rows = [row_of(definition, id=id_of(at_us)) for at_us in times_us]
    await start(store, *rows)
    return [row.id for row in rows]


# --- an existing store ----------------------------------------------------------------------------


async def before_partitions(url: str) -> None:
    """The tables of the release before."""

    def migrate(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", "saga_coordinator:migrations")
        config.attributes["connection"] = connection
        command.upgrade(config, r0006_partitions.down_revision)

    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()


class Coordinator:
    """The hot statements of a coordinator of the release before, on a connection that it keeps."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.written: list[UUID] = []

    async def write(self) -> None:
        id = new_id()
        rows = [tuple(getattr(row, name) for name in JOURNAL_FIELDS) for row in journal(id, 1, 2)]
        write = Write(INSERT_JOURNAL, rows)
        assert await self.connection.fetchval(folded((INSERT_JOURNAL,)), *arguments([write])) == 2
        assert await self.connection.fetchval(READ_FACTS, id, 2) == b"facts 2"
        self.written.append(id)

    async def read(self) -> None:
        for id in self.written:
            assert await self.connection.fetchval(READ_FACTS, id, 1) == b"facts 1"


@asynccontextmanager
async def older_coordinator(url: str) -> AsyncIterator[Coordinator]:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""), server_settings=SESSION)
    try:
        yield Coordinator(connection)
    finally:
        await connection.close()


async def test_a_store_comes_to_partitions_beside_coordinators_that_write(database_url: str) -> None:
    await before_partitions(database_url)
    reader = make_url(database_url).database  # as a role's name it is this test's own
    await by_hand(database_url, f"CREATE ROLE {reader}", f"GRANT SELECT ON journal TO {reader}")
    try:
        async with older_coordinator(database_url) as one, older_coordinator(database_url) as other:
            upgrade = asyncio.create_task(open_store(database_url).upgrade())
            while not upgrade.done() or len(other.written) < 50:
                await asyncio.gather(one.write(), other.write())
            await upgrade
            await one.write()
            await other.read()
            assert await by_hand(database_url, PARTITIONS) == [("journal_rest", 2 * len(one.written + other.written))]
        reads = f"SELECT has_table_privilege('{reader}', 'journal', 'SELECT')"
        assert await by_hand(database_url, reads) == [(True,)], "whoever might read the journal still may"
    finally:
        await by_hand(database_url, f"DROP OWNED BY {reader}", f"DROP ROLE {reader}")


async def test_who_holds_the_journal_for_long_holds_up_the_upgrade_and_nobody_else(database_url: str) -> None:
    await before_partitions(database_url)
    async with older_coordinator(database_url) as coordinator, older_coordinator(database_url) as dump:
        holding = dump.connection.transaction()
        await holding.start()
        await dump.connection.execute("LOCK TABLE journal IN ACCESS SHARE MODE")
        upgrade = asyncio.create_task(open_store(database_url).upgrade())
        waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'journal'::regclass AND mode = 'AccessExclusiveLock'"
        while await by_hand(database_url, waiting) == [(0,)]:  # noqa: ASYNC110  # a server tells nobody
            await asyncio.sleep(0.01)
        for _ in range(20):
            await coordinator.write()
        assert not upgrade.done()
        await holding.rollback()
        assert await upgrade == revisions.head()
        await coordinator.read()


async def test_an_upgrade_that_never_gets_the_journal_says_why_and_changes_nothing(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(short_locks, "TRIES", 2)
    await before_partitions(database_url)
    async with older_coordinator(database_url) as dump:
        async with dump.connection.transaction():
            await dump.connection.execute("LOCK TABLE journal IN ACCESS SHARE MODE")
            with pytest.raises(StoreError, match="a long transaction holds it, such as a dump"):
                await open_store(database_url).upgrade()
        await dump.write()
    assert await by_hand(database_url, PARTITIONS) == [("journal", 2)]
    assert await open_store(database_url).upgrade() == revisions.head()


# --- making them ----------------------------------------------------------------------------------


async def test_sagas_lie_in_the_partition_of_their_beginning_and_all_others_in_the_rest(store: Store, database_url: str) -> None:
    await add(database_url, FIRST, SECOND)
    borders = [
        FIRST.since_us - 1000,
        FIRST.since_us,
        FIRST.until_us - 1000,
        FIRST.until_us,
        SECOND.until_us - 1000,
        SECOND.until_us,
    ]
    far_us = 4_000_000 * DAY_US // 100
    ids = await started_at(store, *borders, far_us)
    await apply(store, *ids)
    assert await by_hand(database_url, PARTITIONS) == [(NAME, 4), ("journal_19721027", 4), ("journal_rest", 6)]
    async with mine(database_url) as taken:
        assert [one.period for one in await taken.all()] == [FIRST, SECOND, None]
    lowest = UUID(int=first_id(FIRST.since_us).int)
    where = f"SELECT tableoid::regclass::text FROM journal WHERE saga_id = '{lowest}'"
    await by_hand(database_url, f"INSERT INTO journal VALUES ('{lowest}', 1, 0, 'x', 1, 1, '')")
    assert await by_hand(database_url, where) == [(NAME,)]


async def test_the_rest_says_what_it_has_of_a_period_and_keeps_it_from_being_made(store: Store, database_url: str) -> None:
    """A loop that was off for long: its sagas stay where they are."""
    (id,) = await started_at(store, FIRST.since_us + 5_000)
    async with mine(database_url) as taken:
        assert await taken.latest_in_rest(FIRST) == FIRST.since_us + 5_000
        assert await taken.latest_in_rest(SECOND) is None
        with pytest.raises(StoreError, match="refused a row"):
            await taken.add([FIRST])
        await started_at(store, FIRST.since_us + 6_000)
        await taken.add([SECOND])
    assert await store.journals([id]) == {id: list(journal(id, 1))}


async def steps(url: str, work: Callable[[Partitions], Any], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """Do the work, killed before its first statement, then before its second, until it is done."""
    whole = JournalPartitions._run
    left = 0

    async def run(self: JournalPartitions, statement: str) -> int:
        nonlocal left
        if left == 0:
            raise Crash
        left -= 1
        return await whole(self, statement)

    for number in range(100):
        with suppress(Crash):
            async with mine(url) as taken:
                left = number
                monkeypatch.setattr(JournalPartitions, "_run", run)
                await work(taken)
                monkeypatch.setattr(JournalPartitions, "_run", whole)
                return
        monkeypatch.setattr(JournalPartitions, "_run", whole)
        yield number
    raise AssertionError("it never came to its end")


async def test_making_may_die_before_each_statement_and_is_done_again(
    store: Store, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await started_at(store, FIRST.since_us - 1_000)
    died = 0
    async for _ in steps(database_url, lambda taken: taken.add([FIRST, SECOND]), monkeypatch):
        died += 1
        await started_at(store, SECOND.until_us)
        async with mine(database_url) as taken:
            assert [one.period for one in await taken.all()] == [None]
        await by_hand(database_url, f"INSERT INTO journal VALUES ('{id_of(FIRST.since_us)}', 1, 0, 'x', 1, 1, '')")
        await by_hand(database_url, f"DELETE FROM journal WHERE saga_id >= '{first_id(FIRST.since_us)}' AND at = 0")
    assert died > 10
    async with mine(database_url) as taken:
        assert [one.period for one in await taken.all()] == [FIRST, SECOND, None]
    checks = "SELECT count(*) FROM pg_constraint WHERE conrelid = 'journal_rest'::regclass AND conname LIKE '%ahead'"
    assert await by_hand(database_url, checks) == [(0,)]


async def test_one_instance_sees_to_them_at_a_time_and_sqlite_has_none(store: Store, database_url: str, sqlite_url: str) -> None:
    other = open_store(database_url)
    await other.start()
    async with store.partitions() as ours, other.partitions() as theirs:
        assert ours is not None
        assert theirs is None
    async with other.partitions() as free:
        assert free is not None
    await other.stop()
    async with open_store(sqlite_url).partitions() as none:
        assert none is None


async def test_a_server_that_ends_the_connection_is_said_and_the_next_time_goes_well(store: Store, database_url: str) -> None:
    ours = "datname = current_database() AND application_name = 'saga-partitions'"
    async with mine(database_url) as taken:
        await by_hand(database_url, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {ours}")
        with pytest.raises(StoreError):
            await taken.add([FIRST])
    await add(database_url, FIRST)


# --- dropping them --------------------------------------------------------------------------------


async def test_dropping_keeps_the_sagas_that_are_left_and_they_go_on(store: Store, database_url: str) -> None:
    await add(database_url, FIRST, SECOND)
    ids = await started_at(store, *(FIRST.since_us + n * 1_000 for n in range(10)), SECOND.since_us)
    await by_hand(database_url, f"DELETE FROM journal WHERE saga_id < '{ids[7]}'")  # as retention does
    async with mine(database_url) as taken:
        first = await of(taken, FIRST)
        assert (await taken.left(first, 100)).rows == 3
        assert (await taken.left(first, 1)).rows == 2, "no more are counted than asked for"
        assert await taken.drop(first, 2) is None
        assert (await taken.left(await of(taken, FIRST), 100)).rows == 3, "nothing happened"
        assert await taken.drop(first, 3) == 3
        assert [one.period for one in await taken.all()] == [SECOND, None]
    await apply(store, *ids[7:])
    assert await by_hand(database_url, PARTITIONS) == [("journal_19721027", 2), ("journal_rest", 6)]
    assert await store.journals(ids[7:]) == {id: list(journal(id, 1, 2)) for id in ids[7:]}


async def test_the_rest_is_replaced_by_one_that_holds_the_same(store: Store, database_url: str) -> None:
    ids = await started_at(store, FIRST.since_us, SECOND.since_us, SECOND.until_us)
    await add(database_url, Period(since_us=SECOND.until_us + DAY_US, until_us=SECOND.until_us + 2 * DAY_US))
    before = await by_hand(database_url, "SELECT 'journal_rest'::regclass::oid::bigint")
    async with mine(database_url) as taken:
        for _ in range(2):
            assert await taken.drop(await of(taken, None), 10) == 3
    assert await by_hand(database_url, "SELECT 'journal_rest'::regclass::oid::bigint") != before
    await apply(store, *ids)
    assert await store.journals(ids) == {id: list(journal(id, 1, 2)) for id in ids}


async def test_dropping_may_die_before_each_statement(store: Store, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await add(database_url, FIRST)
    (id,) = await started_at(store, FIRST.since_us)
    first = Partition(name=NAME, period=FIRST, size_bytes=0)
    died = 0
    async for _ in steps(database_url, lambda taken: taken.drop(first, 10), monkeypatch):
        died += 1
        assert await by_hand(database_url, PARTITIONS) == [(NAME, died)]
        await apply(store, id)
    assert died > 7
    assert await by_hand(database_url, PARTITIONS) == [("journal_rest", died + 1)]
    assert [row.version for row in await store.journal(id, after=0, limit=100)] == list(range(1, died + 2))


async def test_sagas_go_on_while_partitions_are_made_and_dropped(store: Store, database_url: str) -> None:
    definition = await register(store)
    stop = asyncio.Event()
    written: list[UUID] = []

    async def coordinator(number: int) -> None:
        while not stop.is_set():
            row = row_of(definition, id=id_of(FIRST.since_us + number * 1_000_000))
            await start(store, row)
            await apply(store, row.id)
            assert await store.journals([row.id]) == {row.id: list(journal(row.id, 1, 2))}
            written.append(row.id)

    running = [asyncio.create_task(coordinator(n)) for n in range(4)]
    async with mine(database_url) as taken:
        for n in range(1, 5):
            await taken.add([Period(since_us=SECOND.since_us + n * DAY_US, until_us=SECOND.since_us + (n + 1) * DAY_US)])
            until = len(written) + 8
            while len(written) < until:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            assert await taken.drop(await of(taken, None), 100_000) is not None
            assert await taken.left(await of(taken, None), 0) != Left(rows=0, size_bytes=0)
    stop.set()
    await asyncio.gather(*running)
    assert await store.journals(written) == {id: list(journal(id, 1, 2)) for id in written}


async def test_a_partition_that_somebody_reads_for_long_stays_and_is_dropped_later(
    store: Store, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(short_locks, "TRIES", 2)
    await add(database_url, FIRST)
    (id,) = await started_at(store, FIRST.since_us)
    async with older_coordinator(database_url) as dump, mine(database_url) as taken:
        async with dump.connection.transaction():
            await dump.connection.execute("LOCK TABLE journal IN ACCESS SHARE MODE")
            with pytest.raises(StoreError, match="try again"):
                await taken.drop(await of(taken, FIRST), 10)
            await apply(store, id)
        assert await taken.drop(await of(taken, FIRST), 10) == 2


async def test_a_partition_made_by_hand_with_other_bounds_is_said(store: Store, database_url: str) -> None:
    await by_hand(
        database_url,
        "CREATE TABLE mine PARTITION OF journal FOR VALUES FROM (MINVALUE) TO ('00000000-0000-0000-0000-000000000001')",
    )
    async with mine(database_url) as taken:
        with pytest.raises(StoreError, match="partition mine of table journal has bounds"):
            await taken.all()


# --- what others see ------------------------------------------------------------------------------


async def read(store: Store, ids: list[UUID]) -> list[Any]:
    """What is asked of journals: many at once, page by page, and by key."""
    pages = [await store.journal(ids[0], after=after, limit=2) for after in (0, 2, 4)]
    keys = await store.journal_facts([(id, version) for id in reversed(ids) for version in (3, 1)])
    async with store.transaction() as transaction:
        tails = await transaction.journal_tails(ids)
    return [await store.journals(ids), pages, sorted(keys.items()), tails]


async def test_journals_are_read_alike_with_partitions_and_without_and_are_copied(
    store: Store, database_url: str, sqlite_url: str, postgres_url: Callable[[], str]
) -> None:
    plain = open_store(sqlite_url)
    await plain.start()
    await add(database_url, FIRST, SECOND)
    times = [FIRST.since_us - 1_000, FIRST.since_us, SECOND.since_us, SECOND.until_us]
    ids = await started_at(store, *times)
    await register(plain)
    await start(plain, *(row_of(1, id=id) for id in ids))
    for each in (store, plain):
        for _ in range(4):
            await apply(each, *ids)
    assert await read(store, ids) == await read(plain, ids)

    await store.stop()
    copied = postgres_url()
    assert (await copy_store(database_url, copied)).rows["journal"] == 20
    again = open_store(copied)
    await again.start()
    assert await read(again, ids) == await read(plain, ids)
    await again.stop()
    await plain.stop()
