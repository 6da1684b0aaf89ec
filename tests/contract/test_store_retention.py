"""What is no longer kept is removed whole, and nothing else: finished sagas with all that they had,
keys that outlive them, old rows; whoever starts, answers or acts at the same moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.dialects import postgresql, sqlite
from structlog.testing import capture_logs

from contract.store_rows import by_hand, claim, end, move, new_id, outbox, register, row_of, save, start, start_of
from saga_coordinator.archive.port import ArchivedSaga, ArchiveError
from saga_coordinator.definitions.retention import FOREVER, Terms
from saga_coordinator.retention.removal import Audited, Removal
from saga_coordinator.store import recovering
from saga_coordinator.store.finished import select_finished
from saga_coordinator.store.identifiers import new_id as id_of
from saga_coordinator.store.open import open_store
from saga_coordinator.store.port import (
    AttentionRow,
    ClaimFirst,
    ClaimResult,
    DeadLetter,
    InboxEvent,
    OrphanReply,
    SagaRow,
    StartClaim,
    Store,
)
from saga_coordinator.store.removal_port import FinishedOf, FinishedSaga, Leaving, OldRows, Removed, Stripped
from saga_coordinator.store.sqlite import FREE_PAGES_KEPT
from saga_schemas.ids import uuid7_unix_ms
from support.horizons import horizon_now

WON = ClaimResult(won=True)
ALL_US = 10**18
OF_SAGAS = [
    *("saga", "journal", "saga_listing", "saga_key", "saga_key_former", "start_request"),
    *("attention", "wakeup", "inbox_event", "outbox", "span_due", "removed_saga"),
]


def usual(shelf: int = 0, *, before_us: int = ALL_US, definition: str = "order", version: int = 1) -> FinishedOf:
    return FinishedOf(tenant="default", definition=definition, version=version, shelf=shelf, before_us=before_us)


async def finished(store: Store, shelf: int = 0) -> list[FinishedSaga]:
    return await store.finished(usual(shelf), after=None, limit=100)


async def started(store: Store, *claims: StartClaim, on_closed_allow: bool = False) -> list[ClaimResult]:
    """Claim, and start what won, as a start does."""
    definition = (await store.definitions("default"))[0].id
    replaced = {one.saga_id for one in claims} if on_closed_allow else set[UUID]()
    async with store.transaction(ClaimFirst(claims, replaced)) as tx:
        won = [one for one in claims if tx.claimed[one.saga_id].won]
        await tx.save([start_of(row_of(definition, id=one.saga_id, business_key=one.business_key)) for one in won])
        return [tx.claimed[one.saga_id] for one in claims]


async def ended(store: Store, *ids: UUID, phase: str = "COMPLETED") -> None:
    rows = await store.sagas(ids)
    await save(store, *(end(rows[id], phase) for id in ids))


async def remove(store: Store, *sagas: FinishedSaga, keys_until_us: int | None = None) -> Removed:
    async with store.transaction() as tx:
        return await tx.remove_sagas([Leaving(saga=one, keys_until_us=keys_until_us) for one in sagas])


async def rows_of(store_url: str, *tables: str) -> dict[str, int]:
    """How many rows there are, of tables that have any."""
    query = " UNION ALL ".join(f"SELECT '{name}', count(*) FROM {name}" for name in tables or OF_SAGAS)
    return {name: count for name, count in await by_hand(store_url, query) if count}


def letter(at_us: int, *, relayed: bool = True) -> DeadLetter:
    return DeadLetter(
        id=id_of(at_us),
        consumer="replies",
        topic="saga.reply.order",
        partition=0,
        offset=1,
        at_us=at_us,
        reason="token_invalid",
        detail="",
        key=None,
        value=None,
        headers=b"",
        relayed=relayed,
    )


def orphan(at_us: int) -> OrphanReply:
    return OrphanReply(id=id_of(at_us), saga_id=new_id(), at_us=at_us, topic="t", partition=0, offset=1, headers=b"", value=None)


# --- what is found --------------------------------------------------------------------------------


async def test_finished_sagas_come_in_order_of_their_end_page_by_page_and_open_ones_never(store: Store) -> None:
    definition = await register(store)
    rows = [row_of(definition, started_at_us=at) for at in (50, 10, 30, 20)]
    await start(store, *rows, row_of(definition))
    for row in rows:
        await ended(store, row.id)
    wanted = [rows[1].id, rows[3].id, rows[2].id, rows[0].id]
    first = await store.finished(usual(), after=None, limit=3)
    assert [one.id for one in first] == wanted[:3]
    rest = await store.finished(usual(), after=(first[-1].closed_at_us, first[-1].id), limit=3)
    assert [one.id for one in rest] == wanted[3:]
    assert [one.id for one in await store.finished(usual(before_us=21), after=None, limit=9)] == wanted[:1]
    assert await store.finished(usual(definition="refund"), after=None, limit=9) == []
    assert await store.finished(usual(version=2), after=None, limit=9) == []
    assert [await store.count_finished(usual(), most) for most in (3, 9)] == [3, 4]


async def test_one_that_ended_forced_or_needed_a_person_is_on_a_shelf_of_its_own(store: Store) -> None:
    definition = await register(store)
    usual_one, forced, needed = (row_of(definition) for _ in range(3))
    await start(store, usual_one, forced, needed)
    reason = AttentionRow(saga_id=needed.id, step="ship", reason="rejected", since_us=5, note="")
    await save(store, move(needed, phase="RUNNING", more={"attention_added": (reason,)}))
    row = await store.saga(needed.id)
    assert row is not None
    await save(store, move(row, phase="RUNNING", more={"attention_cleared": (("ship", "rejected"),)}))
    await ended(store, usual_one.id, needed.id)
    await ended(store, forced.id, phase="FORCED")
    assert [one.id for one in await finished(store)] == [usual_one.id]
    assert {one.id for one in await finished(store, 1)} == {forced.id, needed.id}


# --- what is removed ------------------------------------------------------------------------------


async def test_a_saga_is_removed_with_all_that_it_had_and_its_neighbour_keeps_all(store: Store, store_url: str) -> None:
    await register(store)
    gone, stays = claim("r-1", "k-1"), claim("r-2", "k-2")
    await started(store, gone, stays)
    await started(store, claim("r-3", "k-1"), claim("r-4", "k-2"))
    for one in (gone, stays):
        reason = AttentionRow(saga_id=one.saga_id, step="", reason="conflict", since_us=5, note="")
        row = await store.saga(one.saga_id)
        assert row is not None
        await save(store, end(row, attention_added=(reason,)))
    async with store.transaction() as tx:
        await tx.put_inbox([InboxEvent(id=new_id(), saga_id=one.saga_id, kind="reply", body=b"") for one in (gone, stays)])
    before = await rows_of(store_url)
    found = next(each for each in await finished(store, 1) if each.id == gone.saga_id)
    removed = await remove(store, found)
    assert removed.sagas == (gone.saga_id,)
    assert removed.held == {}
    after = await rows_of(store_url)
    assert after == {table: count // 2 for table, count in before.items()}
    assert await store.saga(stays.saga_id) is not None


async def test_a_key_and_a_request_of_a_removed_saga_start_a_new_one(store: Store) -> None:
    await register(store)
    old = claim("r", "k")
    await started(store, old)
    await ended(store, old.saga_id)
    await remove(store, *await finished(store))
    again = claim("r", "k")
    assert await started(store, again) == [WON]
    assert [one.id for one in await store.sagas_by_key("default", "k", "order")] == [again.saga_id]


async def test_a_key_that_was_taken_over_stays_with_its_new_saga(store: Store, store_url: str) -> None:
    await register(store)
    old, new = claim("r-1", "k"), claim("r-2", "k")
    await started(store, old)
    await ended(store, old.saga_id)
    assert await started(store, new, on_closed_allow=True) == [WON]
    await remove(store, *await finished(store))
    assert await started(store, claim("r-3", "k")) == [ClaimResult(won=False, key_saga=new.saga_id)]
    assert await rows_of(store_url, "saga_key", "saga_key_former") == {"saga_key": 1}


@pytest.mark.parametrize("what", ["open", "unpublished", "untraced", "unexpired"])
async def test_a_saga_of_which_something_is_left_to_do_stays_whole_and_others_go(store: Store, what: str) -> None:
    definition = await register(store)
    held, free = row_of(definition), row_of(definition)
    await start(store, held, free)
    now_us = await store.now_us()
    left: dict[str, dict[str, Any]] = {
        "unpublished": {"outbox": (outbox(held.id, 2),)},
        "untraced": {"spans_due": (2,)},
    }
    changed = {"max_expiry_us": now_us + 60_000_000} if what == "unexpired" else {}
    if what != "open":
        await save(
            store, move(held, phase="COMPLETED", wake_at_us=None, closed_at_us=now_us + 1_000, more=left.get(what), **changed)
        )
    await save(store, move(free, phase="COMPLETED", wake_at_us=None, closed_at_us=now_us + 1_000))
    found = await finished(store)
    one = next(one for one in found if one.id == free.id)
    asked = [one, *(other for other in found if other.id == held.id)]
    if what == "open":
        asked.append(FinishedSaga(**{**{name: getattr(one, name) for name in one.__dataclass_fields__}, "id": held.id}))
    removed = await remove(store, *asked)
    assert removed.sagas == (free.id,)
    assert removed.held == {what: 1}
    row = await store.saga(held.id)
    assert row is not None
    assert len(await store.journal(held.id, after=0, limit=9)) == row.version


async def test_a_message_of_another_saga_holds_nobody(store: Store) -> None:
    definition = await register(store)
    one, other = row_of(definition), row_of(definition)
    await start(store, one)
    async with store.transaction() as tx:
        await tx.save([start_of(other, outbox=(outbox(other.id, 1),))])
    await ended(store, one.id)
    assert (await remove(store, *await finished(store))).sagas == (one.id,)


async def test_the_watermark_is_the_latest_start_that_was_removed_and_never_falls(store: Store) -> None:
    definition = await register(store)
    now_us = await store.now_us()
    rows = [row_of(definition, id=id_of(now_us - 5_000_000 * age)) for age in (1, 0)]
    await start(store, *rows)
    await ended(store, *(row.id for row in rows))
    by_id = {one.id: one for one in await finished(store)}
    async with store.transaction() as tx:
        assert await tx.removed_until_ms("default") == 0
    for row in reversed(rows):
        await remove(store, by_id[row.id])
        async with store.transaction() as tx:
            assert await tx.removed_until_ms("default") == uuid7_unix_ms(rows[1].id)
            assert await tx.removed_until_ms("another") == 0


async def test_after_a_restore_the_watermark_stands_still(store: Store) -> None:
    """Sagas that were lost began behind it: else their late replies would be taken for old ones."""
    definition = await register(store)
    now_us = await store.now_us()
    before, lost_at_us, after = (now_us - 5_000_000 * age for age in (3, 2, 1))
    rows = [row_of(definition, id=id_of(at_us)) for at_us in (before, after)]
    await start(store, *rows)
    await ended(store, *(row.id for row in rows))
    by_id = {one.id: one for one in await finished(store)}
    await remove(store, by_id[rows[0].id])
    async with store.transaction() as tx:
        await tx.set_control(scope=recovering.SCOPE, tenant="default", name="incarnation", value="2", who="test", why="restored")
    assert (await remove(store, by_id[rows[1].id])).sagas == (rows[1].id,)
    async with store.transaction() as tx:
        assert await tx.removed_until_ms("default") == uuid7_unix_ms(rows[0].id) < lost_at_us // 1000


async def test_a_removal_that_is_rolled_back_removes_nothing(store: Store, store_url: str) -> None:
    await register(store)
    one = claim("r", "k")
    await started(store, one)
    await ended(store, one.saga_id)
    before = await rows_of(store_url, *OF_SAGAS, "control")
    found = await finished(store)

    async def broken() -> None:
        async with store.transaction() as tx:
            await tx.remove_sagas([Leaving(saga=each) for each in found])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await broken()
    assert await rows_of(store_url, *OF_SAGAS, "control") == before


async def test_a_removal_again_removes_nothing(store: Store) -> None:
    definition = await register(store)
    row = row_of(definition)
    await start(store, row)
    await ended(store, row.id)
    found = await finished(store)
    await remove(store, *found)
    again = await remove(store, *found)
    assert (again.sagas, again.held) == ((), {"locked": 1})


# --- keys that outlive their sagas ----------------------------------------------------------------


async def test_keys_that_are_kept_longer_give_the_removed_saga_until_their_time(store: Store, store_url: str) -> None:
    await register(store)
    old = claim("r-1", "k")
    await started(store, old)
    await ended(store, old.saga_id)
    now_us = await store.now_us()
    await remove(store, *await finished(store), keys_until_us=now_us + 3_600_000_000)
    assert await started(store, claim("r-1", "k")) == [ClaimResult(won=False, request_saga=old.saga_id, request_hash=b"hash")]
    assert await started(store, claim("r-2", "k")) == [ClaimResult(won=False, key_saga=old.saga_id, key_closed=True)]
    async with store.transaction() as tx:
        assert await tx.remove_kept_keys("default", 10) == 0
    await by_hand(store_url, "UPDATE removed_saga SET keys_until = 1")
    async with store.transaction() as tx:
        assert await tx.remove_kept_keys("another", 10) == 0
        assert await tx.remove_kept_keys("default", 10) == 1
    assert await rows_of(store_url) == {}
    assert await started(store, claim("r-2", "k")) == [WON]


async def test_a_kept_key_may_be_taken_over_and_then_belongs_to_the_new_saga(store: Store, store_url: str) -> None:
    await register(store)
    old, new = claim("r-1", "k"), claim("r-2", "k")
    await started(store, old)
    await ended(store, old.saga_id)
    await remove(store, *await finished(store), keys_until_us=FOREVER)
    assert await started(store, new, on_closed_allow=True) == [WON]
    await by_hand(store_url, "UPDATE removed_saga SET keys_until = 1")
    async with store.transaction() as tx:
        assert await tx.remove_kept_keys("default", 10) == 1
    assert await started(store, claim("r-3", "k")) == [ClaimResult(won=False, key_saga=new.saga_id)]
    assert await rows_of(store_url, "saga_key", "saga_key_former", "removed_saga", "start_request") == {
        "saga_key": 1,
        "start_request": 2,
    }


# --- a saga that cannot be removed ----------------------------------------------------------------


class PickyArchive:
    """Has a bug for one saga, or is away."""

    def __init__(self, guilty: UUID) -> None:
        self.guilty: UUID | None = guilty

    async def keep(self, sagas: Sequence[ArchivedSaga]) -> None:
        if self.guilty is None:
            raise ArchiveError("it is away")
        if self.guilty in [saga.row.id for saga in sagas]:
            raise AssertionError("a bug")


async def test_a_saga_that_cannot_be_removed_keeps_no_other_and_is_told_of(store: Store) -> None:
    definition = await register(store)
    rows = [row_of(definition, max_expiry_us=0 if n < 3 else ALL_US) for n in range(4)]
    await start(store, *rows)
    await ended(store, *(row.id for row in rows))
    await horizon_now(store)
    one, guilty, other, unexpired = (row.id for row in rows)
    archive, by_hand = PickyArchive(guilty), Audited(who="me", why="the trial is over", target="order@1")
    removal, terms = Removal(store, archive), Terms.of(1, None, None, 1)
    with capture_logs() as told:
        taken = await removal.take("remove", await finished(store), terms, by_hand)
    assert (len(taken.looked_at), taken.removed.held) == (4, {"unreadable": 1, "unexpired": 1})
    assert set(taken.removed.sagas) == {one, other}
    assert [line["saga"] for line in told if line["event"] == "saga_not_removed"] == [str(guilty)]
    assert set(await store.sagas([row.id for row in rows])) == {guilty, unexpired}
    archive.guilty = None
    with pytest.raises(ArchiveError):
        await removal.take("remove", await finished(store), terms, by_hand)


# --- journals before their sagas ------------------------------------------------------------------


async def test_a_journal_may_go_before_its_saga_which_then_has_its_whole_state(store: Store) -> None:
    definition = await register(store)
    row = row_of(definition)
    await start(store, row)
    await ended(store, row.id)
    (one,) = await finished(store)
    async with store.transaction() as tx:
        done = await tx.strip_sagas([Stripped(saga=one, version=2, state_format=1, state=b"whole")])
    assert (done.sagas, done.rows) == ((row.id,), 2)
    after = await store.saga(row.id)
    assert after is not None
    assert (after.state, after.state_version, after.version) == (b"whole", 2, 2)
    assert await store.journal(row.id, after=0, limit=9) == []
    assert await finished(store) == []
    (stripped,) = await finished(store, 2)
    assert (await remove(store, stripped)).sagas == (row.id,)


# --- rows that go by their own age ----------------------------------------------------------------


async def test_old_letters_orphans_and_acts_go_oldest_first_and_letters_only_once_relayed(store: Store) -> None:
    now_us = await store.now_us()
    tables: tuple[OldRows, ...] = ("dead_letter", "orphan_reply", "audit")
    assert [await store.oldest(table, "default") for table in tables] == [None, None, None]
    ages_us = [now_us - days * 86_400_000_000 for days in (90, 60, 1)]
    async with store.transaction() as tx:
        await tx.add_dead_letters([letter(at) for at in ages_us] + [letter(now_us - 9 * 10**12, relayed=False)])
        await tx.add_orphans([orphan(at) for at in ages_us])
        for at in ages_us:
            await tx.add_audit(tenant="default", act="cancel", target="x", who="me", why="", at_us=at)
        await tx.add_audit(tenant="another", act="cancel", target="x", who="me", why="", at_us=1)
    before_us = now_us - 30 * 86_400_000_000
    for table in tables:
        oldest_us = await store.oldest(table, "default")
        assert oldest_us is not None
        assert abs(oldest_us - ages_us[0]) < 1_000
        async with store.transaction() as tx:
            assert [await tx.remove_old(table, "default", before_us, 1) for _ in range(3)] == [1, 1, 0]
    assert len(await store.dead_letters(before=None, limit=9)) == 2


# --- what it costs to find ------------------------------------------------------------------------


@pytest.mark.parametrize("onwards", [False, True])
async def test_what_is_due_is_found_by_an_index(store: Store, store_url: str, onwards: bool) -> None:
    query = select_finished(usual(before_us=9), (7, UUID(int=7)) if onwards else None).limit(5)
    text = with_values(query, sqlite.dialect() if store.dialect == "sqlite" else postgresql.dialect())  # type: ignore[no-untyped-call]
    if store.dialect == "sqlite":
        plan = await by_hand(store_url, f"EXPLAIN QUERY PLAN {text}")
    else:
        plan = await by_hand(store_url, "SET enable_seqscan = off", f"EXPLAIN {text}")
    told = " ".join(str(row) for row in plan)
    assert "saga_listing_finished" in told
    assert "Sort" not in told
    assert "TEMP B-TREE" not in told


def with_values(query: Any, dialect: Any) -> str:
    """SQLAlchemy writes no bytes into a statement's text."""
    if dialect.name == "postgresql":
        return str(query.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    compiled = query.compile(dialect=dialect)
    text = str(compiled)
    for name in compiled.positiontup:
        value = compiled.params[name]
        text = text.replace("?", f"x'{value.hex}'" if isinstance(value, UUID) else repr(value), 1)
    return text


# --- everybody at once ----------------------------------------------------------------------------


@asynccontextmanager
async def another(store_url: str, store: Store) -> AsyncIterator[Store]:
    """A second instance where there may be one."""
    if store.dialect == "sqlite":
        yield store
        return
    other = open_store(store_url)
    await other.start()
    try:
        yield other
    finally:
        await other.stop()


class Held:
    """A transaction that removes and then waits before its commit."""

    def __init__(self, store: Store, *sagas: FinishedSaga, keys_until_us: int | None = None) -> None:
        self._store, self._sagas, self._until = store, sagas, keys_until_us
        self.removed, self.go = asyncio.Event(), asyncio.Event()
        self.result: Removed | None = None

    async def run(self) -> None:
        async with self._store.transaction() as tx:
            self.result = await tx.remove_sagas([Leaving(saga=one, keys_until_us=self._until) for one in self._sagas])
            self.removed.set()
            await self.go.wait()


async def while_removing(store: Store, act: Callable[[], Awaitable[object]], *sagas: FinishedSaga) -> object:
    """What an act comes to that begins while a removal is not yet committed."""
    held = Held(store, *sagas)
    removing = asyncio.create_task(held.run())
    await held.removed.wait()
    acting = asyncio.ensure_future(act())
    await asyncio.sleep(0.3)
    held.go.set()
    await removing
    return await acting


@pytest.mark.parametrize("on_closed_allow", [False, True])
@pytest.mark.parametrize("request_id", ["r-1", "r-2"])
async def test_a_start_that_meets_a_removal_starts_a_saga_of_its_own(
    store: Store, store_url: str, request_id: str, on_closed_allow: bool
) -> None:
    await register(store)
    old, new = claim("r-1", "k"), claim(request_id, "k")
    await started(store, old)
    await ended(store, old.saga_id)
    async with another(store_url, store) as other:
        result = await while_removing(store, lambda: started(other, new, on_closed_allow=on_closed_allow), *await finished(store))
    assert result == [WON]
    assert await store.saga(new.saga_id) is not None
    assert await rows_of(store_url, "saga", "saga_key", "saga_key_former", "start_request") == {
        "saga": 1,
        "saga_key": 1,
        "start_request": 1,
    }


async def test_a_removal_passes_over_a_saga_that_a_start_has_found_by_its_key(store: Store, store_url: str) -> None:
    """What the start binds to it would be left behind; the removal that follows takes it along."""
    await register(store)
    old, late = claim("r-1", "k"), claim("r-2", "k")
    await started(store, old)
    await ended(store, old.saga_id)
    found = await finished(store)
    if store.dialect == "sqlite":
        await started(store, late)
    else:
        async with another(store_url, store) as other, store.transaction(ClaimFirst([late])) as tx:
            assert tx.claimed[late.saga_id] == ClaimResult(won=False, key_saga=old.saga_id, key_closed=True)
            passed_over = await remove(other, *found)
            assert (passed_over.sagas, passed_over.held) == ((), {"locked": 1})
    assert (await remove(store, *found)).sagas == (old.saga_id,)
    assert await rows_of(store_url) == {}


async def test_a_take_over_that_is_under_way_holds_the_saga_until_it_is_done(store: Store, store_url: str) -> None:
    await register(store)
    old, new = claim("r-1", "k"), claim("r-2", "k")
    await started(store, old)
    await ended(store, old.saga_id)
    found = await finished(store)
    if store.dialect == "sqlite":
        assert await started(store, new, on_closed_allow=True) == [WON]
    else:
        definition = (await store.definitions("default"))[0].id
        async with another(store_url, store) as other, store.transaction(ClaimFirst([new], {new.saga_id})) as tx:
            assert tx.claimed[new.saga_id] == WON
            assert (await remove(other, *found)).sagas == ()
            await tx.save([start_of(row_of(definition, id=new.saga_id, business_key="k"))])
    assert (await remove(store, *found)).sagas == (old.saga_id,)
    assert await rows_of(store_url, "saga", "saga_key", "saga_key_former", "start_request") == {
        "saga": 1,
        "saga_key": 1,
        "start_request": 1,
    }


async def test_starts_that_meet_removed_keys_of_longer_life_start_their_own(store: Store, store_url: str) -> None:
    await register(store)
    old, new = claim("r-1", "k"), claim("r-2", "k")
    await started(store, old)
    await ended(store, old.saga_id)
    await remove(store, *await finished(store), keys_until_us=1)
    removed, go = asyncio.Event(), asyncio.Event()

    async def removing() -> None:
        async with store.transaction() as tx:
            assert await tx.remove_kept_keys("default", 10) == 1
            removed.set()
            await go.wait()

    async with another(store_url, store) as other:
        first = asyncio.create_task(removing())
        await removed.wait()
        second = asyncio.create_task(started(other, new))
        await asyncio.sleep(0.3)
        go.set()
        await first
        assert await second == [WON]
    assert await rows_of(store_url, "start_request", "removed_saga", "saga_key") == {"start_request": 1, "saga_key": 1}


async def test_an_operators_act_and_a_late_reply_wait_or_pass_and_find_no_saga(store: Store, store_url: str) -> None:
    definition = await register(store)
    row = row_of(definition)
    await start(store, row)
    await ended(store, row.id)

    async def act(store: Store, wait: bool) -> dict[UUID, SagaRow]:
        async with store.transaction() as tx:
            return await tx.lock_sagas([row.id], wait=wait)

    async with another(store_url, store) as other:
        found = await while_removing(store, lambda: asyncio.gather(act(other, True), act(other, False)), *await finished(store))
    assert found == [{}, {}]


async def test_starts_and_removals_at_once_lose_no_start_and_leave_nothing(store: Store, store_url: str) -> None:
    """Many starts of few keys, each finished at once, while two remove whatever is finished."""
    await register(store)
    stop = asyncio.Event()
    outcomes: list[tuple[StartClaim, ClaimResult]] = []

    async def starting(store: Store, worker: int) -> None:
        for n in range(25):
            one = claim(f"r-{worker}-{n}", f"k-{n % 3}")
            (result,) = await started(store, one, on_closed_allow=n % 2 == 0)
            outcomes.append((one, result))
            if result.won:
                await ended(store, one.saga_id)

    async def removing(store: Store) -> None:
        while not stop.is_set():
            await remove(store, *await finished(store))
            await asyncio.sleep(0)

    async with another(store_url, store) as other:
        removers = [asyncio.create_task(removing(each)) for each in (store, other)]
        await asyncio.gather(*(starting(each, n) for n, each in enumerate((store, other, store, other))))
        stop.set()
        await asyncio.gather(*removers)
    await remove(store, *await finished(store))
    assert len(outcomes) == 100
    assert sum(result.won for _, result in outcomes) >= 3
    assert await rows_of(store_url) == {}


async def test_one_removes_at_a_time_on_postgresql(database_url: str) -> None:
    one, other = open_store(database_url), open_store(database_url)
    await one.upgrade()
    await one.start()
    await other.start()
    try:
        async with one.retention_lock() as mine, other.retention_lock() as others, one.projector_lock() as apart:
            assert (mine, others, apart) == (True, False, True)
        async with other.retention_lock() as free:
            assert free
    finally:
        await one.stop()
        await other.stop()


# --- space ----------------------------------------------------------------------------------------


async def test_a_sqlite_file_shrinks_again_a_part_at_a_time(sqlite_url: str) -> None:
    store = open_store(sqlite_url)
    await store.start()
    try:
        definition = await register(store)
        big = [row_of(definition, state=b"x" * 20_000) for _ in range(600)]
        await start(store, *big)
        await ended_all(store, big)
        (pages,) = (await by_hand(sqlite_url, "PRAGMA page_count"))[0]
        while found := await finished(store):
            await remove(store, *found)
        freed = 0
        while given := await store.give_back():
            freed += given
        assert freed > 2_000_000
        (left,) = (await by_hand(sqlite_url, "PRAGMA page_count"))[0]
        (free,) = (await by_hand(sqlite_url, "PRAGMA freelist_count"))[0]
        assert left < pages / 2
        assert free <= FREE_PAGES_KEPT
    finally:
        await store.stop()


async def ended_all(store: Store, rows: list[SagaRow]) -> None:
    for at in range(0, len(rows), 100):
        await save(store, *(end(row) for row in rows[at : at + 100]))
