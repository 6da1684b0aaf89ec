"""How far each participant's rows are read, the effects without a saga, and which ids starts may
take."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from contract.store_rows import claim, new_id, register, row_of, start
from saga_coordinator.store.identifiers import first_id
from saga_coordinator.store.port import CountMismatch, LostEffect, ParticipantSweep, Store, Transaction
from saga_coordinator.store.recovering import is_sweeping
from saga_schemas.horizon import Horizon

OF = "default"


async def sweep_of(store: Store, name: str = "payment") -> ParticipantSweep:
    return next(one for one in await store.sweeps(OF) if one.participant == name)


async def move(store: Store, before: ParticipantSweep, **how: Any) -> bool:
    async with store.transaction() as tx:
        return await tx.move_sweep(OF, before, **how)


async def test_a_sweep_begins_once_and_only_under_the_databases_incarnation(store: Store) -> None:
    await store.begin_sweeps(OF, 1, {"payment", "inventory"})
    before = await sweep_of(store)
    assert before == ParticipantSweep(participant="payment", incarnation=1)
    assert await store.ask_sweep(OF, before)
    await store.begin_sweeps(OF, 1, {"payment"})
    await store.begin_sweeps(OF, 9, {"shipping"})
    assert [one.participant for one in await store.sweeps(OF)] == ["inventory", "payment"]
    assert (await sweep_of(store)).asks == 1


async def test_of_two_that_ask_or_read_one_does(store: Store) -> None:
    await store.begin_sweeps(OF, 1, {"payment"})
    before = await sweep_of(store)
    assert [await store.ask_sweep(OF, before) for _ in range(2)] == [True, False]
    at = (new_id(), "charge")
    assert [await move(store, before, after=at, told=500) for _ in range(2)] == [True, False]
    further = await sweep_of(store)
    assert (further.after, further.told, further.asked_at_us, further.asks) == (at, 500, 0, 0)
    assert not await move(store, before, after=None, told=0), "a page of the beginning comes late"
    assert await move(store, further, after=None, told=3)
    done = await sweep_of(store)
    assert (done.told, done.done_at_us is not None) == (503, True)
    assert not await store.ask_sweep(OF, done)


async def test_it_is_complete_when_all_are_done_or_skipped_and_goes_on_for_a_new_one(store: Store) -> None:
    await store.note("recovery", OF, {"incarnation": "1"}, who="me", why="restored")
    await store.begin_sweeps(OF, 1, {"payment", "fax"})
    await move(store, await sweep_of(store), after=None, told=0)
    assert not await store.sweeps_done(OF, 1, {"payment", "fax"})
    async with store.transaction() as tx:
        assert await tx.skip_sweep(OF, "fax", "shut down")
        assert not await tx.skip_sweep(OF, "fax", "again")
        assert not await tx.skip_sweep(OF, "payment", "done")
    assert (await sweep_of(store, "fax")).skipped == "shut down"
    assert [await store.sweeps_done(OF, 1, {"payment", "fax"}) for _ in range(2)] == [True, False]
    assert not is_sweeping(await store.control("recovery", OF))
    await store.begin_sweeps(OF, 1, {"shipping"})
    assert is_sweeping(await store.control("recovery", OF))


def effect(saga_id: UUID, step: str = "charge", **more: Any) -> LostEffect:
    made = LostEffect(
        saga_id=saga_id, step=step, participant="payment", run=1, state="DONE", beside=False, found_at_us=7, status="open"
    )
    return replace(made, **more)


async def add(store: Store, *effects: LostEffect) -> None:
    async with store.transaction() as tx:
        await tx.add_lost(OF, effects)


async def test_an_effect_is_listed_once_and_says_what_its_row_said_last(store: Store) -> None:
    saga_id = new_id()
    await add(store, effect(saga_id, state="ACCEPTED", command=b"c"), effect(saga_id, "hold"))
    await add(store, effect(saga_id, reply_record="t.Done", reply=b"r", found_at_us=8))
    charged = effect(saga_id, reply_record="t.Done", reply=b"r")
    assert await store.lost_effects(OF, settled=False) == [charged, effect(saga_id, "hold")]
    assert await store.lost_counts(OF) == {"open": 2}


async def test_of_two_acts_the_second_finds_it_settled(store: Store) -> None:
    saga_id = new_id()
    await add(store, effect(saga_id))
    async with store.transaction() as tx:
        (before,) = await tx.lost_of(OF, saga_id)
        kept = replace(before, status="kept", settled_at_us=tx.now_us, who="me", why="it has left")
        await tx.settle_lost(before, kept)
    with pytest.raises(CountMismatch):
        async with store.transaction() as tx:
            await tx.settle_lost(before, replace(before, status="kept", settled_at_us=1))
    await add(store, effect(saga_id, run=4))
    assert await store.lost_effects(OF, settled=True) == [kept], "what is settled does not change"
    assert await store.lost_effects(OF, settled=False) == []


async def test_a_settled_effect_goes_by_its_age_once_a_horizon_covers_its_saga(store: Store) -> None:
    spared, covered, half, late, above = (UUID(int=first_id(ms * 1000).int) for ms in (1, 2, 3, 4, 9))
    done: dict[str, Any] = {"status": "kept", "settled_at_us": 5}
    await add(store, *(effect(saga_id, **done) for saga_id in (spared, covered, above)), effect(covered, "hold", **done))
    await add(store, effect(half, **done), effect(half, "hold"), effect(late, status="undone", settled_at_us=6))
    horizon = Horizon(below_ms=9, exceptions=frozenset({spared, half}))
    async with store.transaction() as tx:
        assert await tx.remove_settled("another", horizon, 6, 9) == 0
        assert [await tx.remove_settled(OF, horizon, 6, 1) for _ in range(3)] == [1, 1, 0]
    left = [one.saga_id for one in await store.lost_effects(OF, settled=True)]
    assert left == [spared, half, half, late, above]
    async with store.transaction() as tx:
        assert await tx.remove_settled(OF, Horizon(below_ms=9, exceptions=frozenset()), 6, 9) == 2
    assert [one.step for one in await store.lost_effects(OF, settled=False)] == ["hold"], "what is open stays"


async def test_an_undo_is_asked_for_by_one_and_found_by_its_saga(store: Store) -> None:
    saga_id, other = new_id(), new_id()
    asked = effect(saga_id, status="undoing", undo_record="t.Undo", undo_value=b"u")
    await add(store, asked, effect(other))
    (due,) = await store.undoing(OF, 10)
    assert [await store.ask_undo(due) for _ in range(2)] == [True, False]
    async with store.transaction() as tx:
        assert [(one.step, one.asks) for one in await tx.undoing_of(OF, [saga_id, other])] == [("charge", 1)]


async def test_open_effects_whose_sagas_are_here_are_found_with_their_definitions(store: Store) -> None:
    here = row_of(await register(store))
    await start(store, here)
    await add(store, effect(here.id), effect(here.id, "odd", beside=True), effect(new_id()))
    await add(store, effect(here.id, "hold", status="kept", settled_at_us=1))
    assert await store.open_beside_sagas(OF) == [(effect(here.id), here.definition_id)]


async def test_a_saga_may_not_begin_again_once_somebody_undoes_what_it_did(store: Store) -> None:
    again, undone = new_id(), new_id()
    await add(store, effect(again), effect(again, "hold", status="kept", settled_at_us=1))
    await add(store, effect(undone, status="undoing", undo_record="t.Undo", undo_value=b"u"))
    async with store.transaction() as tx:
        assert await tx.undone_of([again, undone]) == {undone}


Step = Callable[[Transaction], Awaitable[object]]


async def order_of(store: Store, start: Step, act: Step) -> list[str]:
    """A start takes its step and commits later; an act takes its own meanwhile."""
    begun, order = asyncio.Event(), list[str]()

    async def a_start() -> None:
        async with store.transaction() as tx:
            await start(tx)
            begun.set()
            await asyncio.sleep(0.3)
            order.append("start")

    async with asyncio.TaskGroup() as group:
        group.create_task(a_start())
        await begun.wait()
        async with store.transaction() as tx:
            await act(tx)
            order.append("act")
    return order


async def test_while_a_saga_begins_again_nobody_acts_on_what_it_did(store: Store) -> None:
    saga_id = new_id()
    await add(store, effect(saga_id))
    assert await order_of(store, lambda tx: tx.undone_of([saga_id]), lambda tx: tx.lost_of(OF, saga_id)) == ["start", "act"]


async def test_an_undo_waits_for_the_starts_that_are_under_way(store: Store) -> None:
    begins = [claim("o-17", saga=new_id())]
    assert await order_of(store, lambda tx: tx.bind_starts(begins), lambda tx: tx.hold_starts()) == ["start", "act"]


async def test_which_ids_a_start_may_take(store: Store) -> None:
    definition = await register(store)
    asked_for, adopted, undone, free = row_of(definition), row_of(definition), new_id(), new_id()
    await start(store, asked_for, adopted)
    async with store.transaction() as tx:
        await tx.bind_starts(
            [claim("o-17", saga=asked_for.id), replace(claim("a", saga=adopted.id), source="saga recover adopt")]
        )
        await tx.bind_starts([claim("o-17", saga=free)])
    await add(store, effect(undone, status="undone", settled_at_us=1))
    found = await store.start_ids(OF, [asked_for.id, adopted.id, undone, free])
    assert found.taken == {asked_for.id, undone}
    assert found.adopted == {adopted.id}
    assert abs(found.now_us - await store.now_us()) < 60_000_000
    assert (found.removed_until_ms, found.starts_from_ms) == (0, 0)
    await store.note("removed", OF, {"up_to": f"{17:020d}"}, who="retention", why="removed")
    async with store.transaction() as tx:
        await tx.refuse_starts_below(19)
    found = await store.start_ids(OF, [free])
    assert (found.removed_until_ms, found.starts_from_ms) == (17, 19)
