"""One suite for both databases: what is written is read, what must be refused is refused, and
nothing of a refused batch stays."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from contract.store_rows import LATER, apply, end, journal, move, new_id, outbox, register, row_of, save, start, start_of, step_to
from saga_coordinator.store.port import (
    AttentionRow,
    BadRow,
    ClaimFirst,
    CountMismatch,
    First,
    InboxEvent,
    LockFirst,
    SagaRow,
    SagaWrite,
    Store,
    StoreError,
    shard_of,
)


class Refused(Exception):
    """The caller's own reason to roll back."""


async def one_started(store: Store, **changed: object) -> SagaRow:
    row = row_of(await register(store), **changed)
    await start(store, row)
    return row


def event(saga: UUID, id: UUID | None = None) -> InboxEvent:
    return InboxEvent(id=id or new_id(), saga_id=saga, kind="reply", body=b"body")


# -- sagas and their journal


async def test_a_saga_is_read_as_it_was_written(store: Store) -> None:
    row = await one_started(store, business_key="o-17", baggage="k=v")
    assert await store.saga(row.id) == row
    assert await store.saga(new_id()) is None
    assert await store.journal(row.id, after=0, limit=10) == list(journal(row.id, 1))


async def test_a_locked_saga_moves_on_by_several_versions_in_one_update(store: Store) -> None:
    row = await one_started(store)
    async with store.transaction() as transaction:
        locked = await transaction.lock_sagas([row.id], wait=False)
        assert locked == {row.id: row}
        await transaction.save([move(row, 3, max_expiry_us=99)])
    assert await store.saga(row.id) == replace(
        row, version=4, state=b"state 4", state_version=4, facts_print=-4, max_expiry_us=99
    )
    assert [one.version for one in await store.journal(row.id, after=1, limit=2)] == [2, 3]
    assert await store.journal_facts([(row.id, 4), (row.id, 5)]) == {(row.id, 4): journal(row.id, 4)[0]}
    async with store.transaction() as transaction:
        assert await transaction.journal_facts([(row.id, 4), (row.id, 5)]) == {(row.id, 4): journal(row.id, 4)[0]}
        assert await transaction.journal_facts([]) == {}


async def test_a_move_without_a_state_leaves_the_one_before_and_its_journal_is_read(store: Store) -> None:
    row, other = await one_started(store), row_of(await register(store), state=b"", state_version=0)
    await start(store, other)
    kept: dict[str, Any] = {"state": row.state, "state_version": row.state_version}
    async with store.transaction() as transaction:
        await transaction.lock_sagas([row.id, other.id], wait=False)
        await transaction.save([move(row, 2, **kept), move(other)])
    found = await store.saga(row.id)
    assert found == replace(row, version=3, facts_print=-3)
    async with store.transaction() as transaction:
        await transaction.lock_sagas([row.id, other.id], wait=False)
        assert await transaction.journal_tails([row.id, other.id, new_id()]) == {row.id: list(journal(row.id, 2, 3))}
        assert await transaction.journal_tails([]) == {}
        await transaction.save([move(found)])
        assert await transaction.journal_tails([row.id]) == {}, "what this transaction wrote counts"


async def test_a_state_of_no_version_and_a_version_without_a_state_are_refused(store: Store) -> None:
    definition = await register(store)
    for bad in ({"state": b""}, {"state_version": 0}, {"state_version": 2}):
        with pytest.raises(StoreError):
            await start(store, row_of(definition, **bad))


async def test_one_transaction_may_save_the_same_saga_twice(store: Store) -> None:
    row = await one_started(store)
    async with store.transaction() as transaction:
        await transaction.lock_sagas([row.id], wait=False)
        first = move(row)
        await transaction.save([first])
        await transaction.save([move(first.row, wake_at_us=LATER + 1)])
    found = await store.saga(row.id)
    assert found is not None
    assert (found.version, found.wake_at_us) == (3, LATER + 1)


async def test_an_exception_rolls_everything_back(store: Store) -> None:
    row = await one_started(store)

    async def refused() -> None:
        async with store.transaction() as transaction:
            await transaction.lock_sagas([row.id], wait=False)
            await transaction.save([move(row, more={"outbox": (outbox(row.id, 2),)})])
            await transaction.put_inbox([event(row.id)])
            assert await transaction.advance([step_to(5, after=0)])
            raise Refused

    with pytest.raises(Refused):
        await refused()
    assert await store.saga(row.id) == row
    assert (await store.figures()).outbox_depth == 0
    assert await store.positions(["saga.reply.order"]) == {}


