"""What announcements do at a participant, through its real transactions: the horizon, the removal
of rows, and the sweep."""

from __future__ import annotations

import asyncio
import os
import random
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete, insert, select, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from contract.barrier_shop import Shop, Way, accepted, give
from saga_participant.announcements import collector
from saga_participant.outcomes import AnswerRefused
from saga_participant.tables import saga_barrier
from saga_schemas.codec import decode
from saga_schemas.errors import BadMessage
from saga_schemas.horizon import Horizon
from saga_schemas.ids import uuid7
from saga_schemas.outcomes import Kind, Outcome, RowState
from saga_schemas.records import HorizonRecord, Sweep, SweepPosition, SweptRow, SweptRows
from support.orders import until
from support.till.announced import Announcer, announcement, received
from support.till.groups import KnownToBeQuick
from support.till.shop import GiveBack, Take, Taken

ROADS = ["sqlite connection", "postgresql connection", "postgresql asyncpg", "postgresql asyncpg in-a-group"]
by_each_road = pytest.mark.parametrize("way", ROADS, indirect=True)
on_both = pytest.mark.parametrize("way", ["sqlite connection", "postgresql asyncpg"], indirect=True)
on_postgresql = pytest.mark.parametrize("way", ["postgresql connection", "postgresql asyncpg"], indirect=True)
HOUR_MS = 3_600_000
SWEEP = Sweep.of(limit=1)


@pytest.fixture
async def shop(way: Way) -> AsyncIterator[Shop]:
    """A till whose commands are of a tenant of their own: what it remembers is of this test."""
    made = Shop(way.url, way.handle, way.tester)
    made.tester._tenant = f"t{uuid.uuid4().hex[:12]}"
    async with made.tester:
        yield made


@pytest.fixture
def announcer(shop: Shop) -> Announcer:
    return Announcer(shop.tester._running.database, shop.tester._tenant)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def saga_of(unix_ms: int) -> UUID:
    return uuid7(unix_ms * 1000, os.urandom(10))


def old_saga(shop: Shop) -> UUID:
    """Commands are of a saga that began two hours ago."""
    shop.tester.saga_id = saga_of(now_ms() - 2 * HOUR_MS)
    return shop.tester.saga_id


async def rows_of(engine: AsyncEngine, tenant: str) -> list[UUID]:
    key = saga_barrier.c.saga_id
    async with engine.connect() as connection:
        found = await connection.execute(select(key).where(saga_barrier.c.tenant == tenant).order_by(key))
        return list(found.scalars())


async def rows(shop: Shop) -> list[UUID]:
    return await rows_of(shop.tester.engine, shop.tester._tenant)


# --- commands below the horizon -------------------------------------------------------------------


@by_each_road
async def test_below_the_horizon_a_command_without_a_row_has_expired(shop: Shop, announcer: Announcer) -> None:
    done = old_saga(shop)
    assert await shop.says(Kind.ACTION) == "SUCCEEDED"
    excepted, below_ms = saga_of(now_ms() - HOUR_MS - 5), now_ms() - HOUR_MS
    assert await announcer.hears(below_ms, excepted) == below_ms

    for kind in Kind:
        old_saga(shop)
        assert await shop.says(kind) == "EXPIRED"
        assert (await shop.row(), await shop.effects()) == (None, [])
    shop.tester.saga_id = excepted
    assert [await shop.says(kind) for kind in (Kind.ACTION, Kind.COMPENSATION)] == ["SUCCEEDED", "UNDONE"]
    shop.tester.saga_id = saga_of(below_ms)
    assert await shop.says(Kind.ACTION) == "SUCCEEDED"
    shop.tester.saga_id = done
    assert [await shop.says(kind) for kind in (Kind.ACTION, Kind.RESOLVE, Kind.COMPENSATION)] == ["SUCCEEDED"] * 2 + ["UNDONE"]
    assert await shop.effects() == ["take 1", "give back 1"], "the row decides above all"


@on_both
async def test_a_horizon_is_remembered_whatever_comes_late_or_twice(shop: Shop, announcer: Announcer) -> None:
    low, high = now_ms() - 3 * HOUR_MS, now_ms() - HOUR_MS
    excepted = saga_of(low + 5)
    told = [(low, ()), (high, (excepted,)), (low, (saga_of(low - 5),)), (high, (excepted, saga_of(low - 9))), (high, (excepted,))]
    for below_ms, exceptions in told:
        assert await announcer.hears(below_ms, *exceptions) in (low, high)
    for below_ms, exceptions in random.sample(told, len(told)):
        assert await announcer.hears(below_ms, *exceptions) == high

    known = (await announcer.memory.known()).by_tenant[announcer.tenant]
    assert known.horizon == Horizon(below_ms=high, exceptions=frozenset({excepted}))


