"""A consumer that has stalled in silence is replaced, one that has nothing to read is not, and
nothing that was delivered is lost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from saga_coordinator.inbound.partition_reader import LOOK_EVERY_S, STALLED_AFTER_S, PartitionReader
from saga_coordinator.store.port import Store, StoreError
from saga_messaging.broker import BrokerError, Fault, Outgoing, Record, TopicPartition
from saga_messaging.clock import SystemClock
from saga_messaging.memory import MemoryBroker, MemoryConsumer
from support.coordinators import opened

TOPIC = "saga.reply.one"
AT = TopicPartition(TOPIC, 0)


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
        clock.ahead_s += LOOK_EVERY_S + 1
        assert await reader.poll(timeout_s=0, max_records=1) == []  # seen to lag behind for the first time
        assert reader.problems == []
        clock.ahead_s += STALLED_AFTER_S + 1
        with pytest.raises(BrokerError):
            await reader.poll(timeout_s=0, max_records=1)
        assert await reader.poll(timeout_s=0, max_records=1) == []  # the deaf one is still there
        clock.ahead_s += STALLED_AFTER_S + 1
        assert await reader.poll(timeout_s=0, max_records=1) == []  # it is replaced
        assert [record.offset for record in await reader.poll(timeout_s=1, max_records=1)] == [0]
        assert reader.problems == [f"{TOPIC}/0 is not read on although there are records"]
        clock.ahead_s += LOOK_EVERY_S + 1
        await reader.poll(timeout_s=0, max_records=1)
        assert reader.problems == []
        await reader.stop()


async def test_a_partition_that_ends_with_a_marker_is_read_to_its_end_and_its_consumer_stays(sqlite_url: str) -> None:
    broker, clock, made = MemoryBroker(partitions=1), HurriedClock(), []

    def consumer() -> MemoryConsumer:
        made.append(broker.consumer(group="g"))
        return made[-1]

    async with opened(sqlite_url) as store:
        reader = PartitionReader(consumer, store, clock)
        await broker.ensure_topics([TOPIC])
        await reader.start()
        await reader.follow([TOPIC])
        await send(broker)
        await apply(reader, store, 1)
        broker.leave_gap(AT, 3)
        for _ in range(12):
            clock.ahead_s += LOOK_EVERY_S + 1
            assert await reader.poll(timeout_s=0, max_records=1) == []
            assert reader.problems == []
        place = reader.places()[AT]
        assert (place.next_offset, place.read_to) == (1, 4)
        assert len(made) == 1
        assert await broker.group_lag("g", [TOPIC]) == {AT: 0}
        await reader.reload()  # what is stored is behind the last record
        assert await reader.poll(timeout_s=0, max_records=1) == []
        await send(broker)
        assert [record.offset for record in await reader.poll(timeout_s=1, max_records=1)] == [4]
        await reader.stop()


async def test_a_partition_held_by_an_open_transaction_is_told_and_its_consumer_stays(sqlite_url: str) -> None:
    broker, clock, made = MemoryBroker(partitions=2), HurriedClock(), []

    def consumer() -> MemoryConsumer:
        made.append(broker.consumer(group="g"))
        return made[-1]

    async with opened(sqlite_url) as store:
        reader = PartitionReader(consumer, store, clock)
        await broker.ensure_topics([TOPIC])
        await reader.start()
        await reader.follow([TOPIC])
        await apply(reader, store, 0)
        broker.hold(AT, 0)
        for number in (0, 1):
            broker.append_to(TopicPartition(TOPIC, number), Outgoing(topic=TOPIC, key=b"k", value=b"v", headers=()))
        assert await apply(reader, store, 1) == [TopicPartition(TOPIC, 1)]
        for _ in range(4):
            clock.ahead_s += STALLED_AFTER_S + 1
            assert await reader.poll(timeout_s=0, max_records=1) == []
        assert reader.problems == [f"{TOPIC}/0 waits for a producer's open transaction to end"]
        assert len(made) == 1
        broker.hold(AT, None)
        assert await apply(reader, store, 1) == [AT]
        await reader.stop()


async def test_what_was_delivered_and_not_applied_comes_again_even_where_the_positions_could_not_be_read_at_once(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = MemoryBroker(partitions=1)

    async def away(_: object) -> None:
        raise StoreError("the database is away")

    async with opened(sqlite_url) as store:
        reader = PartitionReader(lambda: broker.consumer(group="g"), store, SystemClock())
        await broker.ensure_topics([TOPIC])
        await reader.start()
        await reader.follow([TOPIC])
        await send(broker)
        assert [record.offset for record in await reader.poll(timeout_s=1, max_records=1)] == [0]
        with monkeypatch.context() as while_away:  # applying it failed, and so does what follows
            while_away.setattr(store, "positions", away)
            with pytest.raises(StoreError):
                await reader.reload()
        await send(broker)
        assert [record.offset for record in await reader.poll(timeout_s=1, max_records=2)] == [0, 1]
        await reader.stop()


@pytest.mark.parametrize("asked", ["earliest", "end_offsets"])
async def test_what_was_delivered_and_not_applied_comes_again_even_where_the_broker_does_not_know_the_topic_for_a_moment(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    """As a broker that has just started may do."""
    broker = MemoryBroker(partitions=1)

    async def nothing(_: object, __: object) -> dict[TopicPartition, int]:
        return {}

    async with opened(sqlite_url) as store:
        reader = PartitionReader(lambda: broker.consumer(group="g"), store, SystemClock())
        await broker.ensure_topics([TOPIC])
        await reader.start()
        await reader.follow([TOPIC])
        await send(broker)
        await apply(reader, store, 1)
        await send(broker)
        assert [record.offset for record in await reader.poll(timeout_s=1, max_records=1)] == [1]
        with monkeypatch.context() as for_a_moment:  # applying it failed
            for_a_moment.setattr(MemoryConsumer, asked, nothing)
            await reader.reload()
        await send(broker)
        records = await reader.poll(timeout_s=1, max_records=2)
        assert reader.places()[AT].read_to == 1
        assert [record.offset for record in records] == [1, 2]
        await reader.stop()


async def test_a_topic_whose_last_applied_record_cannot_be_read_any_more_is_not_read_again(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker, read_one = MemoryBroker(partitions=1), MemoryConsumer.read_one

    async def spoilt(consumer: MemoryConsumer, at: TopicPartition, offset: int) -> Record | None:
        record = await read_one(consumer, at, offset)
        fault = Fault(reason="unreadable_batch", detail="its checksum does not match", last_offset=offset)
        return None if record is None else replace(record, key=None, value=b"what is left", fault=fault)

    async with opened(sqlite_url) as store:
        reader = PartitionReader(lambda: broker.consumer(group="g"), store, SystemClock())
        await broker.ensure_topics([TOPIC])
        await reader.start()
        await reader.follow([TOPIC])
        await send(broker)
        await apply(reader, store, 1)
        monkeypatch.setattr(MemoryConsumer, "read_one", spoilt)
        await reader.reload()
        assert await reader.poll(timeout_s=0, max_records=1) == []
        assert not reader.places()[AT].replaced
        await reader.stop()


async def apply(reader: PartitionReader, store: Store, count: int) -> list[TopicPartition]:
    """The partitions of what a poll brought, after it was stored."""
    records = await reader.poll(timeout_s=1 if count else 0, max_records=10)
    assert len(records) == count
    advances = reader.advances(records)
    async with store.transaction() as tx:
        assert await tx.advance(advances)
    await reader.applied(advances)
    return [record.source for record in records]


async def send(broker: MemoryBroker) -> None:
    producer = broker.producer()
    await producer.start()
    await producer.send_all([Outgoing(topic=TOPIC, key=b"k", value=b"v", headers=())], timeout_s=1)
    await producer.stop()
