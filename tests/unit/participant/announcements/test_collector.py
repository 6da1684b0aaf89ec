"""The background removal: slow on purpose, and never ended by an error."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from saga_messaging.clock import SystemClock
from saga_participant.announcements.collector import BATCH_ROWS, LARGEST_BATCH, LOOK_EVERY_S, REST, Collector
from saga_participant.barrier.remembered import Remembered
from saga_participant.database.memory import AnnouncedMemory, Known, Removed
from saga_participant.outcomes import Unavailable
from saga_participant.telemetry.metrics import Metrics
from saga_schemas.ids import uuid7

LAST = uuid7(0, bytes(10))


class Clock(SystemClock):
    """Goes by what it is told."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.rests: list[float] = []

    def monotonic_s(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.rests.append(seconds)
        self.now_s += seconds
        await asyncio.sleep(0)


class Rows:
    """So many rows below the horizon; each batch takes a tenth of a second."""

    def __init__(self, clock: Clock, rows: int) -> None:
        self.clock, self.left = clock, rows
        self.away, self.at_work = False, False
        self.batches: list[int] = []

    async def known(self) -> Known:
        if self.away:
            raise Unavailable("the database is away")
        return Known(by_tenant={"default": Remembered(below_ms=9, heard_at_us=5_000_000)}, now_us=7_000_000)

    async def settled(self, limit_s: float) -> bool:
        return not self.at_work

    async def remove(self, tenant: str, horizon: Any, *, start: Any, limit: int) -> Removed:
        self.clock.now_s += 0.1
        self.batches.append(limit)
        gone = min(limit, self.left)
        self.left -= gone
        return Removed(rows=gone, last=LAST if gone == limit else None)


def collector_of(rows: int) -> tuple[Collector, Rows, Clock]:
    clock = Clock()
    memory = Rows(clock, rows)
    return Collector(memory=cast(AnnouncedMemory, memory), metrics=Metrics("till"), clock=clock), memory, clock


async def test_it_works_for_less_than_a_twentieth_of_the_time() -> None:
    collector, memory, clock = collector_of(7 * BATCH_ROWS + 1)

    await collector.look()

    assert (memory.left, collector.metrics.rows_removed) == (0, 7 * BATCH_ROWS + 1)
    assert clock.rests == pytest.approx([0.1 * REST] * 3)
    assert collector.metrics.horizon is not None
    assert collector.metrics.horizon.heard_at_s == -2.0


async def test_a_batch_grows_up_to_a_bound_while_more_rows_are_due_and_begins_small_again() -> None:
    collector, memory, clock = collector_of(5 * LARGEST_BATCH)

    await collector.look()

    assert memory.batches == [BATCH_ROWS << n for n in range(3)] + [LARGEST_BATCH] * 5
    assert clock.now_s == pytest.approx(0.1 * (8 + 7 * REST)), "the share of the time is the same"
    collector._finished.clear()
    memory.left = 1
    await collector.look()
    assert memory.batches[-1] == BATCH_ROWS


async def test_while_somebody_at_work_may_not_know_nothing_goes() -> None:
    collector, memory, _ = collector_of(1)
    memory.at_work = True
    await collector.look()
    assert memory.left == 1

    memory.at_work = False
    await collector.look()
    assert memory.left == 0


async def test_a_database_that_is_away_puts_it_off(caplog: pytest.LogCaptureFixture) -> None:
    collector, memory, clock = collector_of(1)
    memory.away = True
    running = asyncio.create_task(collector.run())
    async with asyncio.timeout(60):
        while len(clock.rests) < 2:  # noqa: ASYNC110  # a clock tells nobody
            await asyncio.sleep(0)
        memory.away = False
        while memory.left:  # noqa: ASYNC110  # as above
            await asyncio.sleep(0)
    running.cancel()

    assert clock.rests[:2] == [LOOK_EVERY_S] * 2
    assert "rows below the horizon are not removed now" in caplog.text