@on_both
async def test_what_is_bad_changes_nothing(shop: Shop, announcer: Announcer) -> None:
    await announcer.hears(1000)
    before = (await announcer.memory.known()).by_tenant[announcer.tenant]
    good = HorizonRecord.of(Horizon(below_ms=2000))
    bad = [
        (announcement(HorizonRecord.of(Horizon(below_ms=now_ms() + HOUR_MS)), tenant=announcer.tenant), "horizon_in_future"),
        (announcement(good, tenant=announcer.tenant, ce_sagatoken=b"k1.forged"), "token_invalid"),
        (announcement(good, tenant=announcer.tenant, ce_sagaincarnation=b"2"), "token_invalid"),
    ]

    for sent, reason in bad:
        with pytest.raises(BadMessage) as refused:
            await announcer.listener.answer(received(sent))
        assert refused.value.reason == reason
    assert (await announcer.memory.known()).by_tenant[announcer.tenant] == before


# --- the removal ----------------------------------------------------------------------------------


async def made_rows(engine: AsyncEngine, tenant: str, sagas: list[UUID], steps: int = 1) -> None:
    values = [
        {
            "saga_id": saga,
            "step": f"s{step}",
            "tenant": tenant,
            "incarnation": 1,
            "run": 1,
            "state": "DONE",
            "expires_at": 0,
            "at": 0,
        }
        for saga in sagas
        for step in range(steps)
    ]
    async with engine.begin() as connection:
        await connection.execute(insert(saga_barrier), values)


@on_both
async def test_what_is_covered_goes_in_batches_and_nothing_else(
    shop: Shop, announcer: Announcer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collector, "BATCH_ROWS", 7)
    below_ms, engine = now_ms() - HOUR_MS, shop.tester.engine
    covered = [saga_of(below_ms - 1 - age) for age in range(40)]
    kept = sorted([covered[3], covered[20], saga_of(below_ms), saga_of(now_ms())])
    await made_rows(engine, announcer.tenant, [*covered, *kept[2:]], steps=2)
    await made_rows(engine, other := f"{announcer.tenant}-other", [saga_of(below_ms - 50)])
    await announcer.collector.look()
    assert len(await rows(shop)) == 84, "nothing was announced"

    await announcer.hears(below_ms, covered[3], covered[20])
    assert len(await rows(shop)) == 84, "a process that is killed here has removed nothing"
    restarted = Announcer(shop.tester._running.database, announcer.tenant)
    await restarted.collector.look()

    assert sorted(set(await rows(shop))) == kept
    assert len(await rows_of(engine, other)) == 1
    assert restarted.metrics.rows_removed >= 2 * 38
    assert restarted.metrics.horizon is not None


@by_each_road
async def test_every_command_replayed_after_the_removal_makes_no_effect(shop: Shop, announcer: Announcer) -> None:
    sagas = [saga_of(now_ms() - 2 * HOUR_MS + place) for place in range(9)]
    for place, saga in enumerate(sagas):
        shop.tester.saga_id = saga
        for kind in (Kind.ACTION, Kind.COMPENSATION, Kind.RESOLVE)[: place % 3 + 1]:
            await shop.ask(kind)
    standing = {str(saga): await ledger(shop, saga) for saga in sagas}
    await announcer.hears(now_ms() - HOUR_MS, sagas[0])
    await announcer.collector.look()
    assert [saga for saga in await rows(shop) if saga in sagas] == [sagas[0]]

    asked = [(saga, kind, run) for saga in sagas for kind in (Kind.ACTION, Kind.RESOLVE) for run in (1, 2)] * 2
    for saga, kind, run in random.sample(asked, len(asked)):
        shop.tester.saga_id = saga
        assert await shop.says(kind, run) == ("SUCCEEDED" if saga == sagas[0] else "EXPIRED")
    for saga in sagas[1:]:
        shop.tester.saga_id = saga
        assert await shop.says(Kind.COMPENSATION) == "EXPIRED", "never NOTHING_TO_UNDO for an effect that may stand"

    assert {str(saga): await ledger(shop, saga) for saga in sagas} == standing


async def ledger(shop: Shop, saga: UUID) -> list[str]:
    shop.tester.saga_id = saga
    return await shop.effects()


