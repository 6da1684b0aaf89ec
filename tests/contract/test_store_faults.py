"""The store when things go wrong: lost connections, ambiguous commits, second processes, cancelled
tasks."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from contract.store_rows import apply, by_hand, move, register, row_of, start, start_of, step_to
from contract.tcp_proxy import CommitProxy
from saga_coordinator.store import postgres, sqlite
from saga_coordinator.store.open import open_store
from saga_coordinator.store.port import CommitUnknown, CountMismatch, SagaRow, Store, StoreBusy, StoreError, Transaction
from support.cancelling import MOMENTS, cancelled_at_each_moment


@pytest.fixture(params=["sqlite_url", "database_url"])
def store_url(request: pytest.FixtureRequest) -> str:
    """A fresh database: these tests edit its schema."""
    return str(request.getfixturevalue(request.param))


@pytest.fixture
async def two_stores(database_url: str) -> AsyncIterator[tuple[Store, Store]]:
    """Two processes' stores on one PostgreSQL."""
    stores = (open_store(database_url), open_store(database_url))
    await stores[0].upgrade()
    for store in stores:
        await store.start()
    yield stores
    for store in stores:
        await store.stop()


# -- locks


async def test_a_batch_skips_what_another_holds_and_the_holder_goes_on(two_stores: tuple[Store, Store]) -> None:
    ours, theirs = two_stores
    definition = await register(ours)
    held, free = row_of(definition), row_of(definition)
    await start(ours, held, free)
    async with theirs.transaction() as holder:
        await holder.lock_sagas([held.id], wait=False)
        async with ours.transaction() as transaction:
            assert set(await transaction.lock_sagas([held.id, free.id], wait=False)) == {free.id}
            assert await transaction.exists([held.id]) == {held.id}
        await holder.save([move(held)])
    found = await ours.saga(held.id)
    assert found is not None
    assert found.version == 2


async def test_a_waiting_lock_gets_the_row_as_the_holder_left_it(two_stores: tuple[Store, Store]) -> None:
    ours, theirs = two_stores
    row = row_of(await register(ours))
    await start(ours, row)
    locked, go_on = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        async with theirs.transaction() as transaction:
            await transaction.lock_sagas([row.id], wait=False)
            locked.set()
            await go_on.wait()
            await transaction.save([move(row)])

    async def wait() -> tuple[SagaRow, int]:
        async with ours.transaction() as transaction:
            return (await transaction.lock_sagas([row.id], wait=True))[row.id], transaction.now_us

    async with asyncio.TaskGroup() as group:
        group.create_task(hold())
        await locked.wait()
        waiting = group.create_task(wait())
        await asyncio.wait([waiting], timeout=0.1)
        assert not waiting.done()
        released_at = await ours.now_us()
        go_on.set()
    found, now = waiting.result()
    assert found.version == 2
    assert now >= released_at, "the clock is read after the lock was taken"


