"""Reads `saga.cmd.<participant>` and keeps it flowing: positions, offsets, room, and a fresh
consumer when one fails or falls asleep.

Partitions come and go while commands are in hand; that is harmless, since nothing here is what
keeps effects single: the rows are. Offsets are a hint about where to begin next time. After a topic
was replaced, reading restarts at its beginning.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from saga_messaging.background import backoff, happened, until
from saga_messaging.broker import Broker, BrokerError, Consumer, PositionLost, TopicPartition
from saga_messaging.clock import Clock
from saga_messaging.reading import Reach, ReadingWatch
from saga_participant.consuming.keyed_workers import KeyedWorkers, OffsetTracker, uncommitted_offsets
from saga_participant.database.transactions import HANDLER_LIMIT_S
from saga_participant.telemetry.error_location import one_line
from saga_participant.telemetry.metrics import Metrics

POLL_S: Final = 0.5
LARGEST_POLL: Final = 200
COMMIT_EVERY_S: Final = 0.5
DRAIN_MARGIN_S: Final = 10.0
"""A graceful stop waits for what is in hand: a handler's limit and so much longer."""
FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 5.0
STALLED_AFTER_S: Final = 10.0
"""Records that wait so long, and do not come: the consumer is replaced."""

_LOG: Final = logging.getLogger("saga_participant")


