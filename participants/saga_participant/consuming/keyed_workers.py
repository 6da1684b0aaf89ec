"""Commands in hand: several keys at once, in order per key, and how far each partition is finished.

A key is a saga's step: what is sent to it comes one after the other. Steps of one saga that the
coordinator asks side by side run side by side.

A command is finished when its replies are acknowledged. Its worker and its key go on as soon as the
replies are handed over. The lowest unfinished offset is committed: after a crash some finished
commands come again, and their rows answer.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from saga_messaging.background import end
from saga_messaging.broker import Record, TopicPartition
from saga_schemas.headers.names import STEP
from saga_schemas.record_class import record


@dataclass(slots=True, eq=False)
class OffsetTracker:
    """The offsets of one partition since a seek.

    After a rebalance a new tracker takes the place of the old.
    """

    next_offset: int
    """Behind the last record taken."""
    _open: dict[int, None] = field(default_factory=dict)

    def take(self, record: Record) -> None:
        self._open[record.offset] = None
        self.next_offset = record.next_offset

    def read_to(self, offset: int) -> None:
        """There is nothing more to be read before this offset, only markers and gaps."""
        self.next_offset = max(self.next_offset, offset)

    def finish(self, offset: int) -> None:
        self._open.pop(offset, None)

    @property
    def finished_up_to(self) -> int:
        """The lowest unfinished offset."""
        return next(iter(self._open), self.next_offset)


@record
class InHand:
    """One record and the tracker it was taken under."""

    record: Record
    tracker: OffsetTracker


_LOG: Final = logging.getLogger("saga_participant")


@record
class Deferred:
    """The record cannot be worked on before `until` is done.

    Meanwhile its worker and its key go on.
    """

    until: asyncio.Future[None]


Key = tuple[bytes | None, bytes | None]
"""Saga and step."""


def key_of(record: Record) -> Key:
    """Headers may lie about the step: only order depends on it, effects depend on the row."""
    return record.key, next((value for name, value in record.headers if name == STEP), None)


Work = Callable[[Record], Awaitable[asyncio.Future[None] | Deferred | None]]
"""Works on a record.

Returns a future that is done when the record is finished; None: it is finished.
"""


class KeyedWorkers:
    """`workers` records at work, never two of one key."""

    def __init__(self, work: Work, *, workers: int, capacity: int) -> None:
        self._work = work
        self._workers = workers
        self._capacity = capacity
        self._queues: dict[Key, deque[InHand]] = {}
        self._ready: asyncio.Queue[Key] = asyncio.Queue()
        self._room = asyncio.Event()
        self._room.set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._stopping = False
        self.in_hand = 0
        self.at_work = 0
        """Commands that workers are busy with."""
        self.replaced = 0
        """Workers that ended and were replaced."""

    async def run(self) -> None:
        """Run until cancelled.

        A worker that ends before is replaced, and its command comes again.
        """
        team = {asyncio.create_task(self._worker()) for _ in range(self._workers)}
        try:
            while True:
                ended, team = await asyncio.wait(team, return_when=asyncio.FIRST_COMPLETED)
                for worker in ended:
                    self.replaced += 1
                    _LOG.error("a worker ended (%s) and is replaced", _end_of(worker))
                    team.add(asyncio.create_task(self._worker()))
        finally:
            self._stopping = True
            await end(team)

    def put(self, record: Record, tracker: OffsetTracker) -> None:
        tracker.take(record)
        self.in_hand += 1
        self._idle.clear()
        if self.room <= 0:
            self._room.clear()
        self._enqueue(InHand(record=record, tracker=tracker))

    def _enqueue(self, one: InHand) -> None:
        key = key_of(one.record)
        queue = self._queues.get(key)
        if queue is not None:
            queue.append(one)
            return
        self._queues[key] = deque((one,))
        self._ready.put_nowait(key)

    @property
    def room(self) -> int:
        """How many more may be taken."""
        return self._capacity - self.in_hand

    async def wait_for_room(self) -> None:
        await self._room.wait()

    async def wait_until_idle(self) -> None:
        await self._idle.wait()

    async def _worker(self) -> None:
        while True:
            key = await self._ready.get()
            queue = self._queues[key]
            one = queue.popleft()
            self.at_work += 1
            try:
                pending = await self._work(one.record)  # when this, or what is pending, is cancelled the record stays unfinished
            except BaseException:
                if not self._stopping:  # nobody is told of it: the coordinator asks again
                    self._next(key)
                    self._finish(one)
                raise
            finally:
                self.at_work -= 1
            self._next(key)
            if pending is None:
                self._finish(one)
            elif isinstance(pending, Deferred):
                pending.until.add_done_callback(partial(self._enqueue_again, one))
            else:
                pending.add_done_callback(partial(self._finish_with, one))

    def _enqueue_again(self, one: InHand, when: asyncio.Future[None]) -> None:
        if not when.cancelled():
            self._enqueue(one)

    def _next(self, key: Key) -> None:
        if self._queues[key]:
            self._ready.put_nowait(key)
        else:
            del self._queues[key]

    def _finish_with(self, one: InHand, pending: asyncio.Future[None]) -> None:
        if not pending.cancelled():
            self._finish(one)

    def _finish(self, one: InHand) -> None:
        one.tracker.finish(one.record.offset)
        self.in_hand -= 1
        self._room.set()
        if not self.in_hand:
            self._idle.set()


def _end_of(worker: asyncio.Task[None]) -> str:
    return "CancelledError" if worker.cancelled() else type(worker.exception()).__name__


def uncommitted_offsets(
    trackers: Mapping[TopicPartition, OffsetTracker], committed: Mapping[TopicPartition, int]
) -> dict[TopicPartition, int]:
    """What is finished and not committed yet."""
    finished = {position: tracker.finished_up_to for position, tracker in trackers.items()}
    return {position: offset for position, offset in finished.items() if committed.get(position) != offset}
