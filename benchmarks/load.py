"""The load generator: sagas started at a pace, and seen to end on Kafka."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

from pace import LoadFailed, Pace

from saga_messaging.background import end
from saga_messaging.broker import Outgoing, Record
from saga_messaging.kafka import KafkaBroker
from saga_messaging.settings import KafkaSettings

PATIENCE_S = 60.0
LONG_PATIENCE_S = 600.0

Start = Callable[[Sequence[tuple[str, int]]], Awaitable[None]]
"""Starts the orders with these keys and numbers."""


class Dialect(Protocol):
    """How one system is asked, and how it says that it is done.

    One order in ten will be rejected at ship: those whose number ends in 0.
    """

    events: str
    """The topic where ends are announced."""

    def starting(self, broker: KafkaBroker) -> AbstractAsyncContextManager[Start]:
        """While the block runs, orders can be started."""
        ...

    def ended(self, record: Record) -> tuple[str, str] | None:
        """The key of the saga that ended, and its phase."""
        ...


class Tally:
    """A load, and what has come of it."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self.done = 0
        self.latencies_ms: list[float] = []
        self.phases: dict[str, int] = {}

    async def run(self, started: asyncio.Event) -> None:
        """Goes on until it is cancelled. The event tells that it has begun."""
        raise AssertionError("a subclass defines it")

    def ended(self, began: float, phase: str) -> None:
        self.done += 1
        self.latencies_ms.append((time.perf_counter() - began) * 1000)
        self.phases[phase] = self.phases.get(phase, 0) + 1

    def forget(self) -> None:
        self.latencies_ms.clear()
        self.phases.clear()


class Load(Tally):
    """Sagas of a system that announces their ends on Kafka."""

    def __init__(self, kafka: str, dialect: Dialect, pace: Pace) -> None:
        super().__init__(pace)
        self._broker = KafkaBroker(KafkaSettings(bootstrap_servers=kafka, client_id="load"))
        self._dialect = dialect
        self._open: dict[str, float] = {}
        self._next = 0
        self._run = secrets.token_hex(4)
        self._patience_s = PATIENCE_S if pace.at_most is None else LONG_PATIENCE_S
        """So long a saga may take: long where the load has an end."""

    @property
    def open(self) -> int:
        """Sagas that have not ended."""
        return len(self._open)

    async def run(self, started: asyncio.Event) -> None:
        consumer = self._broker.consumer(group=f"load-{self._run}")
        await self._broker.start()
        await consumer.start()
        try:
            async with self._dialect.starting(self._broker) as start:
                await consumer.subscribe([self._dialect.events])
                await self._at_the_end(consumer)
                started.set()
                while self.done != self.pace.at_most:
                    await self._start_due(start)
                    for record in await consumer.poll(timeout_s=self.pace.wait_s(), max_records=2000):
                        self._heard(record)
                    self._forget_lost()
        finally:
            await consumer.stop()
            await self._broker.stop()

    async def _at_the_end(self, consumer: Any) -> None:
        while not consumer.awaiting_seek():
            await consumer.poll(timeout_s=0.2, max_records=1)
        positions = consumer.awaiting_seek()
        for position, offset in (await consumer.end_offsets(positions)).items():
            consumer.seek(position, offset)

    async def _start_due(self, start: Start) -> None:
        orders = [self._order(due) for due in self.pace.due(len(self._open))]
        if orders:
            await start(orders)

    def _order(self, due: float) -> tuple[str, int]:
        key = f"{self._run}-{self._next}"
        self._next += 1
        self._open[key] = due
        return key, self._next

    def _heard(self, record: Record) -> None:
        ended = self._dialect.ended(record)
        began = self._open.pop(ended[0], None) if ended else None
        if ended and began is not None:
            self.ended(began, ended[1])

    def _forget_lost(self) -> None:
        late = [key for key, began in self._open.items() if time.perf_counter() - began > self._patience_s]
        if late:
            raise LoadFailed(f"{len(late)} sagas did not end in {self._patience_s:.0f} s, first {late[0]}")


@asynccontextmanager
async def starts_by_kafka(broker: KafkaBroker, message: Callable[[str, int], Outgoing]) -> AsyncIterator[Start]:
    """One batch for all that are due at once."""
    producer = broker.producer()
    await producer.start()

    async def start(orders: Sequence[tuple[str, int]]) -> None:
        outgoing = [message(key, number) for key, number in orders]
        errors = [error for error in await producer.send_all(outgoing, timeout_s=10) if error is not None]
        assert not errors, errors[0]

    try:
        yield start
    finally:
        await producer.stop()


@asynccontextmanager
async def warm(load: Tally, warm_up_s: float) -> AsyncIterator[asyncio.Task[None]]:
    """The load runs while the block does, which begins when every part has worked for a while."""
    started = asyncio.Event()
    running, ready = asyncio.create_task(load.run(started)), asyncio.create_task(started.wait())
    try:
        await asyncio.wait({running, ready}, return_when=asyncio.FIRST_COMPLETED)
        began = time.perf_counter()
        while load.done < 2 * load.pace.in_flight or time.perf_counter() - began < warm_up_s:
            await going_on(running, 0.1)
            if time.perf_counter() - began > warm_up_s + PATIENCE_S:
                raise LoadFailed(f"only {load.done} sagas ended in {warm_up_s + PATIENCE_S:.0f} s")
        yield running
    finally:
        await end((running, ready))


async def going_on(running: asyncio.Task[None], seconds: float) -> None:
    """Waits while the load runs. Raises what it ended with."""
    await asyncio.wait({running}, timeout=seconds)
    if running.done():
        running.result()


def percentile(values: list[float], part: float) -> float:
    return values[min(int(len(values) * part), len(values) - 1)] if values else float("nan")