async def test_a_lock_is_not_waited_for_for_ever(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(postgres.SESSION, "lock_timeout", "50ms")
    store = open_store(database_url)
    await store.upgrade()
    await store.start()
    row = row_of(await register(store))
    await start(store, row)

    async def wait() -> None:
        async with store.transaction() as transaction:
            await transaction.lock_sagas([row.id], wait=True)

    async with store.transaction() as holder:
        await holder.lock_sagas([row.id], wait=True)
        with pytest.raises(StoreError, match="55P03"):
            await wait()
    await wait()
    await store.stop()


async def test_sqlite_writers_take_turns_and_wait_only_so_long(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "WRITER_WAIT_S", 0.05)
    store = open_store(sqlite_url)
    await store.start()
    row = row_of(await register(store))
    await start(store, row)
    async with store.transaction() as holder:
        await holder.lock_sagas([row.id], wait=False)
        with pytest.raises(StoreError):
            await apply(store, row.id)
        assert await store.saga(row.id) == row, "readers do not wait"
    await apply(store, row.id)
    await store.stop()


# -- ambiguous commits


@asynccontextmanager
async def behind_proxy(database_url: str) -> AsyncIterator[tuple[Store, CommitProxy]]:
    url = make_url(database_url)
    async with CommitProxy(url.host or "", url.port or 5432) as proxy:
        through = url.set(host="127.0.0.1", port=proxy.port)
        store = open_store(through.render_as_string(hide_password=False))
        await store.upgrade()
        await store.start()
        try:
            yield store, proxy
        finally:
            await store.stop()


async def test_a_commit_that_took_effect_unheard_is_found_in_the_journal(database_url: str) -> None:
    async with behind_proxy(database_url) as (store, proxy):
        row = row_of(await register(store))
        proxy.fault = "answer lost"
        with pytest.raises(CommitUnknown):
            await start(store, row)
        proxy.fault = "none"
        assert await store.has_journal(row.id, 1) == b"facts 1"
        proxy.fault = "answer lost"
        with pytest.raises(CommitUnknown):
            await apply(store, row.id)
        proxy.fault = "none"
        assert await store.has_journal(row.id, 2) == b"facts 2"


async def test_a_commit_that_never_arrived_left_nothing(database_url: str) -> None:
    async with behind_proxy(database_url) as (store, proxy):
        row, never = row_of(await register(store)), row_of(1)
        await start(store, row)
        proxy.fault = "commit lost"
        with pytest.raises(CommitUnknown):
            await start(store, never)
        with pytest.raises(CommitUnknown):
            await apply(store, row.id)
        proxy.fault = "none"
        assert await store.has_journal(never.id, 1) is None
        assert await store.has_journal(row.id, 2) is None
        assert await store.has_journal(row.id, 1) == b"facts 1"
        await start(store, never)
        await apply(store, row.id)


async def test_asking_about_a_commit_waits_for_the_transaction_in_doubt(two_stores: tuple[Store, Store]) -> None:
    """A start has no row to lock yet: the question must wait all the same, or "no" would become
    "yes" later."""
    ours, theirs = two_stores
    definition = await register(ours)
    known, fresh = row_of(definition), row_of(definition)
    await start(ours, known)
    go_on = asyncio.Event()
    written = asyncio.Event()

    async def in_doubt() -> None:
        async with theirs.transaction() as transaction:
            await transaction.lock_sagas([known.id], wait=True)
            await transaction.save([start_of(fresh), move(known)])
            assert await transaction.advance([step_to(1, after=0)])
            written.set()
            await go_on.wait()

    async with asyncio.TaskGroup() as group:
        group.create_task(in_doubt())
        await written.wait()
        asked = [group.create_task(ours.has_journal(fresh.id, 1)), group.create_task(ours.has_journal(known.id, 2))]
        await asyncio.wait(asked, timeout=0.2)
        assert not any(task.done() for task in asked)
        go_on.set()
    assert [task.result() for task in asked] == [b"facts 1", b"facts 2"]


async def test_on_sqlite_the_journal_answers_too(sqlite_url: str) -> None:
    store = open_store(sqlite_url)
    await store.start()
    row = row_of(await register(store))
    await start(store, row)
    assert await store.has_journal(row.id, 1) == b"facts 1"
    assert await store.has_journal(row.id, 2) is None
    await store.stop()


# -- connections and tasks


async def test_lost_connections_are_a_store_error_and_then_replaced(store: Store, store_url: str) -> None:
    if store.dialect == "sqlite":
        return  # its connections cannot be lost
    row = row_of(await register(store))
    await start(store, row)
    end_all = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )

    async def cut_in_the_middle() -> None:
        async with store.transaction() as transaction:
            await transaction.lock_sagas([row.id], wait=False)
            await by_hand(store_url, end_all)
            await transaction.save([move(row)])

    with pytest.raises(StoreError):
        await cut_in_the_middle()
    await by_hand(store_url, end_all)
    await apply(store, row.id)
    found = await store.saga(row.id)
    assert found is not None
    assert found.version == 2


async def test_a_database_that_is_away_is_a_store_error(database_url: str) -> None:
    store = open_store(database_url.replace(str(make_url(database_url).port), "1"))
    with pytest.raises(StoreError):
        await store.start()
    with pytest.raises(StoreError):
        await store.due(1)
    await store.stop()


