"""The loop that keeps the journal's partitions: it makes those of the time to come, and drops those
that have nearly nothing left.

Retention removes each saga when its own time is over. That leaves a partition without rows, or with
those of a few sagas that are still open or kept for longer. They are moved to the rest, and the
partition goes as a whole, with its space. One instance at a time does it; nothing waits
for it.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from saga_coordinator.failures import Backoff, error_fields, one_line
from saga_coordinator.retention.periods import MOST_ROWS, Every, is_over, is_sparse, missing
from saga_coordinator.store.partition_port import Partition, Partitions, Period
from saga_coordinator.store.port import Store, StoreError
from saga_coordinator.telemetry.instruments import Instruments
from saga_messaging.clock import Clock

LOOP: Final = "partitions"
LOOK_S: Final = 600.0
TROUBLE_S: Final = 5.0
TROUBLE_CAP_S: Final = 300.0
TURN_LIMIT_S: Final = 5 * 3600.0
"""For a server that has vanished. A first look at a large table may take hours."""


class PartitionLoop:
    """Keeps the journal's partitions, each of a week or a month."""

    def __init__(self, store: Store, every: Every, clock: Clock, instruments: Instruments) -> None:
        self._store = store
        self._every = every
        self._clock = clock
        self._instruments = instruments
        self._failing_since_s: float | None = None
        self._backoff = Backoff(TROUBLE_S, TROUBLE_CAP_S)
        self._log = structlog.get_logger(LOOP)

    async def run(self) -> None:
        while True:
            try:
                async with asyncio.timeout(TURN_LIMIT_S):
                    await self._turn()
                pause_s = self._well()
            except (StoreError, TimeoutError) as error:
                if not self._backoff.failing:
                    self._log.warning("partitions_wait", error=one_line(error))
                pause_s = self._trouble()
            except Exception as error:  # a bug must not end the process: the rest has what comes
                self._log.error("partitions_failed", **error_fields(error))
                self._instruments.loop_failed(LOOP)
                pause_s = self._trouble()
            await self._clock.sleep(pause_s)

    def _well(self) -> float:
        if self._backoff.failing:
            self._log.info("partitions_go_on")
        self._backoff.succeeded()
        self._failing_since_s = None
        self._instruments.partitions_overdue(0.0)
        return LOOK_S

    def _trouble(self) -> float:
        now_s = self._clock.monotonic_s()
        if self._failing_since_s is None:
            self._failing_since_s = now_s
        self._instruments.partitions_overdue(now_s - self._failing_since_s)
        return self._backoff.failed()

    async def _turn(self) -> None:
        async with self._store.partitions() as partitions:
            if partitions is None:
                return
            now_us = await self._store.now_us()
            await self._make(partitions, await partitions.all(), now_us)
            for one in await partitions.all():
                if is_over(one, now_us):
                    await self._give_back(partitions, one)
            self._show(await partitions.all())

    async def _make(self, partitions: Partitions, there: list[Partition], now_us: int) -> None:
        wanted = missing(self._every, now_us, max((one.period.until_us for one in there if one.period), default=0))
        if not wanted:
            return
        # The rest has sagas of that time where this was off for long, or a clock was wrong: they
        # stay there, and partitions begin behind them.
        latest_us = await partitions.latest_in_rest(Period(since_us=wanted[0].since_us, until_us=wanted[-1].until_us))
        if latest_us is not None:
            wanted = [one for one in wanted if one.since_us > latest_us]
        if wanted:
            await partitions.add(wanted)
            self._log.info("partitions_made", count=len(wanted), until_us=wanted[-1].until_us)

    async def _give_back(self, partitions: Partitions, one: Partition) -> None:
        if not is_sparse(one, await partitions.left(one, MOST_ROWS)):
            return
        moved = await partitions.drop(one, MOST_ROWS)
        if moved is not None:
            self._instruments.partition_dropped()
            self._log.info("partition_dropped", partition=one.name, rows_moved=moved, bytes=one.size_bytes)

    def _show(self, there: list[Partition]) -> None:
        self._instruments.partitions(len(there), next((one.size_bytes for one in there if one.period is None), 0))
