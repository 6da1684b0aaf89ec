"""The connection to Kafka: sends commands, hears replies and dead letters.

Replies are sorted by saga. It must not know what they mean.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar

from saga_messaging.background import end_one
from saga_messaging.broker import Broker, BrokerError, Consumer, Outgoing, PositionLost, Producer, Record
from saga_schemas.topics import Topics

SEND_LIMIT_S: Final = 20.0
_POLL_S: Final = 0.1
_MOST_RECORDS: Final = 1_000
_LOOK_AGAIN_S: Final = 0.1
T = TypeVar("T")


class Sideways(Protocol):
    """Sends as no client of ours does: with a codec, to a partition, in a transaction."""

    async def send(self, records: Sequence[Outgoing], *, codec: str = "none", partition: int | None = None) -> None: ...

    async def send_and_abort(self, records: Sequence[Outgoing]) -> None: ...


@dataclass(kw_only=True)
class Line:
    """Use `opened`. All times are of the running loop's clock."""

    broker: Broker
    topics: Topics
    participant: str
    sideways: Sideways | None = None
    heard: dict[str, list[tuple[float, Record]]] = field(default_factory=dict)
    """Replies by saga id, with the time they came."""
    letters: list[Record] = field(default_factory=list)
    """Dead letters."""
    _producer: Producer | None = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def command_topic(self) -> str:
        return self.topics.command(self.participant)

    @property
    def group(self) -> str:
        return self.topics.command_group(self.participant)

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[Line]:
        """Make the topics that are missing, and listen from now on."""
        reply, letters = self.topics.reply(self.participant), self.topics.dlq(self.participant)
        await self.broker.ensure_topics([self.command_topic, reply, letters])
        consumer = self.broker.consumer(group=None)
        await consumer.start()
        listening = None
        try:
            await consumer.subscribe([reply, letters])
            await _seek_to_end(consumer)
            listening = asyncio.create_task(self._listen(consumer, letters))
            yield self
        finally:
            if listening is not None:
                await end_one(listening)
            await consumer.stop()
            if self._producer is not None:
                await self._producer.stop()

    async def send(self, records: Sequence[Outgoing]) -> None:
        """Returns when the broker has them all. Raises BrokerError."""
        if self._producer is None or not self._producer.usable:
            self._producer = self.broker.producer()
            await self._producer.start()
        for failed in await self._producer.send_all(records, timeout_s=SEND_LIMIT_S):
            if failed is not None:
                raise failed

    async def until(self, found: Callable[[], T | None], limit_s: float) -> T | None:
        """What is found once it is there; None after the limit."""
        clock = asyncio.get_running_loop()
        end_s = clock.time() + limit_s
        while (got := found()) is None:
            left_s = end_s - clock.time()
            if left_s <= 0:
                return None
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), min(left_s, _LOOK_AGAIN_S))
        return got

    async def _listen(self, consumer: Consumer, letters: str) -> None:
        clock = asyncio.get_running_loop()
        while True:
            try:
                polled = await consumer.poll(timeout_s=_POLL_S, max_records=_MOST_RECORDS)
            except PositionLost as lost:
                for position in lost.positions:
                    consumer.seek(position, 0)
                continue
            except BrokerError:  # the broker is away for a while; the cases have their own limits
                await asyncio.sleep(_POLL_S)
                continue
            for record in polled:
                self._keep(record, letters, clock.time())
            if polled:
                news, self._news = self._news, asyncio.Event()
                news.set()

    def _keep(self, record: Record, letters: str, now_s: float) -> None:
        if record.topic == letters:
            self.letters.append(record)
            return
        named = next((value for name, value in record.headers if name == "ce_correlationid"), record.key)
        self.heard.setdefault((named or b"").decode("utf-8", "replace"), []).append((now_s, record))


async def _seek_to_end(consumer: Consumer) -> None:
    waiting = consumer.awaiting_seek()
    for position, offset in (await consumer.end_offsets(waiting)).items():
        consumer.seek(position, offset)
