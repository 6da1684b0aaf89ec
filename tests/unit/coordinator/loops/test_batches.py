"""The loop of batches: at what pace each goes, that they take turns, and what it does about
trouble."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast
from uuid import UUID

from structlog.testing import capture_logs

from saga_coordinator.batches.acts import Act
from saga_coordinator.batches.jobs import BatchJobs
from saga_coordinator.batches.members import BatchMoved, Outcome
from saga_coordinator.loops.batches import IDLE_S, PAGE, TRIES, TROUBLE_S, BatchLoop
from saga_coordinator.store.port import BatchRow, StoreError
from saga_coordinator.telemetry.instruments import Instruments
from support.hand_clock import HandClock, going

FIRST, SECOND = UUID(int=1 << 64), UUID(int=2 << 64)


def batch(id: UUID, *, rate: int, **more: Any) -> BatchRow:
    given: dict[str, Any] = {"act": "cancel", "query": "open", "why": "-", "who": "ada", "found": 1}
    times = {"created_at_us": 0, "moved_at_us": 0}
    return BatchRow(**{"id": id, "tenant": "default", "rate": rate, "place": UUID(int=10**6), **given, **times, **more})


class Database:
    """The store and the members of a loop: the sagas of a batch are numbers that count down."""

    def __init__(self, *rows: BatchRow, sagas: int = 1_000) -> None:
        self.rows = {row.id: row for row in rows}
        self.sagas = sagas
        self.mine = True
        self.pages: list[int] = []
        self.acted: Counter[UUID] = Counter()
        self.passed: list[UUID] = []
        self.raises: Exception | None = None
        self.looks = 0

    async def open_batches(self, tenant: str) -> list[BatchRow]:
        self.looks += 1
        return [row for row in self.rows.values() if row.status == "running"]

    async def now_us(self) -> int:
        return 90_000_000

    @asynccontextmanager
    async def batches_lock(self) -> AsyncIterator[bool]:
        yield self.mine

    async def page(self, row: BatchRow, limit: int) -> Sequence[UUID]:
        self.pages.append(limit)
        first = min(row.place.int - 1, self.sagas)
        return [UUID(int=number) for number in range(first, max(0, first - limit), -1)]

    async def act(self, row: BatchRow, act: Act, saga_id: UUID) -> tuple[BatchRow, Outcome]:
        if self.raises is not None:
            raise self.raises
        if self.rows[row.id].status != "running" or self.rows[row.id].place != row.place:
            raise BatchMoved
        self.acted[row.id] += 1
        self.rows[row.id] = replace(row, place=saga_id, done=row.done + 1)
        return self.rows[row.id], "done"

    async def failed(self, row: BatchRow, saga_id: UUID, error: Exception) -> BatchRow:
        self.passed.append(saga_id)
        self.rows[row.id] = replace(row, place=saga_id, failed=row.failed + 1)
        return self.rows[row.id]

    async def ended(self, row: BatchRow) -> None:
        self.rows[row.id] = replace(row, status="done")


class Bench:
    def __init__(self, database: Database) -> None:
        self.clock = HandClock()
        self.instruments = Instruments()
        store: Any = database
        self.jobs = BatchJobs(store, cast(Any, None), cast(Any, None), "default")
        self.loop = BatchLoop(
            store=store, jobs=self.jobs, members=store, tenant="default", clock=self.clock, instruments=self.instruments
        )

    def value(self, name: str, **labels: str) -> float | None:
        return self.instruments.registry.get_sample_value(name, labels)

    async def pass_s(self, seconds: float, step_s: float = 0.05) -> None:
        for _ in range(round(seconds / step_s)):
            await self.clock.move(step_s)


async def test_each_batch_goes_at_its_own_rate_and_they_take_turns() -> None:
    database = Database(batch(FIRST, rate=20), batch(SECOND, rate=2))
    bench = Bench(database)
    async with going(bench.loop.run(), bench.clock):
        await bench.pass_s(5)
    assert 80 <= database.acted[FIRST] <= 101
    assert 8 <= database.acted[SECOND] <= 11
    assert bench.value("saga_batch_sagas_total", act="cancel", outcome="done") == database.acted.total()


async def test_a_page_is_no_older_than_some_seconds() -> None:
    database = Database(batch(FIRST, rate=2), batch(SECOND, rate=200))
    bench = Bench(database)
    async with going(bench.loop.run(), bench.clock):
        await bench.pass_s(1)
    assert set(database.pages) == {10, PAGE}


async def test_a_batch_ends_when_no_saga_is_left_and_the_loop_rests() -> None:
    database = Database(batch(FIRST, rate=20), sagas=3)
    bench = Bench(database)
    async with going(bench.loop.run(), bench.clock):
        await bench.pass_s(1)
        assert (database.rows[FIRST].status, database.acted[FIRST]) == ("done", 3)
        looks = database.looks
        await bench.pass_s(IDLE_S * 2, step_s=0.5)
        assert database.looks - looks <= 3
        assert bench.value("saga_batches_open") == 0


async def test_a_batch_that_was_made_here_begins_at_once() -> None:
    database = Database()
    bench = Bench(database)
    async with going(bench.loop.run(), bench.clock):
        database.rows[FIRST] = batch(FIRST, rate=20)
        bench.jobs.stirred.set()
        await bench.clock.move(0)
        assert database.acted[FIRST] == 1


async def test_a_batch_that_is_stopped_is_left_at_once() -> None:
    database = Database(batch(FIRST, rate=20))
    bench = Bench(database)
    async with going(bench.loop.run(), bench.clock):
        await bench.pass_s(0.5)
        database.rows[FIRST] = replace(database.rows[FIRST], status="stopped")
        done = database.acted[FIRST]
        await bench.pass_s(3)
        assert database.acted[FIRST] == done


async def test_what_another_instance_did_meanwhile_is_not_done_again() -> None:
    database = Database(batch(FIRST, rate=20))
    bench = Bench(database)
    async with going(bench.loop.run(), bench.clock):
        await bench.pass_s(0.5)
        database.rows[FIRST] = replace(database.rows[FIRST], place=UUID(int=500))
        done = database.acted[FIRST]
        await bench.pass_s(2)
        assert database.acted[FIRST] > done
        assert database.rows[FIRST].place.int == 500 - (database.acted[FIRST] - done)


async def test_who_has_not_the_lock_does_nothing_but_shows_that_a_batch_stands_still() -> None:
    database = Database(batch(FIRST, rate=20))
    database.mine = False
    bench = Bench(database)
    async with going(bench.loop.run(), bench.clock):
        await bench.pass_s(2)
        assert database.acted.total() == 0
        assert (bench.value("saga_batches_open"), bench.value("saga_batch_idle_seconds")) == (1, 90.0)


async def test_a_saga_that_the_database_does_not_give_is_passed_in_the_end() -> None:
    database = Database(batch(FIRST, rate=20))
    bench = Bench(database)
    database.raises = StoreError("locked")
    with capture_logs() as logs:
        async with going(bench.loop.run(), bench.clock):
            assert bench.instruments.batch_trouble == "locked"
            await bench.pass_s(TROUBLE_S * 2**TRIES, step_s=0.5)
            assert database.passed[0] == UUID(int=1_000)
            database.raises = None
            await bench.pass_s(70, step_s=0.5)
            assert database.acted[FIRST] > 0
            assert bench.instruments.batch_trouble is None
    events = [log["event"] for log in logs]
    assert events.count("batches_wait") <= 2, "once a trouble"
    assert "batches_go_on" in events


async def test_a_bug_is_told_and_ends_nothing() -> None:
    database = Database(batch(FIRST, rate=20))
    bench = Bench(database)
    database.raises = RuntimeError("bug")
    with capture_logs() as logs:
        async with going(bench.loop.run(), bench.clock):
            assert bench.instruments.batch_trouble == "RuntimeError"
            database.raises = None
            await bench.pass_s(5)
            assert database.acted[FIRST] > 0
    assert [log["event"] for log in logs if log["log_level"] == "error"] == ["batches_failed"]
    assert bench.value("saga_loop_failures_total", loop="batches") == 1


async def test_what_a_later_release_made_is_left_to_it_and_told_once() -> None:
    database = Database(
        batch(FIRST, rate=20, act="teleport"), batch(UUID(int=3), rate=20, query="colour = blue"), batch(SECOND, rate=20)
    )
    bench = Bench(database)
    with capture_logs() as logs:
        async with going(bench.loop.run(), bench.clock):
            await bench.pass_s(3)
    assert database.acted.keys() == {SECOND}
    told = [log["batch"] for log in logs if log["event"] == "batch_not_understood"]
    assert sorted(told) == sorted([str(FIRST), str(UUID(int=3))])
