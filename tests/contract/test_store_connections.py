"""PostgreSQL connections: so many and no more, in turn, given back whatever happens, and closed at
the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from contract.store_rows import apply, by_hand, register, row_of, start
from saga_coordinator.store import postgres
from saga_coordinator.store.open import open_store
from saga_coordinator.store.port import Store, StoreError

CONNECTIONS = 2
OURS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'saga-coordinator/%'"


@pytest.fixture
async def small(database_url: str) -> AsyncIterator[Store]:
    store = open_store(database_url, pool_size=CONNECTIONS)
    await store.upgrade()
    await store.start()
    yield store
    await store.stop()


async def test_more_than_there_are_connections_take_turns(small: Store, database_url: str) -> None:
    definition = await register(small)
    rows = [row_of(definition) for _ in range(30)]
    await asyncio.gather(*(start(small, row) for row in rows))
    await asyncio.gather(*(apply(small, row.id) for row in rows), *(small.saga(row.id) for row in rows))
    assert {row.version for row in (await small.sagas([row.id for row in rows])).values()} == {2}
    assert (await by_hand(database_url, OURS))[0][0] <= CONNECTIONS


async def test_a_connection_is_not_waited_for_for_ever(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "POOL_WAIT_S", 0.05)
    store = open_store(database_url, pool_size=CONNECTIONS)
    await store.upgrade()
    await store.start()
    row = row_of(await register(store))
    async with store.transaction(), store.transaction():
        with pytest.raises(StoreError):
            await store.now_us()
        with pytest.raises(StoreError):
            await start(store, row)
    await start(store, row)
    assert await store.saga(row.id) == row
    await store.stop()


async def test_who_gives_up_waiting_takes_nobodys_turn(small: Store) -> None:
    async with small.transaction(), small.transaction():
        waiting = [asyncio.create_task(small.now_us()) for _ in range(5)]
        await asyncio.wait(waiting, timeout=0.02)
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)
    async with small.transaction(), small.transaction() as transaction:
        assert transaction.now_us > 0


async def test_after_a_stop_none_is_left_and_it_can_start_again(small: Store, database_url: str) -> None:
    async with small.transaction():
        await small.now_us()
        await small.stop()
    assert (await by_hand(database_url, OURS))[0][0] == 0
    await small.start()
    assert await small.now_us() > 0