@dataclass(slots=True, kw_only=True)
class CommandLoop:
    """One consumer at a time, in the group of this participant."""

    broker: Broker
    topic: str
    group: str
    instance: str | None
    workers: KeyedWorkers
    clock: Clock
    metrics: Metrics
    drain_s: float = HANDLER_LIMIT_S + DRAIN_MARGIN_S
    _consumer: Consumer | None = None
    _trackers: dict[TopicPartition, OffsetTracker] = field(default_factory=dict)
    _committed: dict[TopicPartition, int] = field(default_factory=dict)
    _lost: set[TopicPartition] = field(default_factory=set)
    _reached: dict[TopicPartition, int] = field(default_factory=dict)
    """How far each partition was read by this process: a topic that ends before that was replaced.
    """
    _replaced: bool = False
    """The topic was made anew: what the group had committed is about another one."""
    _next_commit_s: float = 0.0
    _watch: ReadingWatch = field(default_factory=lambda: ReadingWatch(STALLED_AFTER_S))
    _replace: bool = False
    _drained: bool = False

    async def run(self, stop: asyncio.Event) -> None:
        """Until stopped; then what is in hand is finished and committed."""
        failures = 0
        while not stop.is_set():
            try:
                await self._read(stop)
                failures = 0
            except Exception as error:  # BrokerError, or whatever else a client library raises: a fresh consumer is the answer
                failures += 1
                problem = error if isinstance(error, BrokerError) else one_line(error)
                _LOG.warning("commands cannot be read: %s", problem)
                pause = backoff(failures, first_s=FIRST_PAUSE_S, cap_s=LONGEST_PAUSE_S, jitter=random.random())
                await happened(stop, self.clock, pause)
        if not self._drained:  # told to stop while there was no consumer
            await self._drain()

    async def look(self) -> None:
        """Now and then: pick up new partitions, and notice a consumer that delivers nothing
        although there is something.
        """
        consumer = self._consumer
        if consumer is None:
            return
        await consumer.subscribe([self.topic])
        trackers = dict(self._trackers)
        readable, ends = await consumer.readable_offsets(trackers), await consumer.end_offsets(trackers)
        reaches = {
            at: Reach(read_to=tracker.next_offset, readable=readable[at], end=ends[at])
            for at, tracker in trackers.items()
            if at in readable and at in ends and not self.workers.in_hand  # who has work in hand may read later
        }
        self._watch.look(self.clock.monotonic_s(), reaches)
        unread = "; ".join(self._watch.problems())
        if unread and unread != self.metrics.unread:
            _LOG.warning("commands are not read: %s", unread)
        self.metrics.unread = unread
        if self._watch.behind:
            _LOG.warning("the consumer of %s delivers nothing although commands wait: replacing it", self.topic)
            self._replace = True

    def topic_replaced(self) -> None:
        """All of it is read from its beginning."""
        self._replaced = True

    async def _read(self, stop: asyncio.Event) -> None:
        consumer = self.broker.consumer(group=self.group, instance=self.instance)
        await consumer.start()
        self._begin(consumer)
        try:
            await consumer.subscribe([self.topic])
            self.metrics.reading = True
            await until(stop, self._rounds(consumer, stop))
            if stop.is_set():
                await self._drain()
            await self._commit(consumer)
        finally:
            self.metrics.reading = False
            self._consumer = None
            await consumer.stop()

    def _begin(self, consumer: Consumer) -> None:
        self._consumer, self._replace, self._watch = consumer, False, ReadingWatch(STALLED_AFTER_S)
        self._trackers, self._committed, self._lost = {}, {}, set()

    async def _rounds(self, consumer: Consumer, stop: asyncio.Event) -> None:
        """It may be cancelled between any two records: what was taken and is not in hand comes
        again.
        """
        while not (stop.is_set() or self._replace):
            await self._round(consumer)

    async def _round(self, consumer: Consumer) -> None:
        await self._seek(consumer)
        if self.workers.room <= 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await self.workers.wait_for_room()
        else:
            await self._poll(consumer)
        self.metrics.in_hand = self.workers.in_hand
        if self.clock.monotonic_s() >= self._next_commit_s:
            self._next_commit_s = self.clock.monotonic_s() + COMMIT_EVERY_S
            await self._commit(consumer)

    async def _poll(self, consumer: Consumer) -> None:
        try:
            records = await consumer.poll(timeout_s=POLL_S, max_records=min(self.workers.room, LARGEST_POLL))
        except PositionLost as lost:
            _LOG.warning("%s: starting at the beginning of what the topic holds", lost)
            self._lost.update(lost.positions)
            return
        for record in records:
            tracker = self._trackers.get(record.source)
            if tracker is not None:
                self.workers.put(record, tracker)
        for position, tracker in self._trackers.items():
            tracker.read_to(consumer.position(position) or 0)
            self._reached[position] = tracker.next_offset

    async def _seek(self, consumer: Consumer) -> None:
        """Partitions that are new, or whose position was lost, begin where the group stands, or at
        the beginning.
        """
        assigned = consumer.assignment()
        waiting = assigned if self._replaced else consumer.awaiting_seek()
        for position in [each for each in self._trackers if each not in assigned]:
            del self._trackers[position]
        if not waiting:
            return
        starts = await self._starts(consumer, waiting)
        for position in waiting:
            if position not in starts:
                continue  # it is gone again, or not there yet
            self._trackers[position] = OffsetTracker(starts[position])
            self._committed.pop(position, None)
            self._lost.discard(position)
            self._reached[position] = starts[position]
            consumer.seek(position, starts[position])
        self._replaced = self._replaced and not starts

    async def _starts(self, consumer: Consumer, waiting: frozenset[TopicPartition]) -> Mapping[TopicPartition, int]:
        """The end is read before the lag, so that what arrives in between makes us begin earlier,
        never later.
        """
        ends = await consumer.end_offsets(waiting)
        lags = await self.broker.group_lag(self.group, [self.topic])
        earliest = await consumer.earliest(waiting)
        starts = dict(earliest)
        for position, lag in lags.items():
            replaced = self._replaced or position in self._lost or self._reached.get(position, 0) > ends.get(position, 0)
            if position in starts and not replaced:
                starts[position] = max(starts[position], ends.get(position, 0) - lag)
        return starts

    async def _drain(self) -> None:
        self._drained = True
        try:
            async with asyncio.timeout(self.drain_s):
                await self.workers.wait_until_idle()
        except TimeoutError:
            _LOG.warning("stopping with %d commands in hand: they come again", self.workers.in_hand)

    async def _commit(self, consumer: Consumer) -> None:
        """A hint; failing is harmless."""
        offsets = {
            at: offset
            for at, offset in uncommitted_offsets(self._trackers, self._committed).items()
            if at in consumer.assignment()
        }
        if not offsets:
            return
        try:
            await consumer.commit(offsets)
        except BrokerError as error:
            _LOG.info("offsets not committed, some commands may come again: %s", error)
            return
        self._committed.update(offsets)
