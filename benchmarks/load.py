"""A closed loop: so many sagas in flight, started on Kafka, and seen to end on Kafka."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

from saga_messaging.background import end
from saga_messaging.broker import Outgoing, Record
from saga_messaging.kafka import KafkaBroker
from saga_messaging.settings import KafkaSettings

PATIENCE_S = 60.0
LONG_PATIENCE_S = 600.0


class Dialect(Protocol):
    """How one system is asked, and how it says that it is done."""

    events: str
    """The topic where ends are announced."""

    def start(self, key: str, number: int) -> Outgoing:
        """The start of the order with this key. One in ten will be rejected at ship."""
        ...

    def ended(self, record: Record) -> tuple[str, str] | None:
        """The key of the saga that ended, and its phase."""
        ...


class Load:
    """Keeps `in_flight` sagas going and counts those that end."""

    def __init__(self, kafka: str, dialect: Dialect, in_flight: int, *, at_most: int | None = None) -> None:
        """`at_most`: so many are started in all, and the load ends with the last of them.

        They may take as long as they like, within reason.
        """
        self._patience_s = PATIENCE_S if at_most is None else LONG_PATIENCE_S
        self._broker = KafkaBroker(KafkaSettings(bootstrap_servers=kafka, client_id="load"))
        self._dialect = dialect
        self.in_flight = in_flight
        self._open: dict[str, float] = {}
        self._next = 0
        self._at_most = at_most
        self._run = secrets.token_hex(4)
        self.done = 0
        self.latencies_ms: list[float] = []
        self.phases: dict[str, int] = {}

    async def run(self, started: asyncio.Event) -> None:
        consumer, producer = self._broker.consumer(group=f"load-{self._run}"), self._broker.producer()
        await self._broker.start()
        await consumer.start()
        await producer.start()
        try:
            await consumer.subscribe([self._dialect.events])
            await self._at_the_end(consumer)
            started.set()
            while self.done != self._at_most:
                await self._top_up(producer)
                for record in await consumer.poll(timeout_s=0.5, max_records=2000):
                    self._heard(record)
                self._forget_lost()
        finally:
            await consumer.stop()
            await producer.stop()
            await self._broker.stop()

    async def _at_the_end(self, consumer: Any) -> None:
        while not consumer.awaiting_seek():
            await consumer.poll(timeout_s=0.2, max_records=1)
        positions = consumer.awaiting_seek()
        for position, offset in (await consumer.end_offsets(positions)).items():
            consumer.seek(position, offset)

    async def _top_up(self, producer: Any) -> None:
        room = self.in_flight - len(self._open)
        starts = [self._start() for _ in range(room if self._at_most is None else min(room, self._at_most - self._next))]
        if starts:
            errors = [error for error in await producer.send_all(starts, timeout_s=10) if error is not None]
            assert not errors, errors[0]

    @property
    def open(self) -> int:
        """Sagas that have not ended."""
        return len(self._open)

    def _start(self) -> Outgoing:
        key = f"{self._run}-{self._next}"
        self._next += 1
        self._open[key] = time.perf_counter()
        return self._dialect.start(key, self._next)

    def _heard(self, record: Record) -> None:
        ended = self._dialect.ended(record)
        began = self._open.pop(ended[0], None) if ended else None
        if ended and began is not None:
            self.done += 1
            self.latencies_ms.append((time.perf_counter() - began) * 1000)
            self.phases[ended[1]] = self.phases.get(ended[1], 0) + 1

    def _forget_lost(self) -> None:
        late = [key for key, began in self._open.items() if time.perf_counter() - began > self._patience_s]
        if late:
            raise SystemExit(f"{len(late)} sagas did not end in {self._patience_s:.0f} s, first {late[0]}")


@asynccontextmanager
async def warm(load: Load, warm_up_s: float) -> AsyncIterator[asyncio.Task[None]]:
    """The load runs while the block does, which begins when every part has worked for a while."""
    started = asyncio.Event()
    running, ready = asyncio.create_task(load.run(started)), asyncio.create_task(started.wait())
    try:
        await asyncio.wait({running, ready}, return_when=asyncio.FIRST_COMPLETED)
        began = time.perf_counter()
        while load.done < 2 * load.in_flight or time.perf_counter() - began < warm_up_s:
            await going_on(running, 0.1)
            if time.perf_counter() - began > warm_up_s + PATIENCE_S:
                raise SystemExit(f"only {load.done} sagas ended in {warm_up_s + PATIENCE_S:.0f} s")
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
