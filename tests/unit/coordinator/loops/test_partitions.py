"""The loop that keeps partitions: what it asks for, and what it does about trouble."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs

from saga_coordinator.loops.partitions import LOOK_S, TROUBLE_S, PartitionLoop
from saga_coordinator.retention.periods import MARGIN_US, MOST_ROWS, REST_BYTES, missing
from saga_coordinator.store.partition_port import Left, Partition, Period
from saga_coordinator.store.port import StoreError
from saga_coordinator.telemetry.instruments import Instruments
from support.hand_clock import HandClock, going

DAY_US = 86_400_000_000
NOW_US = 20_000 * DAY_US


class Database:
    """A store whose partitions are a list; rows of each by its name."""

    def __init__(self) -> None:
        self.mine = True
        self.raises: Exception | None = None
        self.ranges: list[Period] = []
        self.rest_bytes = 8192
        self.rows: dict[str, int] = {}
        self.latest_us: int | None = None
        self.dropped: list[str] = []
        self.added = 0

    @asynccontextmanager
    async def partitions(self) -> AsyncIterator[Database | None]:
        if self.raises is not None:
            raise self.raises
        yield self if self.mine else None

    async def now_us(self) -> int:
        return NOW_US

    async def all(self) -> list[Partition]:
        found = [Partition(name=f"p{one.since_us}", period=one, size_bytes=1_000_000) for one in self.ranges]
        return [*found, Partition(name="rest", period=None, size_bytes=self.rest_bytes)]

    async def latest_in_rest(self, within: Period) -> int | None:
        return self.latest_us

    async def add(self, periods: Sequence[Period]) -> None:
        self.added += 1
        self.ranges += periods

    async def left(self, partition: Partition, most_rows: int) -> Left:
        rows = self.rows.get(partition.name, 0)
        return Left(rows=min(rows, most_rows + 1), size_bytes=100 * rows)

    async def drop(self, partition: Partition, most_rows: int) -> int | None:
        self.dropped.append(partition.name)
        self.ranges = [one for one in self.ranges if f"p{one.since_us}" != partition.name]
        return self.rows.get(partition.name, 0)


class Bench:
    def __init__(self) -> None:
        self.clock = HandClock()
        self.database = Database()
        self.instruments = Instruments()
        store: Any = self.database
        self.loop = PartitionLoop(store, "month", self.clock, self.instruments)

    def running(self) -> AbstractAsyncContextManager[None]:
        return going(self.loop.run(), self.clock)

    def value(self, name: str) -> float:
        return self.instruments.registry.get_sample_value(name) or 0.0


async def test_it_makes_those_of_the_time_to_come_once() -> None:
    bench = Bench()
    async with bench.running():
        assert bench.database.ranges == missing("month", NOW_US)
        await bench.clock.move(LOOK_S)
    assert bench.database.added == 1
    assert bench.value("saga_partitions") == len(bench.database.ranges) + 1
    assert bench.value("saga_partition_rest_bytes") == 8192


async def test_behind_sagas_that_the_rest_has_already() -> None:
    bench = Bench()
    first, *others = missing("month", NOW_US)
    bench.database.latest_us = first.since_us + 5
    async with bench.running():
        assert bench.database.ranges == others


@pytest.mark.parametrize(("rows", "goes"), [(0, True), (1000, True), (1001, False), (MOST_ROWS + 1, False)])
async def test_it_drops_what_is_over_and_nearly_empty(rows: int, goes: bool) -> None:
    bench = Bench()
    over = Period(since_us=0, until_us=NOW_US - MARGIN_US)
    running = Period(since_us=over.until_us, until_us=over.until_us + 1)
    bench.database.ranges = [over, running]
    bench.database.rows["p0"] = rows
    async with bench.running():
        assert bench.database.dropped == (["p0"] if goes else [])
    assert bench.value("saga_partitions_dropped_total") == int(goes)


async def test_a_large_rest_with_little_in_it_is_replaced() -> None:
    bench = Bench()
    bench.database.rest_bytes = REST_BYTES
    async with bench.running():
        assert bench.database.dropped == ["rest"]


async def test_another_instance_sees_to_them() -> None:
    bench = Bench()
    bench.database.mine = False
    async with bench.running():
        await bench.clock.move(LOOK_S)
        assert bench.database.ranges == []
        bench.database.mine = True
        await bench.clock.move(LOOK_S)
        assert bench.database.ranges != []


@pytest.mark.parametrize(
    ("error", "told"),
    [(StoreError("must be owner of table journal"), "partitions_wait"), (AssertionError("a bug"), "partitions_failed")],
)
async def test_trouble_is_told_and_tried_again_ever_later(error: Exception, told: str) -> None:
    bench = Bench()
    bench.database.raises = error
    with capture_logs() as lines:
        async with bench.running():
            for pause_s in (TROUBLE_S, TROUBLE_S * 2):
                await bench.clock.move(pause_s)
            assert bench.value("saga_partitions_overdue_seconds") == TROUBLE_S * 3
            bench.database.raises = None
            await bench.clock.move(TROUBLE_S * 4)
            assert bench.value("saga_partitions_overdue_seconds") == 0
    events = [line["event"] for line in lines]
    assert events[0] == told
    assert events.count("partitions_wait") <= 1, "once a trouble"
    assert events[-2:] == ["partitions_made", "partitions_go_on"]
