"""The Sender: one for each process, takes records from memory to the broker, after their commit.

Each record has a row in the outbox, named by its ticket, so the Sender may lose a record. It drops
one when it is full, when the broker is away, or when the record has waited longer than the dispatch
window; the sweeper sends the row later. What it must never do is report an acknowledgement that did
not come.

The way of a ticket: offered -> in flight -> acknowledged -> taken by the owner -> forgotten, once
the deletion of its row is known to be committed. Until then an offer of the same ticket is ignored,
so that a sweeper which still sees the row sends nothing twice. A ticket that was dropped or refused
may be offered again.

Order: first in first out in each partition. Several batches are in flight on one idempotent
producer, which keeps the order of each partition. When one fails, no further batch starts, all in
flight are waited for, and the producer is replaced; what was not acknowledged then goes first. A
refused record stands aside, and the others go on.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Generic, TypeVar

from saga_messaging.background import backoff, happened
from saga_messaging.broker import Broker, BrokerError, Outgoing, Producer, RecordRefused
from saga_messaging.clock import Clock

BATCH_ROWS = 500
BATCHES_IN_FLIGHT = 4
ACK_TIMEOUT_S = 3.0  # an election of leaders is usually over by then
UNHEALTHY_AFTER = 2  # failures in a row; offers are then dropped until a producer has started
BACKOFF_FIRST_S = 0.1
BACKOFF_CAP_S = 5.0
RECORD_OVERHEAD_BYTES = 100  # counted for each record beside its key, value and headers

Ticket = TypeVar("Ticket", bound=Hashable)


@dataclass(slots=True, kw_only=True, eq=False)
class Dispatch(Generic[Ticket]):
    """A record on its way to the broker, from the decision that caused it until it is settled.

    The Sender keeps its own notes on it, so that no record is wrapped a second time.
    """

    ticket: Ticket
    """The name by which the record's owner knows it (the outbox id)."""
    record: Outgoing
    place: int = 0
    """The Sender's: its rank among all that were ever offered."""
    since_s: float = 0.0
    """The Sender's: when it was offered, in monotonic seconds."""
    size_bytes: int = 0
    """The Sender's: what it counts for in the queue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal(Generic[Ticket]):
    """A record the broker would not take."""

    ticket: Ticket
    record: Outgoing
    reason: str


class _Stage(Enum):
    SENDING = auto()
    ACKED = auto()
    TAKEN = auto()
    REFUSED = auto()


class Sender(Generic[Ticket]):
    """Sends records. See the top of this file. Its counters are plain attributes, for metrics."""

    def __init__(
        self,
        broker: Broker,
        clock: Clock,
        *,
        max_rows: int,
        max_bytes: int,
        window_s: float = 5.0,
        ack_timeout_s: float = ACK_TIMEOUT_S,
        jitter: Callable[[], float] = random.random,
        batch_sent: Callable[[int], None] = lambda records: None,
    ) -> None:
        """Prepare the sender; `run` sends.

        Args:
            broker: Where records go.
            clock: Measures waits.
            max_rows: The most records in hand.
            max_bytes: The most bytes in the queue.
            window_s: A record that has waited longer is dropped.
            ack_timeout_s: How long a batch waits for its acknowledgement.
            jitter: Draws between 0 and 1.
            batch_sent: Is called with the number of records of each batch.
        """
        self._broker = broker
        self._clock = clock
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self._window_s = window_s
        self._ack_timeout_s = ack_timeout_s
        self._jitter = jitter
        self._batch_sent = batch_sent
        self._queue: deque[Dispatch[Ticket]] = deque()
        self._unsent: list[Dispatch[Ticket]] = []
        self._stages: dict[Ticket, _Stage] = {}
        self._acked: deque[Ticket] = deque()
        self._refused: deque[Refusal[Ticket]] = deque()
        self._flying_rows = 0
        self._flying_batches = 0
        self._places = 0
        self._failures = 0
        self._connected = False
        self._changed = asyncio.Event()
        self._settled = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self.sent = 0
        self.dropped = 0
        self.refused = 0
        self.replaced = 0
        self.queued_bytes = 0
        self.last_error = ""

    # --- the owner's side

    def offer(self, items: Sequence[Dispatch[Ticket]]) -> int:
        """Hand records over, in order. Never waits.

        Returns:
            How many are in hand. The others are dropped: their rows stay in the outbox.
        """
        taken = 0
        now_s, room = self._clock.monotonic_s(), self._max_rows - self.depth if self.healthy else 0
        for item in items:
            if item.ticket in self._stages:
                taken += 1
                continue
            size_bytes = _size_bytes(item.record)
            if room <= 0 or self.queued_bytes + size_bytes > self._max_bytes:
                break  # what follows may be of the same key: it must not overtake
            room -= 1
            self._places += 1
            item.place, item.since_s, item.size_bytes = self._places, now_s, size_bytes
            self._queue.append(item)
            self._stages[item.ticket] = _Stage.SENDING
            self.queued_bytes += size_bytes
            taken += 1
        self.dropped += len(items) - taken
        if self._queue:
            self._idle.clear()
            self._changed.set()
        return taken

    def take_acked(self, limit: int) -> list[Ticket]:
        """Acknowledged tickets, whose rows the owner now deletes.

        The owner calls `forget` with them after the commit, or `give_back` when it failed.
        """
        tickets = [self._acked.popleft() for _ in range(min(limit, len(self._acked)))]
        for ticket in tickets:
            self._stages[ticket] = _Stage.TAKEN
        self._note_settled()
        return tickets

    def forget(self, tickets: Iterable[Ticket]) -> None:
        """The deletion of these rows is known to be committed."""
        for ticket in tickets:
            if self._stages.get(ticket) is _Stage.TAKEN:
                del self._stages[ticket]

    def give_back(self, tickets: Sequence[Ticket]) -> None:
        """The deletion was not committed, or nobody knows: the rows are to be deleted again."""
        for ticket in reversed(tickets):
            if self._stages.get(ticket) is _Stage.TAKEN:
                self._stages[ticket] = _Stage.ACKED
                self._acked.appendleft(ticket)
        self._note_settled()

    def take_refused(self) -> list[Refusal[Ticket]]:
        """What the broker refused. Its owner may offer these tickets again, after a pause."""
        refused = list(self._refused)
        self._refused.clear()
        for refusal in refused:
            del self._stages[refusal.ticket]
        self._note_settled()
        return refused

    async def wait_settled(self) -> None:
        """Until there is something to take: acknowledged or refused."""
        await self._settled.wait()

    @property
    def acked(self) -> int:
        """How many acknowledged tickets wait to be taken."""
        return len(self._acked)

    @property
    def healthy(self) -> bool:
        return self._connected or self._failures < UNHEALTHY_AFTER

    @property
    def depth(self) -> int:
        """Records in hand that are not settled, in flight included."""
        return len(self._queue) + len(self._unsent) + self._flying_rows

    @property
    def oldest_age_s(self) -> float:
        """How long the first record of the queue has waited; 0 when it is empty."""
        return self._clock.monotonic_s() - self._queue[0].since_s if self._queue else 0.0

    async def drain(self, timeout_s: float) -> bool:
        """Waits until nothing is in hand; returns whether that came about in time.

        The owner stops offering first.
        """
        return await happened(self._idle, self._clock, timeout_s)

    # --- the loop

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            producer = self._broker.producer()
            try:
                await producer.start()
                self._connected = True  # the broker answered: let offers in again
                await self._pump(producer)
            except BrokerError as error:
                self._failed(error)
            finally:
                self._connected = False
                await asyncio.shield(producer.stop())
            self.replaced += 1
            self._take_up_unsent()
            if self._failures:
                pause_s = backoff(self._failures, first_s=BACKOFF_FIRST_S, cap_s=BACKOFF_CAP_S, jitter=self._jitter())
                await self._clock.sleep(pause_s)
                self._drop_old()

    async def _pump(self, producer: Producer) -> None:
        """Keep batches in flight while the producer is usable, then wait for the last of them."""
        async with asyncio.TaskGroup() as batches:
            while producer.usable and not self._unsent:
                batch = self._next_batch() if self._flying_batches < BATCHES_IN_FLIGHT else []
                if batch:
                    self._flying_batches += 1
                    self._flying_rows += len(batch)
                    batches.create_task(self._send(producer, batch))
                    continue
                self._note_idle()
                self._changed.clear()
                await self._changed.wait()

    def _next_batch(self) -> list[Dispatch[Ticket]]:
        """What has arrived, without waiting for more."""
        self._drop_old()
        return [self._queue.popleft() for _ in range(min(BATCH_ROWS, len(self._queue)))]

    async def _send(self, producer: Producer, batch: list[Dispatch[Ticket]]) -> None:
        try:
            results = await producer.send_all([item.record for item in batch], timeout_s=self._ack_timeout_s)
        except BrokerError as error:
            results = [error] * len(batch)
        self._batch_sent(len(batch))
        self._flying_batches -= 1
        self._flying_rows -= len(batch)
        for item, result in zip(batch, results, strict=True):
            self._settle(item, result)
        self._note_settled()
        self._changed.set()

    def _settle(self, item: Dispatch[Ticket], result: BrokerError | None) -> None:
        if result is None:
            self.sent += 1
            self._failures = 0
            self.queued_bytes -= item.size_bytes
            self._stages[item.ticket] = _Stage.ACKED
            self._acked.append(item.ticket)
        elif not isinstance(result, RecordRefused):
            self._unsent.append(item)
            self.last_error = str(result)
        else:
            self.refused += 1
            self.queued_bytes -= item.size_bytes
            self._stages[item.ticket] = _Stage.REFUSED
            self._refused.append(Refusal(ticket=item.ticket, record=item.record, reason=str(result)))

    def _take_up_unsent(self) -> None:
        """Puts what was not acknowledged first again, in its old order.

        It counts as one failure, however many batches failed.
        """
        if self._unsent:
            self._failures += 1
        self._queue.extendleft(sorted(self._unsent, key=lambda item: -item.place))
        self._unsent.clear()

    def _failed(self, error: BrokerError) -> None:
        self._failures += 1
        self.last_error = str(error)

    def _drop_old(self) -> None:
        """Drop what is older than the dispatch window: the sweeper may be sending it by now."""
        horizon_s = self._clock.monotonic_s() - self._window_s
        while self._queue and self._queue[0].since_s < horizon_s:
            item = self._queue.popleft()
            self.dropped += 1
            self.queued_bytes -= item.size_bytes
            del self._stages[item.ticket]
        self._note_idle()

    def _note_idle(self) -> None:
        if not self.depth:
            self._idle.set()

    def _note_settled(self) -> None:
        if self._acked or self._refused:
            self._settled.set()
        else:
            self._settled.clear()
        self._note_idle()


def _size_bytes(record: Outgoing) -> int:
    size = RECORD_OVERHEAD_BYTES + len(record.key or b"") + len(record.value or b"")
    for name, value in record.headers:
        size += len(name) + len(value)
    return size