async def test_a_cancelled_transaction_leaves_nothing_and_no_connection_behind(store: Store) -> None:
    row = row_of(await register(store))
    await start(store, row)

    async def hang() -> None:
        async with store.transaction() as transaction:
            await transaction.lock_sagas([row.id], wait=True)
            await transaction.save([move(row)])
            await transaction.exists([row.id])
            await asyncio.Event().wait()

    for _ in range(12):  # more than there are connections
        task = asyncio.create_task(hang())
        await asyncio.wait([task], timeout=0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await apply(store, row.id)
    found = await store.saga(row.id)
    assert found is not None
    assert found.version == 2


async def test_a_read_that_is_cancelled_within_its_transaction_holds_nothing_up(store: Store) -> None:
    """The error's traceback keeps its statement alive until garbage is collected, which may be long
    after: the next one writes all the same."""
    row = row_of(await register(store))
    await start(store, row)

    async def read(begun: asyncio.Event) -> None:
        async with store.transaction() as transaction:
            await transaction.lock_sagas([row.id], wait=True)
            begun.set()
            await transaction.exists([row.id])
            await asyncio.Event().wait()

    await cancelled_at_each_moment(read, lambda: apply(store, row.id))
    found = await store.saga(row.id)
    assert found is not None
    assert found.version == 1 + MOMENTS


async def test_tasks_cancelled_at_every_moment_leave_a_working_store(store: Store) -> None:
    row = row_of(await register(store))
    await start(store, row)
    for turns in range(40):
        task = asyncio.create_task(apply(store, row.id))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    found = await store.saga(row.id)
    assert found is not None
    assert [one.version for one in await store.journal(row.id, after=0, limit=100)] == list(range(1, found.version + 1))
    await apply(store, row.id)


async def test_a_transaction_that_failed_is_not_committed_even_if_the_caller_goes_on(store: Store) -> None:
    row = row_of(await register(store))
    await start(store, row)

    async def clash(transaction: Transaction) -> None:
        await transaction.save([start_of(row)])
        await transaction.exists([row.id])

    async def swallow() -> None:
        async with store.transaction() as transaction:
            await transaction.lock_sagas([row.id], wait=False)
            await transaction.save([move(row)])
            assert await transaction.exists([row.id])
            with pytest.raises(CountMismatch):
                await clash(transaction)

    with pytest.raises(StoreError):
        await swallow()
    assert await store.saga(row.id) == row


async def test_a_refused_position_is_not_committed_even_if_the_caller_goes_on(store: Store) -> None:
    row = row_of(await register(store))
    await start(store, row)
    async with store.transaction() as transaction:
        assert await transaction.advance([step_to(5, after=0)])

    async def go_on() -> None:
        async with store.transaction() as transaction:
            await transaction.lock_sagas([row.id], wait=False)
            await transaction.save([move(row)])
            assert not await transaction.advance([step_to(5, after=0)])

    with pytest.raises(StoreError):
        await go_on()
    assert await store.saga(row.id) == row


# -- one process on a SQLite file

_HOLDER = """
import asyncio, sys
from saga_coordinator.store.open import open_store

async def main():
    await open_store(sys.argv[1]).start()
    print("started", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def test_a_second_process_on_the_file_is_refused_and_a_kill_frees_it(sqlite_url: str) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(str(Path(entry).resolve()) for entry in sys.path if entry)}
    holder = subprocess.Popen([sys.executable, "-c", _HOLDER, sqlite_url], stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "started\n"

        async def refused() -> None:
            with pytest.raises(StoreBusy, match="in use by another process"):
                await open_store(sqlite_url).start()
            with pytest.raises(StoreBusy):
                await open_store(sqlite_url).upgrade()

        asyncio.run(refused())
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait(10)
        if holder.stdout:
            holder.stdout.close()

    async def free() -> None:
        store = open_store(sqlite_url)
        await store.start()
        with pytest.raises(StoreBusy):
            await open_store(sqlite_url).start()
        await store.stop()
        await store.start()
        await store.stop()

    asyncio.run(free())


async def test_a_folder_that_is_not_there_is_a_store_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No such file"):
        await open_store(f"sqlite+aiosqlite:///{tmp_path}/none/a.db").start()


async def test_a_file_that_is_no_database_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_bytes(b"hello" * 1000)
    with pytest.raises(StoreError, match="not a database"):
        await open_store(f"sqlite+aiosqlite:///{tmp_path}/a.db").start()


# -- a store that is stopped while it works


async def test_a_task_that_is_cancelled_while_the_store_stops_is_cancelled(store_url: str) -> None:
    """What cleaning up fails with must not take the place of a cancellation: a loop would go on."""
    for turns in range(40):
        store = open_store(store_url)
        await store.upgrade()
        await store.start()
        task = asyncio.create_task(_note_for_ever(store))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await store.stop()
        done, _ = await asyncio.wait([task], timeout=20)
        assert done
        assert task.cancelled(), repr(task)


async def _note_for_ever(store: Store) -> None:
    while True:
        await store.note("scope", "default", {"name": "value"}, who="test", why="it asks for ever")


async def test_a_store_that_was_stopped_connects_no_more(store_url: str) -> None:
    store = open_store(store_url)
    await store.upgrade()
    await store.start()
    await store.stop()
    for asked in (store.now_us, lambda: store.note("scope", "default", {"n": "v"}, who="test", why="too late")):
        with pytest.raises(StoreError, match="the store is closed"):
            await asked()
    await store.start()
    assert await store.now_us() > 0
    await store.stop()
