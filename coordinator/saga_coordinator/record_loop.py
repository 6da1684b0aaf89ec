"""Poll, apply, go on: what every loop that reads Kafka does, with an answer for each await that can fail.

Transient trouble and bugs alike wait a moment, read the positions again and try the same records: what was applied is told by the store,
so nothing is lost or doubled, and a bug in one place never ends the process. A record that makes our own code fail is a bad record.

Under load the loop gathers: after a middling batch it waits as long as that one took, 10 ms at most, before it polls again. A transaction
costs much the same for ten records and for thirty (ADR 0014). A few records, as when one saga goes alone, are never waited upon.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from saga_coordinator.committer import PositionTaken
from saga_coordinator.instruments import Instruments
from saga_coordinator.partition_reader import PartitionReader
from saga_coordinator.store.port import StoreError
from saga_messaging.broker import BrokerError, Record
from saga_messaging.clock import Clock
from saga_schemas.errors import BadMessage

POLL_S = 0.5
BACKOFF_S = 1.0
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
        follow: Follow,
        apply: Apply,
        clock: Clock,
        instruments: Instruments,
        batch_records: int,
    ) -> None:
        self._name = name
        self._reader = reader
        self._follow = follow
        self._apply = apply
        self._clock = clock
        self._instruments = instruments
        self._batch_records = batch_records
        self._gather_s = 0.0
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
                self._log.warning("consumer_not_started", error=_said(error))
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
                await self._apply(records)
                self._gather_s = gather_s(len(records), self._clock.monotonic_s() - began_s)
        except PositionTaken:
            await self._reload()
        except (StoreError, BrokerError, TimeoutError) as error:
            self._log.warning("delayed", error=_said(error))
            await self._clock.sleep(BACKOFF_S)
            await self._reload()
        except Exception as error:
            self._log.error("failed", exc_info=error)
            self._instruments.loop_failed(self._name)
            await self._clock.sleep(BACKOFF_S)
            await self._reload()

    async def _reload(self) -> None:
        try:
            await self._reader.reload()
        except (StoreError, BrokerError, TimeoutError) as error:
            self._log.warning("positions_not_read", error=_said(error))


def gather_s(records: int, took_s: float) -> float:
    """How long to wait for company after a batch of so many records that took so long."""
    return min(took_s, GATHER_S) if GATHER_FROM <= records < GATHER_UP_TO else 0.0


def as_bad(error: Exception) -> BadMessage:
    """What to say of a record that could not be read, whoever's fault that is."""
    if isinstance(error, BadMessage):
        return error
    structlog.get_logger("record_loop").error("reading_failed", exc_info=error)
    return BadMessage("internal_error", f"reading it failed with {type(error).__name__}")


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__