@on_both
async def test_accepted_work_that_ends_without_its_row_has_no_effect(shop: Shop, announcer: Announcer) -> None:
    old_saga(shop)
    ref = await accepted(shop)
    await announcer.hears(now_ms() - HOUR_MS)
    await announcer.collector.look()
    assert await shop.row() is None

    with pytest.raises(AnswerRefused):
        await give(shop, ref, Taken(receipt="late"))
    assert (await shop.row(), await shop.effects()) == (None, [])


@asynccontextmanager
async def working(shop: Shop) -> AsyncIterator[asyncio.Task[str | None]]:
    """A command whose handler runs as long as the block does."""
    began, go_on = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        began.set()
        await go_on.wait()

    shop.told.during = wait
    asking = asyncio.create_task(shop.says(Kind.ACTION))
    await asyncio.wait_for(began.wait(), 60)
    shop.told.during = None
    try:
        yield asking
    finally:
        go_on.set()
        await asking


@on_postgresql
async def test_rows_go_and_are_read_only_when_all_at_work_know(shop: Shop, announcer: Announcer) -> None:
    old_saga(shop)
    async with working(shop) as asking:
        await announcer.hears(now_ms() - HOUR_MS)
        assert not await announcer.memory.settled(0.2)
    assert asking.result() == "SUCCEEDED"
    assert await announcer.memory.settled(30)
    await announcer.collector.look()
    assert await rows(shop) == []

    shop.tester.new_saga()
    async with working(shop):
        sweeping = asyncio.create_task(announcer.sweeps(incarnation=2))
        done, _ = await asyncio.wait({sweeping}, timeout=0.3)
        assert not done
    assert [row.saga_id for row in (await sweeping).rows] == [shop.tester.saga_id]


@on_postgresql
async def test_a_claim_that_waits_for_the_removal_sees_the_horizon(shop: Shop, announcer: Announcer) -> None:
    saga = old_saga(shop)
    assert await shop.says(Kind.ACTION) == "SUCCEEDED"
    await announcer.hears(now_ms() - HOUR_MS)
    async with shop.tester.engine.connect() as connection:
        await connection.execute(delete(saga_barrier).where(saga_barrier.c.saga_id == saga))
        asking = asyncio.create_task(shop.says(Kind.ACTION))
        done, _ = await asyncio.wait({asking}, timeout=0.3)
        assert not done
        await connection.commit()
    assert await asking == "EXPIRED"
    assert await shop.effects() == ["take 1"]


@pytest.mark.parametrize("tenant", ["t", "by parameters "])
@pytest.mark.parametrize("level", ["read committed", "repeatable read", "serializable"])
@on_postgresql
async def test_a_command_that_waits_for_the_table_sees_the_horizon_under_every_isolation(
    way: Way, level: str, tenant: str
) -> None:
    """Its snapshot is not taken before it holds the lock by which the remover knows of it."""
    engine = create_async_engine(way.url, connect_args={"server_settings": {"default_transaction_isolation": level}})
    database: Any = engine
    shop = Shop(database, way.handle, way.tester)
    shop.tester._tenant = f"{tenant}{uuid.uuid4().hex[:12]}"
    async with shop.tester, engine.connect() as connection:
        announcer = Announcer(shop.tester._running.database, shop.tester._tenant)
        assert await shop.says(Kind.ACTION) == "SUCCEEDED"
        old_saga(shop)
        await connection.execute(text("LOCK TABLE saga_barrier IN SHARE MODE"))
        asking = asyncio.create_task(shop.says(Kind.ACTION))
        waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'saga_barrier'::regclass")

        async def waits() -> bool:
            return bool((await connection.execute(waiting)).scalar_one())

        await until(waits, 30, "the command waits for the table")
        await announcer.hears(now_ms() - HOUR_MS)
        assert await announcer.memory.settled(0)
        await connection.commit()
        assert (await asking, await shop.row()) == ("EXPIRED", None)
    await engine.dispose()


@on_postgresql
async def test_commands_that_race_with_the_removal_never_make_a_second_effect(shop: Shop, announcer: Announcer) -> None:
    start_ms = now_ms() - 2 * HOUR_MS
    sagas = [saga_of(start_ms + place) for place in range(40)]
    shop.tester._running.groups.times = KnownToBeQuick()
    assert {outcome for saga in sagas for outcome in await delivered(shop, saga, Kind.ACTION)} == {Outcome.SUCCEEDED}

    async def replay() -> set[Outcome]:
        said: set[Outcome] = set()
        for saga in random.sample(sagas, len(sagas)):
            said.update(await delivered(shop, saga, random.choice(list(Kind))))
        return said

    replaying = [asyncio.create_task(replay()) for _ in range(4)]
    for below_ms in range(start_ms + 4, start_ms + 41, 4):
        await announcer.hears(below_ms)
        await announcer.collector.look()
    said = {outcome for outcomes in await asyncio.gather(*replaying) for outcome in outcomes}
    await announcer.hears(start_ms + 41)
    await announcer.collector.look()

    assert await rows(shop) == []
    assert {outcome for saga in sagas for outcome in await delivered(shop, saga, Kind.ACTION)} == {Outcome.EXPIRED}
    assert Outcome.NOTHING_TO_UNDO not in said
    for saga in sagas:
        assert await ledger(shop, saga) in (["take 1"], ["take 1", "give back 1"])


