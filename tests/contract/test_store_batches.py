"""Batches of acts, confirmations and redrives on both databases: each moves only from where it
stood, and what is old goes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from uuid import UUID

from contract.store_rows import new_id
from saga_coordinator.store.batch_records import CONFIRMED, DONE, PENDING, REFUSED, RUNNING, STOPPED
from saga_coordinator.store.identifiers import first_id
from saga_coordinator.store.identifiers import new_id as id_of
from saga_coordinator.store.port import BatchRow, BatchStep, ConfirmationRow, DeadLetter, RedriveRow, Store
from saga_coordinator.store.removal_port import OldRows

DAY_US = 86_400_000_000
MANY = 100


def batch_row(**changed: object) -> BatchRow:
    row = BatchRow(
        id=new_id(),
        tenant="default",
        act="cancel",
        query="phase = RUNNING",
        why="wrong prices",
        who="ada",
        rate=20,
        found=3,
        created_at_us=1,
        place=UUID(int=2**127),
        moved_at_us=1,
    )
    return replace(row, **changed)  # type: ignore[arg-type]


def confirmation_row(now_us: int, **changed: object) -> ConfirmationRow:
    row = ConfirmationRow(
        id=new_id(),
        tenant="default",
        act="waive",
        target="step charge of o-17",
        arguments='{"step": "charge"}',
        who="ada",
        why="refunded",
        asked_at_us=now_us,
        expires_at_us=now_us + DAY_US,
    )
    return replace(row, **changed)  # type: ignore[arg-type]


async def add(store: Store, *rows: BatchRow, most: int = MANY) -> list[bool]:
    added = []
    for row in rows:
        async with store.transaction() as tx:
            added.append(await tx.add_batch(row, most))
    return added


async def step(store: Store, row: BatchRow, one: BatchStep) -> bool:
    async with store.transaction() as tx:
        return await tx.step_batch(row.id, one)


async def ask(store: Store, row: ConfirmationRow, most: int = MANY) -> ConfirmationRow | None:
    async with store.transaction() as tx:
        return await tx.add_confirmation(row, most)


async def settle(store: Store, row: ConfirmationRow, status: str, tenant: str = "default") -> bool:
    async with store.transaction() as tx:
        return await tx.settle_confirmation(tenant, row.id, status, who="bob", why="seen")


# --- batches --------------------------------------------------------------------------------------


async def test_a_batch_is_read_as_it_was_written_and_only_by_its_tenant(store: Store) -> None:
    row, other = batch_row(), batch_row(tenant="another")
    assert await add(store, row, other) == [True, True]
    assert await store.batch("default", row.id) == row
    assert await store.batch("another", row.id) is None
    assert await store.open_batches("default") == [row]
    assert await store.batches("another", before=None, limit=9) == [other]


async def test_batches_are_listed_newest_first_by_pages(store: Store) -> None:
    rows = [batch_row(id=id_of(at * 1_000_000)) for at in range(1, 6)]
    await add(store, *rows)
    first = await store.batches("default", before=None, limit=2)
    assert first == rows[:2:-1]
    assert await store.batches("default", before=first[-1].id, limit=9) == rows[2::-1]
    assert await store.open_batches("default") == rows, "the oldest goes first"


async def test_only_so_many_run_at_a_time_whoever_adds_them(store: Store) -> None:
    rows = [batch_row() for _ in range(8)]

    async def one(row: BatchRow) -> bool:
        return (await add(store, row, most=3))[0]

    assert sum(await asyncio.gather(*map(one, rows))) == 3
    running = await store.open_batches("default")
    assert len(running) == 3
    async with store.transaction() as tx:
        assert await tx.end_batch(running[0].id)
    assert await add(store, batch_row(), most=3) == [True]


async def test_adding_a_batch_again_leaves_it_as_it_is(store: Store) -> None:
    row = batch_row()
    assert await add(store, row, replace(row, query="open = true")) == [True, True]
    assert await store.batch("default", row.id) == row


async def test_a_step_moves_the_place_and_counts(store: Store) -> None:
    row, saga = batch_row(), first_id(5_000_000)
    await add(store, row)
    assert await step(store, row, BatchStep(after=row.place, saga_id=saga, refused=1, outcomes='{"refused": {}}'))
    after = await store.batch("default", row.id)
    assert after is not None
    assert after.moved_at_us > row.moved_at_us
    expected = replace(row, place=saga, refused=1, outcomes='{"refused": {}}', moved_at_us=after.moved_at_us)
    assert after == expected


async def test_of_two_steps_from_one_place_one_moves(store: Store) -> None:
    row = batch_row()
    await add(store, row)
    steps = [BatchStep(after=row.place, saga_id=first_id(at * 1_000_000), done=1) for at in (5, 6)]
    assert sorted(await asyncio.gather(*(step(store, row, one) for one in steps))) == [False, True]
    after = await store.batch("default", row.id)
    assert after is not None
    assert after.done == 1


async def test_a_stopped_batch_does_nothing_more(store: Store) -> None:
    row = batch_row()
    await add(store, row)
    async with store.transaction() as tx:
        assert not await tx.stop_batch("another", row.id, who="eve", why="-")
        assert await tx.stop_batch("default", row.id, who="bob", why="enough")
        assert not await tx.stop_batch("default", row.id, who="eve", why="-")
    assert not await step(store, row, BatchStep(after=row.place, saga_id=first_id(5_000_000), done=1))
    async with store.transaction() as tx:
        assert not await tx.end_batch(row.id)
    after = await store.batch("default", row.id)
    assert after is not None
    assert (after.status, after.stopped_by, after.stopped_why, after.done) == (STOPPED, "bob", "enough", 0)
    assert after.ended_at_us is not None
    assert await store.open_batches("default") == []


async def test_an_ended_batch_runs_no_more(store: Store) -> None:
    row = batch_row()
    await add(store, row)
    async with store.transaction() as tx:
        assert await tx.end_batch(row.id)
    after = await store.batch("default", row.id)
    assert after is not None
    assert (after.status, after.stopped_by) == (DONE, None)
    assert row.status == RUNNING


async def test_one_instance_at_a_time_works_on_batches(store: Store) -> None:
    async with store.batches_lock() as mine:
        assert mine
        async with store.batches_lock() as others:
            assert others is (store.dialect == "sqlite"), "SQLite has one instance"


# --- confirmations --------------------------------------------------------------------------------


async def test_a_confirmation_is_settled_once_by_its_tenant(store: Store) -> None:
    row = confirmation_row(await store.now_us())
    assert await ask(store, row) is row
    assert await store.confirmation("default", row.id) == row
    assert await store.confirmation("another", row.id) is None
    assert not await settle(store, row, CONFIRMED, tenant="another")
    assert await store.confirmations("default", pending=True, before=None, limit=9) == [row]
    assert await settle(store, row, CONFIRMED)
    assert not await settle(store, row, REFUSED)
    after = await store.confirmation("default", row.id)
    assert after is not None
    assert (after.status, after.settled_by, after.settled_why) == (CONFIRMED, "bob", "seen")
    assert await store.confirmations("default", pending=True, before=None, limit=9) == []
    assert await store.confirmations("default", pending=False, before=None, limit=9) == [after]


async def test_a_confirmation_whose_time_is_over_is_not_settled_and_waits_no_more(store: Store) -> None:
    now_us = await store.now_us()
    late = confirmation_row(now_us - DAY_US, expires_at_us=now_us - 1)
    await ask(store, late)
    assert not await settle(store, late, CONFIRMED)
    assert await store.confirmations("default", pending=True, before=None, limit=9) == []
    assert late.status == PENDING


async def test_the_same_act_of_the_same_person_waits_once(store: Store) -> None:
    now_us = await store.now_us()
    row = confirmation_row(now_us)
    await ask(store, row)
    assert await ask(store, confirmation_row(now_us)) == row
    other = confirmation_row(now_us, who="bob")
    assert await ask(store, other) is other


async def test_only_so_many_wait(store: Store) -> None:
    now_us = await store.now_us()
    rows = [confirmation_row(now_us, target=f"o-{number}") for number in range(6)]
    asked = await asyncio.gather(*(ask(store, row, most=4) for row in rows))
    assert sum(one is not None for one in asked) == 4


# --- redrives -------------------------------------------------------------------------------------


async def test_of_two_redrives_of_a_letter_one_is_noted(store: Store) -> None:
    letter = new_id()

    async def begin(who: str) -> bool:
        async with store.transaction() as tx:
            before = await tx.redrive_of(letter)
            return await tx.put_redrive(before, redrive(letter, who)) if before is None else False

    assert sorted(await asyncio.gather(begin("ada"), begin("bob"))) == [False, True]
    assert (await store.redrives([letter, new_id()])).keys() == {letter}


async def test_a_redrive_is_written_over_what_was_read_only(store: Store) -> None:
    letter = new_id()
    first = redrive(letter, "ada")
    async with store.transaction() as tx:
        assert await tx.put_redrive(None, first)
    sent = replace(first, sent_at_us=7)
    async with store.transaction() as tx:
        assert await tx.put_redrive(first, sent)
        assert await tx.redrive_of(letter) == sent
    again = replace(redrive(letter, "bob"), tries=2, asked_at_us=9)
    async with store.transaction() as tx:
        assert await tx.put_redrive(sent, again)
        assert not await tx.put_redrive(sent, first)
    assert await store.redrives([letter]) == {letter: again}


def redrive(letter: UUID, who: str) -> RedriveRow:
    return RedriveRow(letter_id=letter, tries=1, asked_at_us=5, who=who, why="mended")


async def test_a_redrive_goes_with_its_letter(store: Store) -> None:
    old, young = (letter_of(at_us) for at_us in (1_000_000, await store.now_us()))
    async with store.transaction() as tx:
        await tx.add_dead_letters([old, young])
        for one in (old, young):
            assert await tx.put_redrive(None, redrive(one.id, "ada"))
    assert await removed(store, "dead_letter", 2_000_000) == 1
    assert (await store.redrives([old.id, young.id])).keys() == {young.id}


def letter_of(at_us: int) -> DeadLetter:
    return DeadLetter(
        id=id_of(at_us),
        consumer="starts",
        topic="saga.start",
        partition=0,
        offset=1,
        at_us=at_us,
        reason="definition_unknown",
        detail="",
        key=None,
        value=b"v",
        headers=b"[]",
        relayed=True,
    )


# --- what is old ----------------------------------------------------------------------------------


async def removed(store: Store, table: OldRows, before_us: int) -> int:
    async with store.transaction() as tx:
        return await tx.remove_old(table, "default", before_us, 10)


async def test_batches_that_ended_and_old_confirmations_go_and_no_others(store: Store) -> None:
    old, running, others, young = (batch_row(id=id_of(1_000_000)) for _ in range(4))
    others, young = replace(others, tenant="another"), replace(young, id=new_id())
    await add(store, old, running, others, young)
    async with store.transaction() as tx:
        for row in (old, others, young):
            assert await tx.end_batch(row.id)
    await ask(store, confirmation_row(0, id=id_of(1_000_000)))
    kept = confirmation_row(await store.now_us())
    await ask(store, kept)

    assert await store.oldest("batch", "default") == 1_000_000
    assert await removed(store, "batch", 2_000_000) == 1
    assert {row.id for row in await store.batches("default", before=None, limit=9)} == {running.id, young.id}
    assert len(await store.batches("another", before=None, limit=9)) == 1
    assert await removed(store, "confirmation", 2_000_000) == 1
    assert await store.confirmations("default", pending=False, before=None, limit=9) == [kept]
