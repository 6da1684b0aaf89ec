"""A consumer that has stalled in silence is replaced, and a broker that is away just then costs nothing but time."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from saga_coordinator.partition_reader import STALLED_AFTER_S, PartitionReader
from saga_messaging.broker import BrokerError, Outgoing, Record
from saga_messaging.clock import SystemClock
from saga_messaging.memory import MemoryBroker, MemoryConsumer
from support.coordinators import opened

TOPIC = "saga.reply.one"


class HurriedClock(SystemClock):
    """Runs ahead by as much as it is told."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def monotonic_s(self) -> float:
        return super().monotonic_s() + self.ahead_s


class DeafConsumer(MemoryConsumer):
    """Assigned, and silent."""

    async def poll(self, *, timeout_s: float, max_records: int) -> list[Record]:
        return []


class UnlinkedConsumer(MemoryConsumer):
    """The broker is away when it starts, and it is of no use to anybody after that."""

    async def start(self) -> None:
        raise BrokerError("the cluster did not answer")

    async def subscribe(self, topics: Iterable[str]) -> None:
        raise AttributeError("it has no client")

    async def poll(self, *, timeout_s: float, max_records: int) -> list[Record]:
        raise AttributeError("it has no client")


async def test_a_stalled_consumer_is_replaced_as_soon_as_another_one_can_start(sqlite_url: str) -> None:
    broker, clock = MemoryBroker(partitions=1), HurriedClock()
    kinds = iter((DeafConsumer, UnlinkedConsumer, MemoryConsumer))
    async with opened(sqlite_url) as store:
        reader = PartitionReader(lambda: next(kinds)(broker, "g", None), store, clock)
        await broker.ensure_topics([TOPIC])
        await reader.start()
        await reader.follow([TOPIC])
        assert await reader.poll(timeout_s=0, max_records=1) == []
        await send(broker)
        clock.ahead_s += STALLED_AFTER_S + 1
        with pytest.raises(BrokerError):
            await reader.poll(timeout_s=0, max_records=1)
        assert await reader.poll(timeout_s=0, max_records=1) == []  # the deaf one is still there
        clock.ahead_s += STALLED_AFTER_S + 1
        assert await reader.poll(timeout_s=0, max_records=1) == []  # it is replaced
        assert [record.offset for record in await reader.poll(timeout_s=1, max_records=1)] == [0]
        await reader.stop()


async def send(broker: MemoryBroker) -> None:
    producer = broker.producer()
    await producer.start()
    await producer.send_all([Outgoing(topic=TOPIC, key=b"k", value=b"v", headers=())], timeout_s=1)
    await producer.stop()
