"""The horizon on both databases: no start below it, its exceptions to the microsecond, and that it
never falls; whoever starts, ends or raises it at the same moment."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from contract.store_rows import claim, move, register, row_of, save, start, start_of
from saga_coordinator.definitions.retention import Terms
from saga_coordinator.horizon.raising import RECOVERY, STARTS, UNDER_WAY_S, Raising
from saga_coordinator.retention.removal import Removal
from saga_coordinator.store import recovering
from saga_coordinator.store.horizon_port import BelowHorizon, ParticipantMemory, Raise
from saga_coordinator.store.identifiers import first_id
from saga_coordinator.store.identifiers import new_id as id_of
from saga_coordinator.store.port import ClaimFirst, LostEffect, RowsMoved, SagaRow, Store
from saga_coordinator.store.removal_port import FinishedOf
from saga_messaging.clock import SystemClock
from support.hand_clock import HandClock
from support.horizons import AT_ONCE, horizon_at
from support.orders import until

T_MS = 1_700_000_000_000


def at(ms: int, number: int = 0) -> UUID:
    """A saga id of this millisecond."""
    return UUID(int=first_id(ms * 1000).int + number)


async def begun(store: Store, *ids: UUID, **columns: Any) -> list[SagaRow]:
    known = await store.definitions("default")
    definition = known[0].id if known else await register(store)
    rows = [row_of(definition, id=id, **columns) for id in ids]
    await start(store, *rows)
    return rows


async def ended(store: Store, row: SagaRow, closed_at_us: int) -> None:
    await save(store, move(row, phase="COMPLETED", wake_at_us=None, closed_at_us=closed_at_us))


async def exceptions(store: Store) -> Sequence[UUID]:
    return sorted((await store.horizon("default")).horizon.exceptions)


# --- starts ---------------------------------------------------------------------------------------


async def test_a_store_begins_without_one_and_every_start_is_welcome(store: Store) -> None:
    found = await store.horizon("default")
    assert (found.starts_from_ms, found.horizon.below_ms, found.announced_at_us, found.recovering) == (0, 0, None, False)
    await begun(store, at(0, 1))


async def test_no_saga_starts_below_it_and_nothing_of_its_batch(store: Store) -> None:
    async with store.transaction() as tx:
        await tx.refuse_starts_below(T_MS)
    with pytest.raises(BelowHorizon):
        await begun(store, at(T_MS, 1), at(T_MS - 1, 0xFFFF), at(T_MS + 5))
    assert await store.sagas([at(T_MS, 1), at(T_MS - 1, 0xFFFF), at(T_MS + 5)]) == {}
    await begun(store, at(T_MS), at(T_MS + 5))


async def test_one_that_begins_at_once_is_told_to_begin_again_and_then_refused(store: Store) -> None:
    if store.dialect == "sqlite":
        return  # it has one way only
    definition = await register(store)
    async with store.transaction() as tx:
        await tx.refuse_starts_below(T_MS)

    async def starts(ms: int, *, hopeful: bool) -> None:
        one = claim(f"r-{ms}", saga=at(ms))
        async with store.transaction(ClaimFirst([one], hopeful=hopeful)) as tx:
            await tx.save([start_of(row_of(definition, id=one.saga_id))])

    with pytest.raises(RowsMoved):
        await starts(T_MS - 1, hopeful=True)
    with pytest.raises(BelowHorizon):
        await starts(T_MS - 1, hopeful=False)
    await starts(T_MS, hopeful=True)


async def test_a_start_that_waited_for_its_tables_knows_what_was_committed_meanwhile(store: Store, store_url: str) -> None:
    """It takes its snapshot after its locks, so one that `starts_under_way` does not show knows."""
    if store.dialect == "sqlite":
        return  # one writer
    definition = await register(store)
    async with store.transaction():
        """The database has said what time it is."""
    holder = await asyncpg.connect(store_url.replace("+asyncpg", ""))
    holding = holder.transaction()
    await holding.start()
    await holder.execute("LOCK TABLE saga IN SHARE MODE")

    async def starts() -> None:
        one = claim("r", saga=at(T_MS - 1))
        async with store.transaction(ClaimFirst([one], hopeful=True)) as tx:
            await tx.save([start_of(row_of(definition, id=one.saga_id))])

    waiting = asyncio.create_task(starts())

    async def waits() -> bool:
        return bool(await holder.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'saga'::regclass"))

    await until(waits, 10, "the start waits for the table")
    async with store.transaction() as tx:
        await tx.refuse_starts_below(T_MS)
    assert await store.starts_under_way() == frozenset()
    await holding.commit()
    await holder.close()
    with pytest.raises(RowsMoved):
        await waiting


async def test_who_may_not_know_it_yet_is_seen_until_it_ends_and_nobody_else(store: Store, store_url: str) -> None:
    assert await store.starts_under_way() == frozenset()
    if store.dialect == "sqlite":
        return  # one writer: nobody is ever under way when somebody asks
    definition = await register(store)
    reader = await asyncpg.connect(store_url.replace("+asyncpg", ""))
    reading = reader.transaction()
    await reading.start()
    await reader.fetch("SELECT * FROM saga")  # as a dump does, for hours
    async with store.transaction() as tx:
        assert await store.starts_under_way() == frozenset(), "it has written nothing yet"
        await tx.save([start_of(row_of(definition, id=at(T_MS)))])
        (seen,) = await store.starts_under_way()
    async with store.transaction() as tx:
        await tx.save([start_of(row_of(definition, id=at(T_MS, 1)))])
        assert seen not in await store.starts_under_way(), "a later one is another"
    assert await store.starts_under_way() == frozenset()
    await reading.rollback()
    await reader.close()


# --- what is an exception -------------------------------------------------------------------------


async def test_exceptions_are_exact_to_the_millisecond_and_the_microsecond(store: Store) -> None:
    lag_ago_us = T_MS * 1000 + 7
    below, not_below, earlier = await begun(store, at(T_MS - 1, 0xFFFF), at(T_MS), at(T_MS - 1, 1))
    long_ended, just_ended = await begun(store, at(T_MS - 2, 1), at(T_MS - 2, 2), started_at_us=1)
    await ended(store, long_ended, lag_ago_us - 1)
    await ended(store, just_ended, lag_ago_us)
    raised = await horizon_at(store, T_MS, ended_before_us=lag_ago_us)
    assert (raised.below_ms, raised.exceptions, raised.held_back, raised.complete) == (T_MS, 3, False, True)
    found = await store.horizon("default")
    assert sorted(found.horizon.exceptions) == [just_ended.id, earlier.id, below.id]
    assert found.lets_go(long_ended.id)
    assert not any(map(found.lets_go, (just_ended.id, earlier.id, below.id, not_below.id)))
    assert found.forgets_before_us == T_MS * 1000


async def test_below_it_an_exception_goes_when_its_time_has_come_and_none_is_added(store: Store) -> None:
    one, other = await begun(store, at(T_MS - 2), at(T_MS - 1))
    await horizon_at(store, T_MS)
    assert await exceptions(store) == [one.id, other.id]
    await ended(store, one, 100)
    await horizon_at(store, T_MS, ended_before_us=100)
    assert await exceptions(store) == [one.id, other.id], "not longer ago than the lag"
    await horizon_at(store, T_MS + 5, ended_before_us=101)
    assert await exceptions(store) == [other.id]
    # As after a mistake: it was longer ago than the lag once, and what was said stays true.
    await horizon_at(store, T_MS + 5, ended_before_us=0)
    assert await exceptions(store) == [other.id]


async def test_neither_number_ever_falls(store: Store) -> None:
    async with store.transaction() as tx:
        assert await tx.refuse_starts_below(T_MS) == T_MS
    async with store.transaction() as tx:
        assert await tx.refuse_starts_below(T_MS - 1) == T_MS
    await horizon_at(store, T_MS)
    await horizon_at(store, T_MS - 5)
    found = await store.horizon("default")
    assert (found.starts_from_ms, found.horizon.below_ms) == (T_MS, T_MS)


async def test_a_lost_effect_is_one_until_it_was_settled_longer_ago_than_the_lag(store: Store) -> None:
    lost, settled, long_ago, above = at(T_MS - 4), at(T_MS - 3), at(T_MS - 2), at(T_MS)
    effect = LostEffect(
        saga_id=lost, step="charge", participant="payment", run=1, state="DONE", beside=False, found_at_us=1, status="open"
    )
    kept = replace(effect, status="kept", settled_at_us=10)
    async with store.transaction() as tx:
        others = (
            replace(kept, saga_id=settled),
            replace(kept, saga_id=long_ago, settled_at_us=9),
            replace(effect, saga_id=above),
        )
        await tx.add_lost("default", (effect, *others))
    await horizon_at(store, T_MS, ended_before_us=10)
    assert await exceptions(store) == [lost, settled]
    async with store.transaction() as tx:
        await tx.settle_lost(effect, kept)
    await horizon_at(store, T_MS, ended_before_us=11)
    assert await exceptions(store) == []


async def test_a_lost_saga_that_is_an_exception_may_be_adopted_and_stays_one_and_no_other_starts(store: Store) -> None:
    lost, early, above = at(T_MS - 4), at(T_MS - 3), at(T_MS + 5)
    definition = await register(store)
    effect = LostEffect(
        saga_id=lost, step="charge", participant="payment", run=1, state="DONE", beside=False, found_at_us=1, status="open"
    )
    async with store.transaction() as tx:
        await tx.add_lost("default", (effect, replace(effect, saga_id=above)))
    await horizon_at(store, T_MS, ended_before_us=10)
    async with store.transaction() as tx:  # the horizon will follow
        await tx.refuse_starts_below(T_MS + 9)
    with pytest.raises(BelowHorizon):
        await begun(store, lost)
    async with store.transaction() as tx:
        assert not await tx.let_adopt("default", early)
        assert [await tx.let_adopt("default", id) for id in (lost, above)] == [True, True]
        for one in (effect, replace(effect, saga_id=above)):
            await tx.settle_lost(one, replace(one, status="adopted", settled_at_us=11))
        await tx.save([start_of(row_of(definition, id=id)) for id in (lost, above)])
    for adopted in (lost, above):
        assert await store.saga(adopted) is not None
    await horizon_at(store, T_MS + 9, ended_before_us=100)
    assert await exceptions(store) == [lost, above]

    async def adopts_early() -> None:
        async with store.transaction() as tx:
            await tx.let_adopt("default", early)
            await tx.save([start_of(row_of(definition, id=early))])

    with pytest.raises(BelowHorizon):
        await adopts_early()


async def test_a_step_goes_no_further_than_starts_were_waited_for(store: Store) -> None:
    async with store.transaction() as tx:
        up_to_ms = await tx.refuse_starts_below(T_MS)
    async with store.transaction() as tx:  # another instance, which has not waited yet
        await tx.refuse_starts_below(T_MS + 10)
    async with store.transaction() as tx:
        by = Raise(up_to_ms=up_to_ms, ended_before_us=0, limit=9, sagas=9)
        raised = await tx.raise_horizon(await tx.horizon("default"), by)
    assert (raised.below_ms, raised.complete) == (T_MS, True)
    found = await store.horizon("default")
    assert (found.starts_from_ms, found.horizon.below_ms) == (T_MS + 10, T_MS)


async def test_more_exceptions_than_the_limit_keep_it_lower(store: Store) -> None:
    rows = await begun(store, *(at(T_MS - 10 + n) for n in range(5)))
    raised = await horizon_at(store, T_MS, limit=3)
    assert (raised.below_ms, raised.exceptions, raised.held_back, raised.complete) == (T_MS - 7, 3, True, True)
    assert await exceptions(store) == [row.id for row in rows[:3]]
    assert (await store.horizon("default")).starts_from_ms == T_MS
    await ended(store, rows[0], 5)
    assert (await horizon_at(store, T_MS, limit=3)).below_ms == T_MS - 6
    await ended(store, rows[1], 5)
    assert not (await horizon_at(store, T_MS, limit=3)).held_back
    assert await exceptions(store) == [row.id for row in rows[2:]]


async def test_a_step_looks_at_so_many_sagas_and_the_steps_come_to_the_same(store: Store) -> None:
    rows = await begun(store, *(at(T_MS - 20 + n) for n in range(9)))
    for row in rows[::2]:
        await ended(store, row, 5)
    seen = [(raised := await horizon_at(store, T_MS, sagas=4)).below_ms]
    while not raised.complete:
        seen.append((raised := await horizon_at(store, T_MS, sagas=4)).below_ms)
    assert seen == [T_MS - 16, T_MS - 12, T_MS]
    assert await exceptions(store) == [row.id for row in rows[1::2]]


async def test_a_step_goes_on_where_one_millisecond_has_more_sagas_than_it_looks_at(store: Store) -> None:
    await begun(store, *(at(T_MS - 9, n) for n in range(6)))
    raised = await horizon_at(store, T_MS, sagas=2)
    while not raised.complete:
        raised = await horizon_at(store, T_MS, sagas=2)
    assert (raised.below_ms, raised.exceptions) == (T_MS, 6)


# --- a whole round --------------------------------------------------------------------------------


def raising(store: Store, clock: Any = None) -> Raising:
    return Raising(store=store, tenant="default", terms=AT_ONCE, clock=clock or SystemClock())


async def no_definitions(store: Store) -> int:
    """A definition whose document nobody reads: these rounds have no expiry to wait for."""
    return await register(store, tenant="another")


async def test_a_start_that_began_before_and_commits_late_is_an_exception(store: Store) -> None:
    definition = await no_definitions(store)
    if store.dialect == "sqlite":
        return  # one writer: it has ended, or it begins later
    early = at(T_MS)
    async with store.transaction() as starting:
        await starting.save([start_of(row_of(definition, id=early, tenant="another"))])
        round = asyncio.create_task(raising(store).round())
        await until(lambda: _refuses_starts(store), 10, "starts below it are refused")
        await asyncio.sleep(0.3)
        assert not round.done()
        assert (await store.horizon("default")).horizon.below_ms == 0, "nothing is said before it has ended"
    assert (await round).held_by is None
    assert await exceptions(store) == [early]


async def _refuses_starts(store: Store) -> bool:
    return (await store.horizon("default")).starts_from_ms > 0


async def test_a_start_that_never_ends_keeps_the_horizon_where_it_is_and_it_says_so(store: Store) -> None:
    if store.dialect == "sqlite":
        return  # one writer
    definition, clock = await no_definitions(store), HandClock()
    async with store.transaction() as starting:
        await starting.save([start_of(row_of(definition, id=at(T_MS), tenant="another"))])
        round = asyncio.create_task(raising(store, clock).round())
        await until(lambda: _refuses_starts(store), 10, "starts below it are refused")

        async def over() -> bool:
            await clock.move(UNDER_WAY_S)
            return round.done()

        await until(over, 10, "the round gives up")
        assert round.result().held_by == STARTS
        assert (await store.horizon("default")).horizon.below_ms == 0


async def test_many_instances_raise_it_while_sagas_start_and_end(store: Store) -> None:
    definition = await no_definitions(store)
    started: list[UUID] = []

    async def starting() -> None:
        for n in range(30):
            row = row_of(definition, id=id_of(await store.now_us()), tenant="another")
            try:
                await start(store, row)
            except BelowHorizon:
                continue
            started.append(row.id)
            if n % 2:
                await ended(store, row, await store.now_us())

    async def rounds() -> None:
        for _ in range(5):
            assert (await raising(store).round()).held_by is None

    await asyncio.gather(starting(), *(rounds() for _ in range(3)))
    assert (await raising(store).round()).held_by is None
    found, rows = await store.horizon("default"), await store.sagas(started)
    for id, row in rows.items():
        if found.lets_go(id):
            assert row.closed_at_us is not None, "an open saga is never forgotten"
    assert any(found.lets_go(id) for id in started)
    assert {id for id, row in rows.items() if row.closed_at_us is None} <= found.horizon.exceptions | {
        id for id in started if not id < first_id(found.horizon.below_ms * 1000)
    }


async def test_nothing_is_raised_or_let_go_while_a_restore_is_dealt_with(store: Store) -> None:
    await begun(store, at(T_MS - 1))
    await horizon_at(store, T_MS)
    before = await store.horizon("default")
    await store.note(recovering.SCOPE, "default", {recovering.INCARNATION: "9"}, who="me", why="restored")
    assert (await raising(store).round()).held_by is not None
    found = await store.horizon("default")
    assert (found.recovering, found.forgets_before_us, found.lets_go(at(3))) == (True, 0, False)
    assert (found.starts_from_ms, found.horizon) == (before.starts_from_ms, before.horizon)
    await store.end_recovery("default", 9)
    assert (await store.horizon("default")).recovering, "participants have not told their rows"
    assert await store.sweeps_done("default", 9, set())
    assert (await store.horizon("default")).lets_go(at(3))


# --- what retention may take ----------------------------------------------------------------------


async def test_a_saga_is_removed_only_where_the_horizon_covers_it(store: Store) -> None:
    covered, excepted, above = await begun(store, at(T_MS - 2), at(T_MS - 1), at(T_MS), max_expiry_us=0)
    await ended(store, covered, 10)
    await ended(store, above, 10)
    await horizon_at(store, T_MS)
    await ended(store, excepted, 10)
    which = FinishedOf(tenant="default", definition="order", version=1, shelf=0, before_us=10**18)
    found = await store.finished(which, after=None, limit=9)
    assert {one.id for one in found} == {covered.id, excepted.id, above.id}
    removal, terms = Removal(store, None), Terms.of(1, None, None, 1)
    await store.note(recovering.SCOPE, "default", {recovering.INCARNATION: "9"}, who="me", why="restored")
    for action in ("remove", "strip"):
        taken = await removal.take(action, found, terms)
        assert (taken.removed.sagas, taken.removed.held) == ((), {RECOVERY: 3})
    await store.end_recovery("default", 9)
    await store.sweeps_done("default", 9, set())
    taken = await removal.take("remove", found, terms)
    assert (taken.removed.sagas, taken.removed.held) == ((covered.id,), {"horizon": 2})
    assert await store.sagas([covered.id, excepted.id, above.id]) == await store.sagas([excepted.id, above.id])


# --- what participants remember -------------------------------------------------------------------


async def test_what_a_participant_last_said_is_kept(store: Store) -> None:
    def said(name: str, below_ms: int, at_us: int) -> ParticipantMemory:
        return ParticipantMemory(participant=name, below_ms=below_ms, heard_at_us=at_us)

    assert await store.participant_memories() == {}
    async with store.transaction() as tx:
        await tx.note_heard([said("payment", 5, 1), said("inventory", 6, 2)])
    async with store.transaction() as tx:
        await tx.note_heard([said("payment", 4, 3)])  # its database was restored
    assert await store.participant_memories() == {"payment": said("payment", 4, 3), "inventory": said("inventory", 6, 2)}


async def test_whether_anything_is_below_it_is_known(store: Store) -> None:
    assert not await store.any_saga_below(T_MS)
    await begun(store, at(T_MS))
    assert not await store.any_saga_below(T_MS)
    assert await store.any_saga_below(T_MS + 1)


async def test_when_it_was_announced_is_kept(store: Store) -> None:
    await horizon_at(store, T_MS)
    before_us = await store.now_us()
    await store.note_announced()
    announced_at_us = (await store.horizon("default")).announced_at_us
    assert announced_at_us is not None
    assert announced_at_us >= before_us - 1_000
