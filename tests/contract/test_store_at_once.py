"""Transactions that go as one statement: what they take for granted holds, or nothing happens."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from contract.store_rows import (
    LATER,
    by_hand,
    claim,
    end,
    journal,
    move,
    new_id,
    outbox,
    register,
    row_of,
    start,
    start_of,
    step_to,
)
from contract.tcp_proxy import CommitProxy
from saga_coordinator.store.clock_estimate import TRUSTED_FOR_S, ClockEstimate
from saga_coordinator.store.open import open_store
from saga_coordinator.store.port import (
    Advance,
    AttentionRow,
    ClaimFirst,
    CommitUnknown,
    LockFirst,
    RowsMoved,
    SagaRow,
    SagaWrite,
    StartClaim,
    Store,
    shard_of,
)
from saga_coordinator.store.postgres import PostgresStore


async def go(
    store: Store, rows: Sequence[SagaRow], writes: Sequence[SagaWrite], advances: Sequence[Advance] = (), **more: Any
) -> None:
    """One batch that takes these rows for what they are."""
    async with store.transaction():
        """The database has said what time it is."""
    known = LockFirst([row.id for row in rows], wait=False, known={row.id: row for row in rows})
    async with store.transaction(known) as transaction:
        assert dict(transaction.locked) == known.known
        assert await transaction.save(writes, advances=advances, **more)


async def begun(store: Store, count: int = 1) -> list[SagaRow]:
    definition = await register(store)
    rows = [row_of(definition) for _ in range(count)]
    await start(store, *rows)
    async with store.transaction() as transaction:
        assert await transaction.advance([step_to(1, after=0)])
    return rows


async def version(store: Store, row: SagaRow) -> int:
    found = await store.saga(row.id)
    assert found is not None
    return found.version


async def test_what_is_as_it_is_known_is_written_and_positions_move(store: Store) -> None:
    first, other = await begun(store, 2)
    pointer = outbox(first.id, 2)
    await go(store, [first, other], [move(first, more={"outbox": (pointer,)}), move(other, 2)], [step_to(5, after=1)])
    assert (await version(store, first), await version(store, other)) == (2, 3)
    assert await store.journal(first.id, after=1, limit=5) == list(journal(first.id, 2))
    assert [row.id for row in await store.outbox_older_than(shard_of(first.id), LATER, 5)] == [pointer.id]
    assert (await store.positions(["saga.reply.order"]))["saga.reply.order", 0].next_offset == 5
    moved = move(first).row
    await go(store, [moved], [move(moved)], acked=[(pointer.shard, pointer.id)])
    assert await store.outbox_older_than(shard_of(first.id), LATER, 5) == []


async def test_a_finished_saga_is_as_it_is_known(store: Store) -> None:
    """It has no wake-up, which is no time to compare."""
    (row,) = await begun(store)
    ended = end(row).row
    await go(store, [row], [end(row)])
    await go(store, [ended], [SagaWrite(expected_version=ended.version, row=ended, journal=())])
    assert await store.saga(row.id) == ended


@pytest.mark.parametrize(
    "change",
    ["version = version + 1", "facts_print = facts_print + 1", "wake_at = wake_at + 1"],
    ids=["another version", "another history", "another wake-up"],
)
async def test_a_row_that_has_changed_since_stops_the_whole_batch(store: Store, store_url: str, change: str) -> None:
    if store.dialect == "sqlite":
        return  # it locks at once, and shows the rows as they are
    moved, same = await begun(store, 2)
    await by_hand(store_url, f"UPDATE saga SET {change} WHERE id = '{moved.id}'")
    with pytest.raises(RowsMoved):
        await go(store, [moved, same], [move(moved), move(same)], [step_to(5, after=1)])
    assert await version(store, same) == 1
    assert await store.journal(same.id, after=1, limit=5) == []
    assert (await store.positions(["saga.reply.order"]))["saga.reply.order", 0].next_offset == 1
    await go(store, [same], [move(same)], [step_to(5, after=1)])


async def test_a_position_that_another_has_moved_stops_the_whole_batch(store: Store) -> None:
    if store.dialect == "sqlite":
        return  # nobody else is there
    (row,) = await begun(store)
    for taken in (step_to(5, after=2), step_to(5, after=0, partition=7)):
        with pytest.raises(RowsMoved):
            await go(store, [row], [move(row)], [taken])
    assert await version(store, row) == 1


async def test_a_saga_that_somebody_holds_is_not_waited_for_long(store: Store, store_url: str) -> None:
    if store.dialect == "sqlite":
        return  # nobody else is there
    held, free = await begun(store, 2)
    began_s = asyncio.get_running_loop().time()
    async with store.transaction() as holder:
        await holder.lock_sagas([held.id], wait=False)
        with pytest.raises(RowsMoved):
            await go(store, [held, free], [move(held), move(free)])
    assert asyncio.get_running_loop().time() - began_s < 2
    assert await version(store, free) == 1
    assert await by_hand(store_url, "SHOW lock_timeout") != [("300ms",)]


async def test_what_asks_in_between_goes_on_with_locks(store: Store) -> None:
    (row,) = await begun(store)
    known = LockFirst([row.id], wait=False, known={row.id: row})
    async with store.transaction(known) as transaction:
        assert await transaction.exists([row.id]) == {row.id}
        assert dict(transaction.locked) == {row.id: row}
        await transaction.save([move(row)])
    assert await version(store, row) == 2


async def test_what_asks_in_between_finds_that_the_rows_have_changed(store: Store) -> None:
    if store.dialect == "sqlite":
        return  # it locks at once, and shows the rows as they are
    (row,) = await begun(store)
    known = LockFirst([row.id], wait=False, known={row.id: replace(row, version=7)})

    async def ask() -> None:
        async with store.transaction(known) as transaction:
            await transaction.exists([row.id])

    with pytest.raises(RowsMoved):
        await ask()


async def test_attention_is_written_in_its_own_order(store: Store) -> None:
    (row,) = await begun(store)
    reason = AttentionRow(saga_id=row.id, step="pay", reason="no_answer", since_us=1, note="")
    await go(store, [row], [move(row, more={"attention_added": (reason,)})])
    assert await store.attention_of(row.id) == [reason]


async def test_a_clock_that_has_been_set_is_asked_again(store: Store) -> None:
    if not isinstance(store, PostgresStore):
        return
    (row,) = await begun(store)
    known = LockFirst([row.id], wait=False, known={row.id: row})
    store._clock.read(await store.now_us() + 5_000_000)

    async def late() -> int:
        async with store.transaction(known) as transaction:
            await transaction.save([move(row)])
            return transaction.now_us

    with pytest.raises(RowsMoved):
        await late()
    assert await version(store, row) == 1
    assert abs(await late() - await store.now_us()) < 1_000_000
    assert await version(store, row) == 2


async def starting(store: Store, definition: int, *claims: StartClaim) -> None:
    async with store.transaction():
        """The database has said what time it is."""
    async with store.transaction(ClaimFirst(claims, hopeful=True)) as transaction:
        assert all(transaction.claimed[one.saga_id].won for one in claims)
        rows = [row_of(definition, id=one.saga_id, business_key=one.business_key) for one in claims]
        await transaction.save([start_of(row) for row in rows])


async def test_new_starts_are_claimed_and_stored_together(store: Store) -> None:
    definition = await register(store)
    one, other = claim("r-1", "o-1"), claim("r-2")
    await starting(store, definition, one, other)
    assert [found.id for found in await store.sagas_by_key("default", "o-1", None)] == [one.saga_id]
    async with store.transaction(ClaimFirst([claim("r-1", saga=new_id()), claim("r-2")])) as transaction:
        assert {found.request_saga for found in transaction.claimed.values()} == {one.saga_id, other.saga_id}


@pytest.mark.parametrize("known", [claim("r-1"), claim("r-9", "o-1")], ids=["its request is known", "its key is held"])
async def test_a_start_that_loses_stops_the_whole_batch(store: Store, known: StartClaim) -> None:
    if store.dialect == "sqlite":
        return  # it claims at once, and says who has won
    definition = await register(store)
    await starting(store, definition, claim("r-1", "o-1"))
    fresh = claim("r-2", "o-2")
    with pytest.raises(RowsMoved):
        await starting(store, definition, fresh, replace(known, saga_id=new_id()))
    assert await store.saga(fresh.saga_id) is None
    await starting(store, definition, fresh)


@pytest.mark.parametrize("fault", ["commit lost", "answer lost"])
async def test_when_its_connection_breaks_nobody_knows_and_the_journal_tells(database_url: str, fault: Any) -> None:
    url = make_url(database_url)
    async with CommitProxy(url.host or "", url.port or 5432) as proxy:
        store = open_store(url.set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False))
        await store.upgrade()
        await store.start()
        (row,) = await begun(store)
        await go(store, [row], [move(row)])  # the statement is prepared
        row = move(row).row

        async def break_it() -> None:
            async with store.transaction(LockFirst([row.id], wait=False, known={row.id: row})) as transaction:
                await transaction.save([move(row)])
                proxy.fault, proxy.breaks_statements = fault, True

        with pytest.raises(CommitUnknown):
            await break_it()
        proxy.fault = "none"
        assert await store.has_journal(row.id, 3) == (b"facts 3" if fault == "answer lost" else None)
        await store.stop()


def test_an_estimate_is_never_later_than_the_clock_and_never_goes_back() -> None:
    passed_s = 0.0
    clock = ClockEstimate(lambda: passed_s)
    assert clock.now_us() is None
    clock.read(1_000_000)
    passed_s = 0.5
    assert clock.now_us() == 1_500_000
    clock.read(1_400_000)
    assert clock.now_us() == 1_500_000
    passed_s += TRUSTED_FOR_S
    assert clock.now_us() == 1_400_000 + TRUSTED_FOR_S * 1_000_000
    passed_s += 0.1
    assert clock.now_us() is None
    clock.read(5)
    clock.forget()
    assert clock.now_us() is None
    clock.read(5)
    assert clock.now_us() == 5, "a clock that was set back is believed once it was asked"