@pytest.mark.parametrize("versions", [(3,), (2, 4), (), (2, 2), (1, 2)], ids=str)
async def test_a_gap_in_the_journal_is_refused(store: Store, versions: tuple[int, ...]) -> None:
    row = await one_started(store)
    with pytest.raises(CountMismatch, match=str(row.id)):
        await save(store, replace(move(row), journal=journal(row.id, *versions)))
    assert await store.saga(row.id) == row


async def test_a_journal_record_of_another_saga_is_refused(store: Store) -> None:
    row = await one_started(store)
    with pytest.raises(CountMismatch):
        await save(store, replace(move(row), journal=journal(new_id(), 2)))


async def test_a_stale_version_is_refused_and_nothing_of_the_batch_is_written(store: Store) -> None:
    definition = await register(store)
    fresh, stale = row_of(definition), row_of(definition)
    await start(store, fresh, stale)
    await apply(store, stale.id)
    with pytest.raises(CountMismatch):
        await save(store, move(fresh), move(stale))
    assert await store.saga(fresh.id) == fresh
    found = await store.saga(stale.id)
    assert found is not None
    assert found.version == 2
    assert len(await store.journal(stale.id, after=0, limit=10)) == 2


async def test_a_saga_that_was_not_locked_is_not_written(store: Store) -> None:
    row = await one_started(store)
    with pytest.raises(CountMismatch, match="locked"):
        async with store.transaction() as transaction:
            await transaction.save([move(row)])


async def test_one_saga_twice_in_a_save_is_refused(store: Store) -> None:
    row = await one_started(store)
    with pytest.raises(CountMismatch, match="folded"):
        await save(store, move(row), move(row))


async def test_a_saga_id_can_be_started_once(store: Store) -> None:
    row = await one_started(store)
    with pytest.raises(CountMismatch):
        await start(store, row)


async def test_a_saga_of_an_unknown_definition_is_refused(store: Store) -> None:
    row = row_of(4711)
    with pytest.raises(CountMismatch):
        await start(store, row)
    assert await store.saga(row.id) is None


async def test_locking_gives_what_exists_and_exists_tells_the_rest(store: Store) -> None:
    row, absent = await one_started(store), new_id()
    async with store.transaction() as transaction:
        assert set(await transaction.lock_sagas([absent, row.id], wait=False)) == {row.id}
        assert await transaction.exists([absent, row.id]) == {row.id}
        assert await transaction.lock_sagas([], wait=True) == {}
        assert await transaction.exists([]) == set()


async def test_a_batch_of_many_sagas_is_one_save(store: Store) -> None:
    definition = await register(store)
    rows = [row_of(definition) for _ in range(600)]
    await start(store, *rows)
    async with store.transaction() as transaction:
        locked = await transaction.lock_sagas([row.id for row in rows], wait=False)
        assert len(locked) == 600
        await transaction.save([move(row) if at % 2 else end(row) for at, row in enumerate(locked.values())])
    assert (await store.figures()).sagas_by_phase == {("order", "RUNNING"): 300}


# -- time


async def test_the_clock_is_the_databases_and_moves_in_a_transaction(store: Store) -> None:
    row = await one_started(store)
    before = await store.now_us()
    async with store.transaction() as transaction:
        began = transaction.now_us
        await asyncio.sleep(0.003)  # SQLite's clock has milliseconds
        await transaction.lock_sagas([row.id], wait=True)
        assert before <= began < transaction.now_us
    assert transaction.now_us <= await store.now_us()


async def test_a_transaction_that_locks_first_has_its_time_from_the_lock(store: Store) -> None:
    row = await one_started(store)
    before = await store.now_us()
    async with store.transaction(LockFirst([row.id], wait=False)) as transaction:
        assert transaction.now_us >= before
        assert transaction.locked == {row.id: row}


@pytest.mark.parametrize(
    "first",
    [None, LockFirst([], wait=False), LockFirst([], wait=True), LockFirst([new_id()], wait=False), ClaimFirst([])],
    ids=["nothing", "no sagas", "no sagas, waiting", "an unknown saga", "no claims"],
)
async def test_a_transaction_has_its_time_whatever_it_begins_with(store: Store, first: First | None) -> None:
    before = await store.now_us()
    async with store.transaction(first) as transaction:
        assert before <= transaction.now_us <= await store.now_us()
        assert (transaction.locked, transaction.claimed) == ({}, {})