async def delivered(shop: Shop, saga: UUID, kind: Kind) -> list[Outcome]:
    shop.tester.saga_id = saga
    body = {Kind.ACTION: Take(amount=1), Kind.COMPENSATION: GiveBack(amount=1)}.get(kind)
    return [answer.outcome for answer in await shop.tester._running.deliver(shop.tester._received(kind, "pay", body))]


# --- the sweep ------------------------------------------------------------------------------------


def of_the_saga(shop: Shop, page: SweptRows) -> list[SweptRow]:
    """In a group other sagas have rows, too."""
    return [row for row in page.rows if row.saga_id == shop.tester.saga_id]


@by_each_road
async def test_after_a_sweep_an_older_incarnation_gets_silence_row_or_not(shop: Shop, announcer: Announcer) -> None:
    assert await shop.says(Kind.ACTION) == "SUCCEEDED"
    (row,) = of_the_saga(shop, await announcer.sweeps(incarnation=3))
    assert (row.saga_id, row.step, row.run, row.state) == (shop.tester.saga_id, "pay", 1, RowState.DONE)

    assert [await shop.says(kind, incarnation=2) for kind in Kind] == [None] * 3
    shop.tester.new_saga()
    assert [await shop.says(kind, incarnation=2) for kind in Kind] == [None] * 3
    assert (await shop.row(), await shop.effects()) == (None, [])
    assert await shop.says(Kind.ACTION, incarnation=3) == "SUCCEEDED"
    assert await announcer.tells(SWEEP, incarnation=2) is None, "nor does an older sweep"


@by_each_road
async def test_an_effect_that_stands_is_told_with_its_command(shop: Shop, announcer: Announcer) -> None:
    ref = await accepted(shop)
    (waiting,) = of_the_saga(shop, await announcer.sweeps(detail=True))
    await give(shop, ref, Taken(receipt="later"))
    later, now = shop.tester.saga_id, shop.tester.new_saga()
    await shop.ask(Kind.ACTION)
    shop.tester.new_saga()
    await shop.ask(Kind.ACTION)
    await shop.ask(Kind.COMPENSATION)

    told = {row.saga_id: row for row in (await announcer.sweeps(detail=True)).rows}

    catalog = shop.tester._running.registry.catalog
    for row in (waiting, told[later], told[now]):
        assert row.definition_hash == "0" * 64
        assert row.command is not None
        assert decode(row.command, catalog).writer.full_name == "till.Take"
    assert (waiting.state, waiting.action_record, waiting.action_reply) == (RowState.ACCEPTED, None, None)
    for row in (told[later], told[now]):
        assert (row.state, row.action_record) == (RowState.DONE, "till.Taken")
        assert row.action_reply is not None
    undone = told[shop.tester.saga_id]
    assert (undone.state, undone.command, undone.definition_hash) == (RowState.UNDONE, None, None)
    (bare,) = of_the_saga(shop, await announcer.sweeps())
    assert (bare.command, bare.definition_hash) == (None, None)


@on_both
async def test_pages_are_complete_and_in_order(shop: Shop, announcer: Announcer) -> None:
    start_ms = now_ms()
    sagas = [saga_of(start_ms + place) for place in range(750)]
    await made_rows(shop.tester.engine, announcer.tenant, sagas, steps=2)
    expected = [(saga, step) for saga in sorted(sagas) for step in ("s0", "s1")]

    told: list[tuple[UUID, str]] = []
    after: SweepPosition | None = None
    for _ in range(4):
        page = await announcer.sweeps(after=after)
        told += [(row.saga_id, row.step) for row in page.rows]
        assert page.after == after
        after = page.next
        if after is None:
            break

    assert told == expected
    detailed = await announcer.sweeps(detail=True, limit=100)
    assert [(row.saga_id, row.step) for row in detailed.rows] == expected[: len(detailed.rows)]
    assert detailed.next is not None
    later = await announcer.sweeps(above_ms=start_ms + 745, limit=9)
    assert [(row.saga_id, row.step) for row in later.rows] == expected[1490:1499]
