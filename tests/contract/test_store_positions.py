"""How far each partition is applied: moved with what its records changed, by whoever is first,
never twice."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from contract.store_rows import claim, move, outbox, register, row_of, start, start_of, step_to
from saga_coordinator.store.port import Advance, LockFirst, Position, Store

TOPIC = "saga.reply.order"


async def advance(store: Store, *steps: Advance) -> bool:
    """Move; roll back when refused, as every caller must."""

    class Refused(Exception):
        pass

    try:
        async with store.transaction() as transaction:
            if not await transaction.advance(steps):
                raise Refused
    except Refused:
        return False
    return True


async def stored(store: Store, partition: int = 0) -> Position | None:
    return (await store.positions([TOPIC])).get((TOPIC, partition))


async def test_the_first_position_of_a_partition_is_taken_as_it_comes(store: Store) -> None:
    assert await advance(store, step_to(7, after=3), step_to(2, after=0, partition=1))
    found = await store.positions([TOPIC, "saga.start"])
    assert {key: one.next_offset for key, one in found.items()} == {(TOPIC, 0): 7, (TOPIC, 1): 2}
    assert await store.positions(["saga.start"]) == {}


async def test_a_position_moves_only_from_where_it_stands(store: Store) -> None:
    assert await advance(store, step_to(5, after=0))
    assert await advance(store, step_to(8, after=5))
    assert not await advance(store, step_to(7, after=5)), "applied by somebody else"
    assert not await advance(store, step_to(12, after=9)), "a gap"
    found = await stored(store)
    assert found is not None
    assert (found.next_offset, found.last_print) == (8, b"print 8")


async def test_when_one_partition_is_refused_none_moves(store: Store) -> None:
    await advance(store, step_to(5, after=0), step_to(5, after=0, partition=1))
    assert not await advance(store, step_to(6, after=5), step_to(6, after=4, partition=1), step_to(9, after=0, partition=2))
    assert {one.next_offset for one in (await store.positions([TOPIC])).values()} == {5}


async def test_an_anchor_is_set_once(store: Store) -> None:
    await advance(store, replace(step_to(5, after=0), anchor_offset=0, anchor_print=b"first"))
    await advance(store, replace(step_to(6, after=5), anchor_offset=5, anchor_print=b"later"))
    found = await stored(store)
    assert found is not None
    assert (found.anchor_offset, found.anchor_print) == (0, b"first")


async def test_an_anchor_may_come_with_a_later_record(store: Store) -> None:
    await advance(store, step_to(5, after=0))
    await advance(store, replace(step_to(6, after=5), anchor_offset=5, anchor_print=b"later"))
    found = await stored(store)
    assert found is not None
    assert (found.anchor_offset, found.anchor_print) == (5, b"later")


async def test_a_replaced_topic_starts_anew_and_is_not_caught_up(store: Store) -> None:
    await advance(store, replace(step_to(500, after=0), anchor_offset=0, anchor_print=b"old"))
    async with store.transaction() as transaction:
        assert await transaction.caught_up(TOPIC, 0, 1_000, 500, 499, b"print 500")
    assert await advance(store, replace(step_to(3, after=0, restart=True), anchor_offset=0, anchor_print=b"new"))
    found = await stored(store)
    assert found == Position(
        topic=TOPIC,
        partition=0,
        next_offset=3,
        last_print=b"print 3",
        anchor_offset=0,
        anchor_print=b"new",
        caught_up_at_us=None,
    )


async def test_caught_up_counts_only_while_the_position_stands(store: Store) -> None:
    await advance(store, step_to(5, after=0))
    async with store.transaction() as transaction:
        assert not await transaction.caught_up(TOPIC, 0, 1_000, 4, 3, b"print 4")
    found = await stored(store)
    assert found is not None
    assert found.caught_up_at_us is None
    async with store.transaction() as transaction:
        assert await transaction.caught_up(TOPIC, 0, 1_000, 5, 4, b"print 5")
    found = await stored(store)
    assert found is not None
    assert (found.caught_up_at_us, found.anchor_offset, found.anchor_print) == (1_000, 4, b"print 5")


async def test_a_partition_that_never_held_a_record_can_be_caught_up(store: Store) -> None:
    async with store.transaction() as transaction:
        assert await transaction.caught_up(TOPIC, 0, 1_000, 0, None, None)
    found = await stored(store)
    assert found is not None
    assert (found.next_offset, found.caught_up_at_us) == (0, 1_000)
    assert await advance(store, step_to(1, after=0))


async def test_of_two_that_apply_the_same_records_one_moves_the_position(store: Store) -> None:
    await advance(store, step_to(5, after=0), step_to(5, after=0, partition=1))

    async def apply(first: int, second: int) -> bool:
        return await advance(store, step_to(9, after=5, partition=first), step_to(9, after=5, partition=second))

    assert sorted(await asyncio.gather(*(apply(n % 2, (n + 1) % 2) for n in range(6)))) == [False] * 5 + [True]


async def test_of_two_that_read_a_partition_first_one_moves_the_position(store: Store) -> None:
    assert sorted(await asyncio.gather(*(advance(store, step_to(9, after=0)) for _ in range(6)))) == [False] * 5 + [True]


async def test_a_position_that_moved_meanwhile_leaves_nothing_of_the_batch(store: Store) -> None:
    row = row_of(await register(store))
    await start(store, row)
    await advance(store, step_to(5, after=0))
    fresh, wanted = row_of(row.definition_id), claim("r-1", "k")

    class Refused(Exception):
        pass

    async def apply_late() -> None:
        async with store.transaction(LockFirst([row.id], wait=False)) as transaction:
            locked = transaction.locked
            await transaction.claim_starts([wanted])
            moved = move(locked[row.id], more={"outbox": (outbox(row.id, 2),)})
            await transaction.save([moved, start_of(fresh)])
            if not await transaction.advance([step_to(9, after=4), step_to(3, after=0, partition=1)]):
                raise Refused

    with pytest.raises(Refused):
        await apply_late()
    assert await store.saga(row.id) == row
    assert await store.saga(fresh.id) is None
    assert (await store.figures()).outbox_depth == 0
    assert {one.next_offset for one in (await store.positions([TOPIC])).values()} == {5}
    async with store.transaction() as transaction:
        assert (await transaction.claim_starts([wanted]))[wanted.saga_id].won, "its claims are free"