# -- wake-ups


async def test_due_sagas_come_earliest_first_and_later_ones_not_at_all(store: Store) -> None:
    definition = await register(store)
    late, early, future = (row_of(definition, wake_at_us=at) for at in (200, 100, LATER))
    assert await store.earliest_due_in_s() is None
    await start(store, future)
    in_s = await store.earliest_due_in_s()
    assert in_s is not None
    assert in_s > 3600
    await start(store, late, early)
    assert await store.due(10) == [early.id, late.id]
    assert await store.due(1) == [early.id]
    assert await store.earliest_due_in_s() == 0
    assert (await store.figures()).wakeup_earliest_due_us == 100


async def test_a_wakeup_moves_with_rewake_and_goes_with_the_end(store: Store) -> None:
    row = await one_started(store)
    await apply(store, row.id, wake_at_us=5)
    assert await store.due(10) == [row.id]
    async with store.transaction() as transaction:
        locked = await transaction.lock_sagas([row.id], wait=False)
        await transaction.save([end(locked[row.id])])
    assert await store.due(10) == []
    assert await store.earliest_due_in_s() is None


async def test_a_wake_time_does_not_change_without_rewake(store: Store) -> None:
    row = await one_started(store)
    with pytest.raises(CountMismatch, match="rewake"):
        await save(store, replace(move(row, wake_at_us=5), rewake=False))


async def test_no_open_saga_is_silent(store: Store) -> None:
    row = await one_started(store)
    with pytest.raises(StoreError):
        await apply(store, row.id, wake_at_us=None)
    with pytest.raises(StoreError):
        await start(store, replace(row, id=new_id(), wake_at_us=None))
    assert await store.saga(row.id) == row


# -- what loops wait for


async def test_a_look_at_a_store_without_open_sagas_finds_nothing_to_do(store: Store) -> None:
    before = await store.now_us()
    look = await store.look("default", frozenset({"life"}))
    assert look.at_rest
    assert before <= look.now_us <= await store.now_us()
    assert not (look.letters or look.spans or look.control)


async def test_a_look_finds_the_first_wakeup_what_was_left_and_what_is_not_published(store: Store) -> None:
    row = await one_started(store, wake_at_us=LATER)
    look = await store.look("default", frozenset())
    assert (look.next_due_us, look.inbox, look.at_rest) == (LATER, False, False)
    async with store.transaction() as transaction:
        await transaction.put_inbox([event(row.id)])
    assert (await store.look("default", frozenset())).inbox
    assert not (await store.look("default", frozenset())).outbox
    await save(store, move(row, more={"outbox": (outbox(row.id, 2),)}))
    assert (await store.look("default", frozenset())).outbox


async def test_a_look_tells_that_a_definition_was_registered_or_activated(store: Store) -> None:
    async def registered() -> str:
        return (await store.look("default", frozenset())).registered

    seen = [await registered()]
    for version in (1, 2):
        await register(store, version=version)
        seen.append(await registered())
    for version in (1, 2):
        async with store.transaction() as transaction:
            await transaction.activate("default", "order", version)
        seen.append(await registered())
    async with store.transaction() as transaction:
        await transaction.add_schemas([(7, "shop.Order", b"{}")])
    seen.append(await registered())
    assert len(set(seen)) == len(seen)
    assert await registered() == seen[-1]


async def test_what_is_noted_is_written_over_and_seen_by_scope(store: Store) -> None:
    await store.note("life", "default", {"seen": "1", "since": "1"}, who="a", why="test")
    await store.note("life", "default", {"seen": "2"}, who="b", why="test")
    await store.note("drain", "default", {"one": "3"}, who="a", why="test")
    await store.note("life", "other", {"seen": "9"}, who="a", why="test")
    look = await store.look("default", frozenset({"life", "token_keys"}))
    assert look.control == {"life": {"seen": "2", "since": "1"}}
    assert await store.control("drain", "default") == {"one": "3"}


# -- the inbox


async def test_many_inbox_events_of_one_saga_take_no_other_sagas_place(store: Store) -> None:
    many, one = await one_started(store), await one_started(store)
    async with store.transaction() as transaction:
        await transaction.put_inbox([*(event(many.id) for _ in range(5)), event(one.id)])
    assert await store.due(2) == [many.id, one.id]


