"""Poll, apply, go on: what every loop that reads Kafka does, with an answer for each await that can fail.

Trouble that passes waits a moment, reads the positions again and tries the same records: what was applied is told by the store, so nothing
is lost or doubled. What would fail again (a bug, a row the database refuses) is looked for at once, record by record: the others go their
way, and the guilty record, tried three times, becomes a dead letter. Should even that fail, the loop goes on trying and /readyz says so.

Under load the loop gathers: after a middling batch it waits as long as that one took, 10 ms at most, before it polls again. A transaction
costs much the same for ten records and for thirty (ADR 0014). A few records, as when one saga goes alone, are never waited upon.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from saga_coordinator.batch.committer import Batch, Committer, PositionTaken
from saga_coordinator.failures import comes_again, said, told
from saga_coordinator.inbound.dead_letters import dead_letter
from saga_coordinator.inbound.partition_reader import PartitionReader
from saga_coordinator.store.port import StoreError, Transaction
from saga_coordinator.telemetry.instruments import Instruments
from saga_messaging.broker import BrokerError, Record
from saga_messaging.clock import Clock
from saga_schemas.errors import BadMessage

POLL_S = 0.5
BACKOFF_S = 1.0
TRIES_ALONE = 3
"""Of a record that fails by itself, before it is given up."""
ALONE_S = 0.3
"""Between them: what stands behind it waits no longer than a second in all."""
QUIET_POLLS = 20
"""So many polls without a record, and a failure before them is over: another instance has the partition now."""
GATHER_S = 0.01
"""The longest wait for company."""
GATHER_FROM = 8
"""Records: a smaller batch means that latency is what counts."""
GATHER_UP_TO = 100
"""Records: a batch of this size gains nothing by growing."""

Follow = Callable[[], Awaitable[None]]
Apply = Callable[[Sequence[Record]], Awaitable[None]]


class RecordLoop:
    """`follow` sees to the topics before each poll; `apply` is one transaction for all records of a poll."""

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
                self._log.warning("consumer_not_started", error=said(error))
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
            self._log.warning("delayed", error=said(error))
            return
        self._log.error("failed", **told(error))
        self._instruments.loop_failed(self._name)

    async def _take_in(self, records: Sequence[Record]) -> None:
        """All in one transaction; when something among them would make it fail again and again, each in one of its own."""
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
        """A dead letter, so that what stands behind it is read."""
        where = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
        self._log.error("record_given_up", **where, **told(error))
        self._instruments.loop_failed(self._name)
        bad = BadMessage("internal_error", f"applying it failed with {type(error).__name__}: see the coordinator's log")
        advances = self._reader.advances([record])

        async def body(tx: Transaction) -> Batch:
            return Batch(dead_letters=[dead_letter(self._name, record, bad, tx.now)], advances=advances)

        await self._committer.run(body)
        await self._reader.applied(advances)

    async def _reload(self) -> None:
        try:
            await self._reader.reload()
        except (StoreError, BrokerError, TimeoutError) as error:
            self._log.warning("positions_not_read", error=said(error))


def gather_s(records: int, took_s: float) -> float:
    """How long to wait for company after a batch of so many records that took so long."""
    return min(took_s, GATHER_S) if GATHER_FROM <= records < GATHER_UP_TO else 0.0


def as_bad(error: Exception) -> BadMessage:
    """What to say of a record that could not be read, whoever's fault that is."""
    if isinstance(error, BadMessage):
        return error
    structlog.get_logger("record_loop").error("reading_failed", exc_info=error)
    return BadMessage("internal_error", f"reading it failed with {type(error).__name__}")
