"""Replies on their way: one idempotent producer, everything that is ready in one batch, and at once
unless more is about to come.

A reply is not stored anywhere but in its row. A command is finished when its replies were
acknowledged, so sending goes on until they are, with a fresh producer after every failure. What the
broker refuses for good (size, access) is logged and given up: the re-ask would get the same. A
topic that is missing is not for good: the watch (topic_watch.py) makes it.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from saga_messaging.background import backoff, happened
from saga_messaging.broker import Broker, BrokerError, Outgoing, Producer, RecordRefused
from saga_messaging.clock import Clock
from saga_participant.telemetry.metrics import Metrics

SEND_LIMIT_S: Final = 10.0
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 5.0
REFUSALS_BEFORE_GIVING_UP: Final = 4
"""A topic that is being made anew is refused too, for a moment."""
LARGEST_BATCH: Final = 500

_LOG: Final = logging.getLogger("saga_participant")


GATHER_S: Final = 0.005
"""While other commands are at work their replies are about to come: together they cost the broker
and us one request instead of many. Alone a reply goes at once, and so do several as soon as nobody
is at work any more.
"""


@dataclass(slots=True, eq=False)
class _Parcel:
    records: Sequence[Outgoing]
    done: asyncio.Future[None]
    refusals: int = 0


@dataclass(slots=True, eq=False)
class ReplySender:
    """`send(records)` gives a future that is done when they are acknowledged or given up, and
    cancelled when the sender ends before.
    """

    broker: Broker
    clock: Clock
    metrics: Metrics
    at_work: Callable[[], int] = lambda: 0
    """How many commands are in hand, those whose replies wait here included."""
    _waiting: list[_Parcel] = field(default_factory=list)
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _all_here: asyncio.Event = field(default_factory=asyncio.Event)
    """No other command is at work: nothing is worth waiting for."""
    _producer: Producer | None = None
    _renew: bool = False

    def send(self, records: Sequence[Outgoing]) -> asyncio.Future[None] | None:
        """One command's replies, in order; None where there are none."""
        if not records:
            return None
        parcel = _Parcel(records, asyncio.get_running_loop().create_future())
        self._waiting.append(parcel)
        self._arrived.set()
        if self.at_work() <= len(self._waiting):
            self._all_here.set()
        return parcel.done

    def renew(self) -> None:
        """The topics were made anew: what an older producer knows of them is wrong."""
        self._renew = True

    async def run(self) -> None:
        """Until cancelled."""
        failures, batch = 0, list[_Parcel]()
        try:
            while True:
                await self._arrived.wait()
                if self.at_work() > len(self._waiting):
                    self._all_here.clear()
                    await happened(self._all_here, self.clock, GATHER_S)
                batch, self._waiting = self._waiting[:LARGEST_BATCH], self._waiting[LARGEST_BATCH:]
                if not self._waiting:
                    self._arrived.clear()
                left = await self._send(batch)
                if not left:
                    failures = 0
                    continue
                self._waiting = left + self._waiting
                self._arrived.set()
                failures += 1
                pause = backoff(failures, first_s=FIRST_PAUSE_S, cap_s=LONGEST_PAUSE_S, jitter=random.random())
                await self.clock.sleep(pause)
        finally:
            for parcel in (*batch, *self._waiting):  # what was acknowledged is done, and stays so
                parcel.done.cancel()
            await self._drop_producer()

    async def _send(self, batch: list[_Parcel]) -> list[_Parcel]:
        """Returns the parcels that have to be sent again."""
        records = [record for parcel in batch for record in parcel.records]
        try:
            producer = await self._ready_producer()
            results = await producer.send_all(records, timeout_s=SEND_LIMIT_S)
        except Exception as error:  # BrokerError, or whatever else a client library raises: a fresh producer is the answer
            _LOG.warning("replies cannot be sent: %s", error if isinstance(error, BrokerError) else type(error).__name__)
            await self._drop_producer()
            return batch
        if not producer.usable:
            await self._drop_producer()
        left: list[_Parcel] = []
        position = 0
        for parcel in batch:
            mine = results[position : position + len(parcel.records)]
            position += len(parcel.records)
            if not self._settled(parcel, [error for error in mine if error is not None]):
                left.append(parcel)
        return left

    def _settled(self, parcel: _Parcel, errors: list[BrokerError]) -> bool:
        if errors and not self._given_up(parcel, errors):
            return False
        if not parcel.done.done():
            parcel.done.set_result(None)
        return True

    def _given_up(self, parcel: _Parcel, errors: list[BrokerError]) -> bool:
        refused = [error for error in errors if isinstance(error, RecordRefused)]
        if len(refused) == len(errors):
            parcel.refusals += 1
        if parcel.refusals < REFUSALS_BEFORE_GIVING_UP:
            return False
        self.metrics.refused_replies += len(errors)
        _LOG.error("a reply to %s is refused and given up: %s", parcel.records[0].topic, errors[0])
        return True

    async def _ready_producer(self) -> Producer:
        if self._renew:
            self._renew = False
            await self._drop_producer()
        if self._producer is None:
            producer = self.broker.producer()
            await producer.start()
            self._producer = producer
        return self._producer

    async def _drop_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()
