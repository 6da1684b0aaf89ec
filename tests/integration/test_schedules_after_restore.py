"""A database that is restored while schedules tick: ticks that ran after the backup come again, and
begin the same sagas; their participant has done each once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from saga_coordinator.schedules.document import MissedDocument
from saga_coordinator.schedules.tick_names import tick_text
from saga_coordinator.store.port import Store
from saga_coordinator.store.schedule_records import TickRow
from saga_messaging.background import end
from saga_schemas.ids import started_id
from support.backups import backed_up
from support.coordinators import opened, register
from support.orders import until
from support.restored import Bench
from support.scheduled import add_schedules, overlap, schedule, ticks_of
from support.start_records import CATALOG, DEFINITION

NAME = "every-second"
AT_BACKUP, LOST = 2, 3
LIMIT_S = 40


@pytest.fixture(params=["sqlite_url", "database_url"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    made = Bench(str(request.getfixturevalue(request.param)), tmp_path)
    answering = asyncio.create_task(made.participant.run())
    async with opened(made.url) as store:
        await register(store, DEFINITION, CATALOG)
        every = MissedDocument(policy="run_all", grace_ms=60_000, window_ms=86_400_000)
        await add_schedules(store, schedule(NAME, overlap=overlap("allow", 100), missed=every))
    yield made
    await end((answering,))


async def ended_ticks(store: Store, count: int) -> dict[int, TickRow]:
    """Ticks with their sagas, once so many sagas have ended."""
    found: list[TickRow] = []

    async def enough() -> bool:
        found[:] = await ticks_of(store, NAME)
        return sum(tick.phase == "COMPLETED" for tick in found) >= count

    await until(enough, LIMIT_S, f"{count} sagas have ended")
    return {tick.at_us: tick for tick in found}


async def test_ticks_that_ran_after_the_backup_begin_the_same_sagas_again(bench: Bench) -> None:
    async with bench.serving() as (store, _):
        await ended_ticks(store, AT_BACKUP)
        backup = await backed_up(bench.url, bench.folder)
        known = len(await ticks_of(store, NAME))
        lived = await ended_ticks(store, known + LOST)
    backup.restore()
    async with opened(bench.url) as store:
        lost = lived.keys() - {tick.at_us for tick in await ticks_of(store, NAME)}
    assert len(lost) >= LOST, "nothing was lost: it shows nothing"
    await bench.recover()
    async with bench.serving() as (store, _):
        again = await ended_ticks(store, len(lived) + 1)
        assert {at_us: again[at_us].saga_id for at_us in lived} == {at_us: tick.saga_id for at_us, tick in lived.items()}
        for at_us in lost:
            assert again[at_us].saga_id == started_id(at_us // 1000, "default", "schedule", f"{NAME}@{tick_text(at_us)}")
            assert again[at_us].fired_at_us != lived[at_us].fired_at_us, "it came again"
    first, last = min(again), max(again)
    assert sorted(again) == list(range(first, last + 1, 1_000_000)), "no tick is left out"
    sagas = {tick.saga_id for tick in again.values()}
    assert set(bench.books.effects.values()) == {1}
    assert {saga for saga, _ in bench.books.effects} <= sagas, "the participant did nothing else"
    assert {tick.saga_id for tick in lived.values()} <= {saga for saga, _ in bench.books.effects}
