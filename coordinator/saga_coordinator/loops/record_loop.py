"""Poll, apply, go on: what every loop does that reads Kafka.

Each await that can fail has an answer. After trouble that passes, the loop waits a moment, reads
the positions again and tries the same records. The store knows what was applied, so nothing is lost
and nothing doubled. After a failure that would come again (a bug, a row the database refuses), the
records are applied one by one at once, so that the others go their way. The guilty record is tried
three times and becomes a dead letter. Should even that fail, the loop goes on trying, and /readyz
says so.

Under load the loop gathers: after a middling batch it waits as long as that batch took, 10 ms at
most, before it polls again. A transaction costs much the same for ten records and for thirty (ADR
0014). After a few records, as when one saga goes alone, it does not wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from saga_coordinator.batch.committer import Committer, PositionTaken
from saga_coordinator.failures import comes_again, error_fields, one_line
from saga_coordinator.inbound.dead_letters import dead_letter
from saga_coordinator.inbound.partition_reader import PartitionReader
from saga_coordinator.store.port import StoreError
from saga_coordinator.telemetry.instruments import Instruments
from saga_messaging.broker import BrokerError, Record
from saga_messaging.clock import Clock
from saga_schemas.errors import BadMessage

POLL_S = 0.5
BACKOFF_S = 1.0
TRIES_ALONE = 3
"""How often a record that fails by itself is tried before it becomes a dead letter."""
ALONE_S = 0.3
"""The pause between these tries. The records behind it so wait no longer than a second in all."""
QUIET_POLLS = 20
"""After so many polls without a record, an earlier failure is over."""
GATHER_S = 0.01
"""The longest wait for company."""
GATHER_FROM = 8
"""Records. The loop does not wait after a smaller batch: latency is what counts then."""
GATHER_UP_TO = 100
"""Records. A batch of this size gains nothing by growing."""

Follow = Callable[[], Awaitable[None]]
Apply = Callable[[Sequence[Record]], Awaitable[None]]


class RecordLoop:
    """One loop. `follow` sees to the topics before each poll; `apply` is one transaction for a
    poll.
    """

    def __init__(
        self,
        *,
        name: str,
        reader: PartitionReader,
        committer: Committer,
        follow: Follow,
        apply: Apply,
        clock: Clock,
        instruments: Instruments,
        batch_records: int,
    ) -> None:
        self._name = name
        self._reader = reader
        self._committer = committer
        self._follow = follow
        self._apply = apply
        self._clock = clock
        self._instruments = instruments
        self._batch_records = batch_records
        self._gather_s = 0.0
        self._quiet = 0
        self._log = structlog.get_logger(name)

    async def run(self) -> None:
        await self._started()
        try:
            while True:
                await self._once()
                await asyncio.sleep(0)  # a long backlog must not starve the other loops
        finally:
            await self._reader.stop()

    async def _started(self) -> None:
        """A broker that is away for a moment must not end an instance that has just begun."""
        while True:
            try:
                await self._reader.start()
                return
            except (BrokerError, TimeoutError) as error:
                self._log.warning("consumer_not_started", error=one_line(error))
                await self._clock.sleep(BACKOFF_S)

    async def _once(self) -> None:
        if self._gather_s:
            await self._clock.sleep(self._gather_s)
            self._gather_s = 0.0
        try:
            await self._follow()
            records = await self._reader.poll(timeout_s=POLL_S, max_records=self._batch_records)
            if records:
                began_s = self._clock.monotonic_s()
                await self._take_in(records)
                self._gather_s = gather_s(len(records), self._clock.monotonic_s() - began_s)
            self._went(len(records))
        except PositionTaken:
            await self._reload()
        except Exception as error:
            self._failed(error)
            await self._clock.sleep(BACKOFF_S)
            await self._reload()

    def _went(self, records: int) -> None:
        self._quiet = 0 if records else self._quiet + 1
        if records or self._quiet >= QUIET_POLLS:
            self._instruments.loops.went(self._name)

    def _failed(self, error: Exception) -> None:
        self._instruments.loops.failed(self._name, error)
        if not comes_again(error):
            self._log.warning("delayed", error=one_line(error))
            return
        self._log.error("failed", **error_fields(error))
        self._instruments.loop_failed(self._name)

    async def _take_in(self, records: Sequence[Record]) -> None:
        """All in one transaction.

        Should that fail in a way that comes again, each in one of its own.
        """
        try:
            await self._apply(records)
        except Exception as error:
            if not comes_again(error):
                raise
            self._failed(error)
            for record in records:
                await self._alone(record)

    async def _alone(self, record: Record) -> None:
        for tried in range(1, TRIES_ALONE + 1):
            try:
                await self._apply([record])
                return
            except Exception as error:
                if not comes_again(error):
                    raise
                if tried == TRIES_ALONE:
                    await self._give_up(record, error)
                    return
            await self._clock.sleep(ALONE_S)

    async def _give_up(self, record: Record, error: Exception) -> None:
        """Make it a dead letter, so that what stands behind it is read."""
        where = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
        self._log.error("record_given_up", **where, **error_fields(error))
        self._instruments.loop_failed(self._name)
        bad = BadMessage("internal_error", f"applying it failed with {type(error).__name__}: see the coordinator's log")
        advances = self._reader.advances([record])

        async with self._committer.batch() as batch:
            batch.dead_letters.append(dead_letter(self._name, record, bad, batch.tx.now_us))
            batch.advances = advances
        await self._reader.applied(advances)

    async def _reload(self) -> None:
        try:
            await self._reader.reload()
        except (StoreError, BrokerError, TimeoutError) as error:
            self._log.warning("positions_not_read", error=one_line(error))


def gather_s(records: int, took_s: float) -> float:
    """How long to wait for company after a batch of so many records, which took so long."""
    return min(took_s, GATHER_S) if GATHER_FROM <= records < GATHER_UP_TO else 0.0
