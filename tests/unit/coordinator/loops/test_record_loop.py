"""The loop that reads Kafka: when it waits for company, and when it must not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from saga_coordinator.batch.committer import Committer
from saga_coordinator.loops.record_loop import GATHER_FROM, GATHER_S, GATHER_UP_TO, RecordLoop, gather_s
from saga_coordinator.telemetry.instruments import Instruments
from saga_messaging.background import end
from saga_messaging.broker import Record
from support.hand_clock import HandClock, settle


class _Topic:
    """A reader with one list of records; a poll takes them all."""

    def __init__(self) -> None:
        self.waiting: list[Record] = []

    def arrive(self, count: int) -> None:
        self.waiting += [
            Record(topic="t", partition=0, offset=n, timestamp_ms=0, key=b"k", value=b"v", headers=()) for n in range(count)
        ]

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def poll(self, *, timeout_s: float, max_records: int) -> list[Record]:
        taken, self.waiting = self.waiting, []
        return taken


class _Work:
    """Applies a batch in as long as the test says."""

    def __init__(self, clock: HandClock) -> None:
        self._clock = clock
        self.took_s = 0.0
        self.batches: list[int] = []

    async def apply(self, records: Sequence[Record]) -> None:
        self._clock.now_s += self.took_s
        self.batches.append(len(records))


@asynccontextmanager
async def _running(topic: Any, work: _Work, clock: HandClock) -> AsyncIterator[None]:
    async def follow() -> None: ...

    loop = RecordLoop(
        name="test",
        reader=topic,
        committer=cast(Committer, None),
        follow=follow,
        apply=work.apply,
        clock=clock,
        instruments=Instruments(),
        batch_records=500,
    )
    running = asyncio.create_task(loop.run())
    try:
        yield
    finally:
        await end((running,))


@pytest.mark.parametrize("took_s", [0.004, 5.0])
async def test_after_a_middling_batch_the_loop_waits_as_long_as_it_took_and_no_longer_than_the_bound(took_s: float) -> None:
    clock, topic = HandClock(), _Topic()
    work = _Work(clock)
    work.took_s = took_s
    topic.arrive(GATHER_FROM)
    async with _running(topic, work, clock):
        await settle()
        topic.arrive(3)
        await settle()
        assert work.batches == [GATHER_FROM]
        topic.arrive(4)
        await clock.move(min(took_s, GATHER_S))
        assert work.batches == [GATHER_FROM, 7]


@pytest.mark.parametrize("records", [1, GATHER_FROM - 1, GATHER_UP_TO])
async def test_after_few_records_or_a_full_batch_the_next_ones_are_taken_at_once(records: int) -> None:
    clock, topic = HandClock(), _Topic()
    work = _Work(clock)
    work.took_s = 0.02
    topic.arrive(records)
    async with _running(topic, work, clock):
        await settle()
        topic.arrive(1)
        await settle()
        assert work.batches == [records, 1]


async def test_the_wait_is_once_a_batch_not_once_a_poll() -> None:
    clock, topic = HandClock(), _Topic()
    work = _Work(clock)
    work.took_s = 0.02
    topic.arrive(GATHER_FROM)
    async with _running(topic, work, clock):
        await settle()
        await clock.move(GATHER_S)
        topic.arrive(1)
        await settle()
        assert work.batches == [GATHER_FROM, 1]


def test_a_batch_that_took_no_time_is_not_waited_after() -> None:
    assert gather_s(GATHER_FROM, 0.0) == 0.0