async def test_an_inbox_event_makes_its_saga_due_until_it_is_applied(store: Store) -> None:
    row = await one_started(store)
    left = [event(row.id), event(row.id)]
    async with store.transaction() as transaction:
        await transaction.put_inbox(left)
    assert await store.due(10) == [row.id]
    assert await store.earliest_due_in_s() == 0
    assert (await store.figures()).inbox == 2
    async with store.transaction() as transaction:
        await transaction.lock_sagas([row.id], wait=False)
        assert await transaction.inbox_of([row.id, new_id()]) == left
        await transaction.save([move(row, more={"inbox_done": tuple(one.id for one in left)})])
    assert await store.due(10) == []
    async with store.transaction() as transaction:
        assert await transaction.inbox_of([row.id]) == []


async def test_an_inbox_event_of_a_finished_saga_is_taken_off(store: Store) -> None:
    row = await one_started(store)
    ended, left = end(row), event(row.id)
    await save(store, ended)
    async with store.transaction() as transaction:
        await transaction.put_inbox([left])
    read = SagaWrite(expected_version=ended.row.version, row=ended.row, journal=(), inbox_done=(left.id,))
    await save(store, read)
    assert await store.due(10) == []
    assert await store.saga(row.id) == ended.row


async def test_an_inbox_event_is_applied_once(store: Store) -> None:
    row = await one_started(store)
    with pytest.raises(CountMismatch):
        await save(store, move(row, more={"inbox_done": (new_id(),)}))
    assert await store.saga(row.id) == row


async def test_inbox_events_given_up_on_may_be_gone(store: Store) -> None:
    left = event(new_id())
    async with store.transaction() as transaction:
        await transaction.put_inbox([left])
        assert await transaction.inbox_of([left.saga_id]) == [left]
        await transaction.delete_inbox([left.id, new_id()])
        assert await transaction.inbox_of([left.saga_id]) == []


# -- the outbox


async def test_outbox_rows_are_found_by_age_and_deleted_by_key(store: Store) -> None:
    row = await one_started(store)
    sent = outbox(row.id, 1)
    async with store.transaction() as transaction:
        await transaction.lock_sagas([row.id], wait=False)
        await transaction.save([move(row, more={"outbox": (sent, replace(outbox(row.id, 2), ord=1))})])
    made_at = (sent.id.int >> 80) * 1000
    assert await store.outbox_shards(made_at) == []
    assert await store.outbox_shards(made_at + 1_000_000) == [sent.shard]
    assert await store.outbox_older_than(sent.shard, made_at, 10) == []
    assert len(await store.outbox_older_than(sent.shard, made_at + 1_000_000, 10)) == 2
    assert await store.outbox_older_than(sent.shard, made_at + 1_000_000, 1) == [sent]
    assert await store.outbox_older_than((sent.shard + 1) % 8, made_at + 1_000_000, 10) == []
    figures = await store.figures()
    assert (figures.outbox_depth, figures.outbox_oldest_at_us) == (2, made_at)
    async with store.transaction() as transaction:
        await transaction.delete_outbox([(sent.shard, sent.id), (sent.shard, new_id())])
    assert (await store.figures()).outbox_depth == 1


async def test_rows_of_the_batch_before_are_deleted_with_the_next_batch(store: Store) -> None:
    row = await one_started(store)
    sent, next_one = outbox(row.id, 2), outbox(row.id, 3)
    async with store.transaction() as transaction:
        await transaction.lock_sagas([row.id], wait=False)
        await transaction.save([move(row, more={"outbox": (sent,)})])
    async with store.transaction() as transaction:
        await transaction.delete_outbox([(sent.shard, sent.id)])
        locked = await transaction.lock_sagas([row.id], wait=False)
        await transaction.save([move(locked[row.id], more={"outbox": (next_one,)})])
        assert await transaction.advance([step_to(1, after=0)])
    assert await store.outbox_older_than(shard_of(row.id), LATER, 10) == [next_one]


async def test_only_one_sweeps_a_shard(store: Store) -> None:
    async with store.shard_lock(3) as ours:
        assert ours
        async with store.shard_lock(3) as again:
            assert again == (store.dialect == "sqlite")  # one process, one sweeper: nobody to keep away
    async with store.shard_lock(3) as ours:
        assert ours


# -- attention and spans


