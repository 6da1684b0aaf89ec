"""Starts: a request id starts one saga for ever, a business key one at a time, whoever asks at once
with whom."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from uuid import UUID

import pytest

from contract.store_rows import claim, end, new_id, register, row_of, save, start, start_of
from saga_coordinator.store.port import ClaimFirst, ClaimResult, StartClaim, Store

WON = ClaimResult(won=True)


async def claims(
    store: Store, *wanted: StartClaim, replace_closed: Iterable[UUID] = (), starts: bool = True
) -> list[ClaimResult]:
    """Claim, and start what won, in one transaction; the results in the order asked."""
    definition = (await store.definitions("default"))[0].id
    async with store.transaction(ClaimFirst(wanted, set(replace_closed))) as transaction:
        results = transaction.claimed
        assert transaction.now_us > 0
        won = [one for one in wanted if results[one.saga_id].won]
        if starts:
            await transaction.save([start_of(row_of(definition, id=one.saga_id, business_key=one.business_key)) for one in won])
    return [results[one.saga_id] for one in wanted]


async def close(store: Store, saga: UUID) -> None:
    row = await store.saga(saga)
    assert row is not None
    await save(store, end(row))


async def test_a_fresh_request_and_a_fresh_key_win(store: Store) -> None:
    await register(store)
    assert await claims(store, claim("r-1", "k-1"), claim("r-2"), claim("r-3", "k-3")) == [WON, WON, WON]
    async with store.transaction() as transaction:
        assert await transaction.claim_starts([]) == {}


async def test_a_repeated_request_gives_the_saga_it_started_and_its_body(store: Store) -> None:
    await register(store)
    first = claim("r-1", "k-1")
    assert await claims(store, first) == [WON]
    again = claim("r-1", "another key", body=b"another body")
    assert await claims(store, again) == [ClaimResult(won=False, request_saga=first.saga_id, request_hash=b"hash")]
    # The repeat claimed nothing: the other key is free.
    assert await claims(store, claim("r-2", "another key")) == [WON]


async def test_a_held_key_gives_its_saga_and_the_request_belongs_to_it_from_then_on(store: Store) -> None:
    await register(store)
    holder = claim("r-1", "k")
    await claims(store, holder)
    assert await claims(store, claim("r-2", "k")) == [ClaimResult(won=False, key_saga=holder.saga_id)]
    assert await claims(store, claim("r-2", "k")) == [ClaimResult(won=False, request_saga=holder.saga_id, request_hash=b"hash")]


async def test_a_finished_saga_keeps_its_key_and_says_so(store: Store) -> None:
    await register(store)
    holder = claim("r-1", "k")
    await claims(store, holder)
    await close(store, holder.saga_id)
    assert await claims(store, claim("r-2", "k")) == [ClaimResult(won=False, key_saga=holder.saga_id, key_closed=True)]


async def test_a_finished_sagas_key_is_taken_over_where_that_is_allowed_and_both_are_found_by_it(store: Store) -> None:
    await register(store)
    old, new = claim("r-1", "k"), claim("r-2", "k")
    await claims(store, old)
    await close(store, old.saga_id)
    assert await claims(store, new, replace_closed=[new.saga_id]) == [WON]
    assert [one.id for one in await store.sagas_by_key("default", "k", "order")] == [new.saga_id, old.saga_id]
    late = claim("r-3", "k")
    assert await claims(store, late, replace_closed=[late.saga_id]) == [ClaimResult(won=False, key_saga=new.saga_id)]


async def test_of_two_take_overs_in_one_batch_one_wins(store: Store) -> None:
    await register(store)
    old, first, second = claim("r-1", "k"), claim("r-2", "k"), claim("r-3", "k")
    await claims(store, old)
    await close(store, old.saga_id)
    results = await claims(store, first, second, replace_closed=[first.saga_id, second.saga_id])
    assert [one.won for one in results].count(True) == 1
    winner = first if results[0].won else second
    assert {one.key_saga for one in results} == {None, winner.saga_id}


async def test_a_key_belongs_to_its_definition(store: Store) -> None:
    await register(store)
    assert await claims(store, claim("r-1", "k"), claim("r-2", "k", definition="refund")) == [WON, WON]


async def test_repeats_inside_one_batch_come_to_the_first(store: Store) -> None:
    await register(store)
    one, other = claim("r-1", "k"), claim("r-1", "k")
    results = await claims(store, one, other)
    winner, loser = (one, other) if results[0].won else (other, one)
    assert sorted(result.won for result in results) == [False, True]
    assert results[[one, other].index(loser)] == ClaimResult(won=False, request_saga=winner.saga_id, request_hash=b"hash")


async def test_a_repeat_of_a_request_that_lost_its_key_comes_to_the_holder(store: Store) -> None:
    await register(store)
    holder = claim("r-1", "k")
    await claims(store, holder)
    first, repeat = claim("r-2", "k"), claim("r-2", "k")
    results = await claims(store, first, repeat)
    assert {result.key_saga or result.request_saga for result in results} == {holder.saga_id}


async def test_a_rolled_back_claim_leaves_request_and_key_free(store: Store) -> None:
    await register(store)

    async def rolled_back() -> None:
        async with store.transaction() as transaction:
            await transaction.claim_starts([claim("r-1", "k")])
            raise KeyError

    with pytest.raises(KeyError):
        await rolled_back()
    assert await claims(store, claim("r-1", "k")) == [WON]


async def test_a_claim_that_did_commit_before_is_known_when_it_comes_again(store: Store) -> None:
    await register(store)
    first = claim("r-1", "k")
    await claims(store, first)
    assert await claims(store, first) == [ClaimResult(won=False, request_saga=first.saga_id, request_hash=b"hash")]


async def test_of_many_concurrent_starts_of_one_request_exactly_one_wins(store: Store) -> None:
    await register(store)
    wanted = [claim("r-1", "k") for _ in range(8)]
    results = [one[0] for one in await asyncio.gather(*(claims(store, each) for each in wanted))]
    assert [one.won for one in results].count(True) == 1
    winner = next(each.saga_id for each, result in zip(wanted, results, strict=True) if result.won)
    assert {one.request_saga for one in results if not one.won} == {winner}


async def test_of_many_concurrent_starts_of_one_key_exactly_one_wins(store: Store) -> None:
    await register(store)
    wanted = [claim(f"r-{n}", "k") for n in range(8)]
    results = [one[0] for one in await asyncio.gather(*(claims(store, each) for each in wanted))]
    assert [one.won for one in results].count(True) == 1
    winner = next(each.saga_id for each, result in zip(wanted, results, strict=True) if result.won)
    assert {one.key_saga for one in results if not one.won} == {winner}


async def test_concurrent_batches_in_opposite_order_do_not_deadlock(store: Store) -> None:
    await register(store)
    there = [claim(f"a-{n}", f"k-{n}") for n in range(50)]
    back = [claim(f"b-{n}", f"k-{n}") for n in reversed(range(50))]
    same = [claim(f"a-{n}", f"k-{n}") for n in reversed(range(50))]
    results = await asyncio.gather(claims(store, *there), claims(store, *back), claims(store, *same))
    assert sum(one.won for batch in results for one in batch) == 50


async def test_a_loser_waits_for_the_winner_and_sees_what_became_of_it(store: Store) -> None:
    await register(store)
    first, second = claim("r-1", "k"), claim("r-1", "k")
    claimed, go_on = asyncio.Event(), asyncio.Event()

    async def winner() -> None:
        async with store.transaction() as transaction:
            await transaction.claim_starts([first])
            claimed.set()
            await go_on.wait()
            await transaction.save([start_of(row_of(1, id=first.saga_id, business_key="k"))])

    async with asyncio.TaskGroup() as group:
        group.create_task(winner())
        await claimed.wait()
        waiting = group.create_task(claims(store, second))
        await asyncio.wait([waiting], timeout=0.1)
        assert not waiting.done()
        go_on.set()
    assert waiting.result() == [ClaimResult(won=False, request_saga=first.saga_id, request_hash=b"hash")]
    assert await store.saga(first.saga_id) is not None


async def test_a_saga_started_without_claims_holds_no_key(store: Store) -> None:
    definition = await register(store)
    await start(store, row_of(definition, id=new_id(), business_key="k"))
    assert await claims(store, claim("r-1", "k")) == [WON]


async def test_a_known_request_in_a_batch_costs_the_others_nothing(store: Store) -> None:
    await register(store)
    known, holder = claim("r-2", "k-2"), claim("r-0", "k-0")
    await claims(store, known, holder)
    batch = [claim("r-1", "k-1"), claim("r-2", "k-7"), claim("r-3"), claim("r-4", "k-0"), claim("r-5", "k-5")]
    assert await claims(store, *batch) == [
        WON,
        ClaimResult(won=False, request_saga=known.saga_id, request_hash=b"hash"),
        WON,
        ClaimResult(won=False, key_saga=holder.saga_id),
        WON,
    ]
    assert await claims(store, claim("r-6", "k-7"), claim("r-7", "k-5")) == [
        WON,
        ClaimResult(won=False, key_saga=batch[-1].saga_id),
    ]


@pytest.mark.parametrize("same", ["request", "key"])
async def test_the_time_of_a_claim_is_read_after_what_it_waited_for(store: Store, same: str) -> None:
    await register(store)
    claimed, go_on = asyncio.Event(), asyncio.Event()

    async def gives_up() -> None:
        async with store.transaction() as transaction:
            await transaction.claim_starts([claim("r-1", "k-1")])
            claimed.set()
            await go_on.wait()
            raise KeyError

    async def waits() -> int:
        wanted = claim("r-1", "k-2") if same == "request" else claim("r-2", "k-1")
        async with store.transaction(ClaimFirst([wanted])) as transaction:
            assert transaction.claimed[wanted.saga_id] == WON
            return transaction.now_us

    holding = asyncio.create_task(gives_up())
    await claimed.wait()
    waiting = asyncio.create_task(waits())
    await asyncio.wait([waiting], timeout=0.1)
    assert not waiting.done()
    released_at = await store.now_us()
    go_on.set()
    assert await waiting >= released_at
    with pytest.raises(KeyError):
        await holding