async def test_attention_is_added_once_and_cleared_by_name(store: Store) -> None:
    row = await one_started(store)
    first = AttentionRow(saga_id=row.id, step="charge", reason="conflict", since_us=5, note="look")
    whole = AttentionRow(saga_id=row.id, step="", reason="definition_missing", since_us=6, note="")
    await apply(store, row.id, more={"attention_added": (first, whole)})
    await apply(store, row.id, more={"attention_added": (replace(first, since_us=99, note="look again"),)})
    assert await store.attention_of(row.id) == [whole, replace(first, note="look again")]
    assert sum((await store.figures()).attention_by_reason.values()) == 2
    await apply(store, row.id, more={"attention_cleared": (("charge", "conflict"), ("ship", "never there"))})
    assert await store.attention_of(row.id) == [whole]


async def test_a_reason_cleared_and_added_in_one_write_begins_anew(store: Store) -> None:
    row = await one_started(store)
    again = AttentionRow(saga_id=row.id, step="charge", reason="silent", since_us=5, note="")
    await apply(store, row.id, more={"attention_added": (again,)})
    again = replace(again, since_us=9)
    await apply(store, row.id, more={"attention_added": (again,), "attention_cleared": (("charge", "silent"),)})
    assert await store.attention_of(row.id) == [again]


async def test_a_saga_may_start_with_attention(store: Store) -> None:
    row = row_of(await register(store))
    reason = AttentionRow(saga_id=row.id, step="", reason="definition_missing", since_us=6, note="")
    async with store.transaction() as transaction:
        await transaction.save([start_of(row, attention_added=(reason,))])
    assert await store.attention_of(row.id) == [reason]


async def test_owed_spans_are_listed_in_order_and_forgotten_by_key(store: Store) -> None:
    first, second = await one_started(store), await one_started(store)
    await apply(store, second.id, more={"spans_due": (1,)})
    await apply(store, first.id, more={"spans_due": (1, 2)})
    owed = [(first.id, 1), (first.id, 2), (second.id, 1)]
    assert await store.spans_due(after=None, limit=10) == owed
    assert await store.spans_due(after=None, limit=2) == owed[:2]
    assert await store.spans_due(after=first.id, limit=10) == owed[2:]
    figures = await store.figures()
    assert figures.spans_due == 3
    assert figures.spans_oldest_at_us == min(record.at_us for record in await store.journal(first.id, after=0, limit=2))
    async with store.transaction() as transaction:
        await transaction.delete_spans_due([(first.id, 1), (second.id, 1), (second.id, 7)])
    assert await store.spans_due(after=None, limit=10) == [(first.id, 2)]


async def test_sagas_and_whole_journals_are_read_together(store: Store) -> None:
    first, second, nobody = await one_started(store), await one_started(store), uuid4()
    await apply(store, first.id)
    rows = await store.sagas([first.id, second.id, nobody])
    assert {id: row.version for id, row in rows.items()} == {first.id: 2, second.id: 1}
    journals = await store.journals([first.id, second.id, nobody])
    assert {id: [record.version for record in journal] for id, journal in journals.items()} == {
        first.id: [1, 2],
        second.id: [1],
        nobody: [],
    }
    assert (await store.sagas([]), await store.journals([])) == ({}, {})


async def test_one_at_a_time_is_the_projector(store: Store) -> None:
    async with store.projector_lock() as mine:
        assert mine
        if store.dialect == "postgresql":
            async with store.projector_lock() as somebody_elses:
                assert not somebody_elses
    async with store.projector_lock() as mine_again:
        assert mine_again


async def test_nothing_and_the_largest_numbers_are_stored_as_they_are(store: Store) -> None:
    definition = await register(store)
    plain = row_of(definition, parent_span=None, tracestate=None, max_expiry_us=2**63 - 1)
    rich = row_of(definition, business_key="k", baggage='{"a, b": "NULL \\"\'"}', max_expiry_us=-(2**63), wake_at_us=0)
    closed = row_of(definition, phase="COMPLETED", wake_at_us=None, closed_at_us=7)
    for together in ([plain], [rich, closed], [plain, rich, closed]):
        fresh = [replace(row, id=new_id()) for row in together]
        await start(store, *fresh)
        assert await store.sagas([row.id for row in fresh]) == {row.id: row for row in fresh}


async def test_a_number_that_is_too_large_is_a_bad_row(store: Store) -> None:
    row = await one_started(store)
    with pytest.raises(BadRow):
        await apply(store, row.id, max_expiry_us=2**63)
    assert await store.saga(row.id) == row
