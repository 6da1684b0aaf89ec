"""One suite for every broker: in memory, the stand-in, and real Kafka.

What one of them cannot do is named by its parameter sets.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from saga_messaging.broker import Broker, BrokerError, Consumer, Outgoing, PositionLost, Record, RecordRefused, TopicPartition
from saga_messaging.kafka import KafkaBroker
from saga_messaging.memory import MemoryBroker
from saga_messaging.settings import KafkaSettings
from saga_messaging.standin import StandIn
from saga_messaging.whole_topic import read_whole
from saga_schemas.errors import BadMessage
from support.raw_produce import raw_producer
from support.record_batches import CODECS, Batch, Raw
from support.topics import delete_for_good

PATIENCE_S = 30.0
MAX_BYTES = 100_000
SESSION_MS = 6_000  # the least a Kafka broker allows by default

every_broker = pytest.mark.parametrize("adapter", ["memory", "stand-in", "kafka"])
brokers_with_groups = pytest.mark.parametrize("adapter", ["memory", "kafka"])  # the stand-in refuses a second member
brokers_that_delete = pytest.mark.parametrize("adapter", ["memory", "kafka"])  # the stand-in has no administration of topics
brokers_with_whole_answers = pytest.mark.parametrize(
    "adapter", ["memory", "kafka"]
)  # the stand-in: one produced batch a partition
real_kafka = pytest.mark.parametrize("adapter", ["kafka"])


@dataclass(frozen=True, slots=True)
class Connect:
    """Makes started brokers on the cluster at this address."""

    make: Callable[..., Awaitable[Any]]
    address: str

    async def __call__(self, **settings: object) -> Any:
        return await self.make(**settings)


@pytest.fixture
async def connect(adapter: str, request: pytest.FixtureRequest) -> AsyncIterator[Connect]:
    """Makes a started broker with these settings; all are stopped after the test."""
    async with AsyncExitStack() as stack:
        address = await stack.enter_async_context(StandIn()) if adapter == "stand-in" else ""
        if adapter == "kafka":
            address = request.getfixturevalue("kafka_address")

        async def connected(**settings: object) -> Broker:
            given = {"max_message_bytes": MAX_BYTES, "session_timeout_ms": SESSION_MS, **settings}
            broker: Broker
            if adapter == "memory":
                broker = MemoryBroker(partitions=4, max_message_bytes=MAX_BYTES)
            else:
                model = {"bootstrap_servers": address, "stand_in": adapter == "stand-in", "partitions": 4, **given}
                broker = KafkaBroker(KafkaSettings.model_validate(model))
            await broker.start()
            stack.push_async_callback(broker.stop)
            return broker

        yield Connect(connected, address)


@pytest.fixture
async def broker(connect: Connect) -> Any:
    return await connect()


@pytest.fixture
def topic() -> str:
    return f"t-{uuid.uuid4().hex[:12]}"


@asynccontextmanager
async def consuming(broker: Broker, *topics: str, group: str | None = "", instance: str | None = None) -> AsyncIterator[Consumer]:
    consumer = broker.consumer(group=f"g-{uuid.uuid4().hex[:12]}" if group == "" else group, instance=instance)
    await consumer.start()
    try:
        await consumer.subscribe(topics)
        yield consumer
    finally:
        await consumer.stop()


async def until(condition: Callable[[], bool], *consumers: Consumer, timeout_s: float = PATIENCE_S) -> list[Record]:
    """Poll these consumers until the condition holds; what they were delivered meanwhile."""
    delivered: list[Record] = []
    async with asyncio.timeout(timeout_s):
        while not condition():
            for consumer in consumers:
                delivered += await consumer.poll(timeout_s=0.05, max_records=100)
    return delivered


async def assigned(consumer: Consumer, count: int = 4) -> frozenset[TopicPartition]:
    await until(lambda: len(consumer.assignment()) == count, consumer)
    return consumer.assignment()


async def read(consumer: Consumer, count: int, *, offset: int = 0) -> list[Record]:
    """Seek whatever waits for it and read until `count` records have come."""
    records: list[Record] = []
    async with asyncio.timeout(PATIENCE_S):
        while len(records) < count:
            for position in consumer.awaiting_seek():
                consumer.seek(position, offset)
            records += await consumer.poll(timeout_s=0.2, max_records=100)
    return records


async def send(broker: Broker, records: Sequence[Outgoing]) -> list[BrokerError | None]:
    producer = broker.producer()
    await producer.start()
    try:
        return await producer.send_all(records, timeout_s=60.0)
    finally:
        await producer.stop()


def numbered(topic: str, count: int, keys: int = 3) -> list[Outgoing]:
    return [Outgoing(topic=topic, key=b"key-%d" % (n % keys), value=b"%d" % n, headers=()) for n in range(count)]


def by_partition(records: Sequence[Record]) -> dict[TopicPartition, list[Record]]:
    grouped: dict[TopicPartition, list[Record]] = defaultdict(list)
    for record in records:
        grouped[record.source].append(record)
    return grouped


@every_broker
async def test_records_of_one_key_arrive_in_the_order_they_were_sent(broker: Any, topic: str) -> None:
    await broker.ensure_topics([topic])
    assert await send(broker, numbered(topic, 300)) == [None] * 300
    async with consuming(broker, topic) as consumer:
        records = await read(consumer, 300)
    for key in (b"key-0", b"key-1", b"key-2"):
        values = [int(record.value or b"") for record in records if record.key == key]
        assert values == sorted(values)
        assert len(values) == 100
    assert len({(record.topic, record.partition) for record in records if record.key == b"key-0"}) == 1


@every_broker
async def test_several_sends_at_once_keep_the_order_of_a_key(broker: Any, topic: str) -> None:
    await broker.ensure_topics([topic])
    producer = broker.producer()
    await producer.start()
    records = numbered(topic, 400, keys=1)
    chunks = [records[start : start + 20] for start in range(0, 400, 20)]
    answers = await asyncio.gather(*(producer.send_all(chunk, timeout_s=60.0) for chunk in chunks))
    await producer.stop()
    assert answers == [[None] * 20] * 20
    async with consuming(broker, topic) as consumer:
        assert [int(record.value or b"") for record in await read(consumer, 400)] == list(range(400))


@every_broker
async def test_offsets_count_up_by_one_from_nought(broker: Any, topic: str) -> None:
    await broker.ensure_topics([topic])
    await send(broker, numbered(topic, 50))
    async with consuming(broker, topic) as consumer:
        for records in by_partition(await read(consumer, 50)).values():
            assert [record.offset for record in records] == list(range(len(records)))


@every_broker
async def test_headers_key_and_value_are_kept_byte_for_byte(broker: Any, topic: str) -> None:
    await broker.ensure_topics([topic])
    headers = (("plain", b"text"), ("binary", bytes(range(256))), ("twice", b"1"), ("twice", b"2"), ("empty", b""))
    await send(broker, [Outgoing(topic=topic, key=b"\x00\xff", value=bytes(range(256)), headers=headers)])
    async with consuming(broker, topic) as consumer:
        (record,) = await read(consumer, 1)
    assert (record.key, record.value, record.headers) == (b"\x00\xff", bytes(range(256)), headers)
    assert record.timestamp_ms > 1_700_000_000_000


@every_broker
async def test_a_record_goes_to_the_partition_and_with_the_time_that_it_is_given(broker: Any, topic: str) -> None:
    await broker.ensure_topics([topic])
    plain = Outgoing(topic=topic, key=b"k", value=b"v", headers=())
    at_ms = 1_600_000_000_000
    await send(broker, [replace(plain, partition=number, timestamp_ms=at_ms + number) for number in (2, 0)])
    async with consuming(broker, topic) as consumer:
        records = await read(consumer, 2)
    assert sorted((record.partition, record.timestamp_ms) for record in records) == [(0, at_ms), (2, at_ms + 2)]
    producer = broker.producer()
    await producer.start()
    (error,) = await producer.send_all([replace(plain, partition=400)], timeout_s=PATIENCE_S)
    await producer.stop()
    assert isinstance(error, RecordRefused)


@every_broker
async def test_key_and_value_may_be_null(broker: Any, topic: str) -> None:
    await broker.ensure_topics([topic])
    sent = [Outgoing(topic=topic, key=key, value=value, headers=()) for key, value in ((None, b"v"), (b"k", None), (None, None))]
    assert await send(broker, sent) == [None] * 3
    async with consuming(broker, topic) as consumer:
        records = await read(consumer, 3)
    assert {(record.key, record.value) for record in records} == {(None, b"v"), (b"k", None), (None, None)}


@every_broker
async def test_a_poll_gives_no_more_than_was_asked_for_and_loses_nothing(broker: Any, topic: str) -> None:
    await broker.ensure_topics([topic])
    await send(broker, numbered(topic, 40))
    async with consuming(broker, topic) as consumer:
        for position in await assigned(consumer):
            consumer.seek(position, 0)
        polls: list[list[Record]] = []
        async with asyncio.timeout(PATIENCE_S):
            while sum(map(len, polls)) < 40:
                polls.append(await consumer.poll(timeout_s=0.2, max_records=7))
    assert max(map(len, polls)) <= 7
    assert sorted(int(record.value or b"") for records in polls for record in records) == list(range(40))


@brokers_with_whole_answers
async def test_what_arrives_while_a_poll_is_worked_on_comes_with_the_next_one(broker: Any, topic: str) -> None:
    await broker.ensure_topics([topic])
    async with consuming(broker, topic) as consumer:
        await send(broker, numbered(topic, 1))
        await assigned(consumer)
        assert len(await read(consumer, 1)) == 1
        for number in range(
            1, 12
        ):  # one after the other, each acknowledged: a fetch that is under way would take the first alone
            await send(broker, numbered(topic, number + 1)[number:])
        assert len(await consumer.poll(timeout_s=PATIENCE_S, max_records=100)) == 11


@every_broker
async def test_nothing_is_delivered_before_seek(broker: Any, topic: str) -> None:
    await broker.ensure_topics([topic])
    await send(broker, numbered(topic, 30))
    async with consuming(broker, topic) as consumer:
        positions = await assigned(consumer)
        assert consumer.awaiting_seek() == positions
        for _ in range(5):
            assert await consumer.poll(timeout_s=0.1, max_records=100) == []
        assert len(await read(consumer, 30)) == 30
        assert consumer.awaiting_seek() == frozenset()


@every_broker
async def test_only_the_partition_that_was_sought_is_delivered(broker: Any, topic: str) -> None:
    await broker.ensure_topics([topic])
    await send(broker, numbered(topic, 60, keys=20))
    async with consuming(broker, topic) as consumer:
        positions = await assigned(consumer)
        ends = await consumer.end_offsets(positions)
        chosen = max(positions, key=lambda position: ends[position])
        consumer.seek(chosen, 0)
        records: list[Record] = []
        async with asyncio.timeout(PATIENCE_S):
            while len(records) < ends[chosen]:
                records += await consumer.poll(timeout_s=0.2, max_records=100)
        assert set(by_partition(records)) == {chosen}
        assert consumer.awaiting_seek() == positions - {chosen}


@every_broker
async def test_seek_plays_again_from_there(broker: Any, topic: str) -> None:
    await broker.ensure_topics([topic])
    await send(broker, numbered(topic, 20, keys=1))
    async with consuming(broker, topic) as consumer:
        first = await read(consumer, 20)
        consumer.seek(first[0].source, 15)
        assert [record.offset for record in await read(consumer, 5)] == [15, 16, 17, 18, 19]
        consumer.seek(first[0].source, 0)
        assert await read(consumer, 20) == first


@every_broker
async def test_seeking_a_partition_that_is_not_ours_is_ignored(broker: Any, topic: str) -> None:
    await broker.ensure_topics([topic])
    async with consuming(broker, topic) as consumer:
        await assigned(consumer)
        consumer.seek(TopicPartition("another", 0), 3)
        assert TopicPartition("another", 0) not in consumer.assignment()


@every_broker
async def test_a_position_beyond_the_end_is_raised_once_and_then_awaits_seek(broker: Any, topic: str) -> None:
    await broker.ensure_topics([topic])
    await send(broker, numbered(topic, 10, keys=1))
    async with consuming(broker, topic) as consumer:
        source = (await read(consumer, 10))[0].source
        consumer.seek(source, 999)
        with pytest.raises(PositionLost) as lost:
            await until(lambda: False, consumer)
        assert lost.value.positions == {source: 999}
        assert consumer.awaiting_seek() == {source}
        assert await consumer.poll(timeout_s=0.2, max_records=10) == []
        assert len(await read(consumer, 10)) == 10


@every_broker
async def test_earliest_and_end_offsets_tell_what_is_held(broker: Any, topic: str) -> None:
    await broker.ensure_topics([topic])
    await send(broker, numbered(topic, 25))
    positions = [TopicPartition(topic, number) for number in range(4)]
    async with consuming(broker, topic) as consumer:
        assert await consumer.earliest(positions) == dict.fromkeys(positions, 0)
        ends = await consumer.end_offsets([*positions, TopicPartition("t-missing", 0)])
        assert set(ends) == set(positions)
        assert sum(ends.values()) == 25
        assert await consumer.end_offsets([]) == {}


@every_broker
async def test_one_record_is_read_aside_without_moving_the_position(broker: Any, topic: str) -> None:
    await broker.ensure_topics([topic])
    await send(broker, numbered(topic, 12, keys=1))
    async with consuming(broker, topic) as consumer:
        records = await read(consumer, 12)
        source = records[0].source
        assert await consumer.read_one(source, 7) == records[7]
        assert await consumer.read_one(source, 0) == records[0]
        assert await consumer.read_one(source, 12) is None
        assert await consumer.read_one(TopicPartition("t-missing", 0), 0) is None
        assert await consumer.poll(timeout_s=0.2, max_records=10) == []


@every_broker
async def test_a_missing_topic_has_no_partitions_and_asking_does_not_make_it(broker: Any, topic: str) -> None:
    for _ in range(2):
        assert await broker.partitions([topic]) == {topic: frozenset()}


@every_broker
async def test_ensuring_topics_twice_is_ensuring_them_once(broker: Any, topic: str) -> None:
    await broker.ensure_topics([topic])
    await broker.ensure_topics([topic, topic + "-b"])
    assert await broker.partitions([topic, topic + "-b"]) == dict.fromkeys([topic, topic + "-b"], frozenset(range(4)))


@every_broker
async def test_without_a_group_every_reader_gets_all_partitions_at_once(broker: Any, topic: str) -> None:
    await broker.ensure_topics([topic])
    await send(broker, numbered(topic, 60))
    async with consuming(broker, topic, group=None) as one, consuming(broker, topic, group=None) as other:
        assert one.assignment() == other.assignment() == {TopicPartition(topic, number) for number in range(4)}
        assert len(await read(one, 60)) == len(await read(other, 60)) == 60
        await one.commit({TopicPartition(topic, 0): 1})


@every_broker
async def test_a_topic_is_read_whole_again_and_again_by_nobodys_group(broker: Any, topic: str) -> None:
    await broker.ensure_topics([topic], compacted=True)
    for count in (30, 60):
        await send(broker, numbered(topic, 30))
        found: list[Record] = []
        await read_whole(broker, topic, found.append, limit_s=PATIENCE_S)
        assert len(found) == count
        assert [record.value for record in found if record.key == b"key-1"][:10] == [b"%d" % n for n in range(1, 30, 3)]


@pytest.mark.parametrize("adapter", ["memory", "kafka"])  # the stand-in makes every topic that is named
async def test_a_topic_that_is_not_there_is_not_read_whole_and_not_made(broker: Any, topic: str) -> None:
    with pytest.raises(BrokerError, match="is not there, or may not be read"):
        await read_whole(broker, topic, lambda record: None, limit_s=PATIENCE_S)
    assert await broker.partitions([topic]) == {topic: frozenset()}


@real_kafka
async def test_a_compacted_topic_is_made_as_one(broker: Any, topic: str, kafka_address: str) -> None:
    await broker.ensure_topics([topic], compacted=True)
    assert await broker.partitions([topic]) == {topic: frozenset({0})}
    resource = ConfigResource(ConfigResourceType.TOPIC, topic)
    answers = await broker._ask(lambda admin: admin.describe_configs([resource]))
    entries = answers[0].to_object()["resources"][0]["config_entries"]
    assert {entry["config_value"] for entry in entries if entry["config_names"] == "cleanup.policy"} == {"compact"}


@every_broker
async def test_the_cluster_has_one_id(broker: Any) -> None:
    assert await broker.cluster_id() == await broker.cluster_id() != ""


@real_kafka
async def test_the_id_and_partitions_are_asked_for_without_all_that_the_cluster_holds(
    broker: Any, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are asked for all the time, and a shared cluster may hold thousands of topics.

    None is made by asking.
    """
    await broker.ensure_topics([topic])
    send, held = AIOKafkaAdminClient._send_request, []

    async def seen(admin: Any, *args: Any) -> Any:
        answer = await send(admin, *args)
        held.append(len(answer.to_object()["topics"]))
        return answer

    monkeypatch.setattr(AIOKafkaAdminClient, "_send_request", seen)
    await broker.cluster_id()
    await broker.partitions([topic, f"{topic}-missing"])
    assert held == [0, 2]
    await asyncio.sleep(1)
    assert f"{topic}-missing" not in await broker._ask(lambda admin: admin.list_topics())


@every_broker
async def test_a_record_too_large_is_refused_and_holds_up_no_other(broker: Any, topic: str) -> None:
    await broker.ensure_topics([topic])
    large = Outgoing(topic=topic, key=b"key-0", value=b"x" * (MAX_BYTES + 1), headers=())
    producer = broker.producer()
    await producer.start()
    results = await producer.send_all([*numbered(topic, 5), large, *numbered(topic, 5)], timeout_s=60.0)
    assert isinstance(results[5], RecordRefused)
    assert [*results[:5], *results[6:]] == [None] * 10
    assert producer.usable
    assert await producer.send_all(numbered(topic, 1), timeout_s=60.0) == [None]
    await producer.stop()


@pytest.mark.parametrize("adapter", ["memory", "kafka"])  # the stand-in makes every topic that is named
async def test_a_record_for_a_missing_topic_is_refused_and_holds_up_no_other(broker: Any, topic: str) -> None:
    await broker.ensure_topics([topic])
    results = await send(broker, [*numbered("t-missing-" + topic, 1), *numbered(topic, 2)])
    assert isinstance(results[0], RecordRefused)
    assert results[1:] == [None, None]


@real_kafka
async def test_of_a_refused_batch_each_record_is_sent_by_itself_and_only_the_guilty_ones_are_refused(
    broker: Any, topic: str
) -> None:
    small = NewTopic(topic, 1, 1, topic_configs={"max.message.bytes": "2000", "cleanup.policy": "compact"})
    await broker._ask(lambda admin: admin.create_topics([small]))
    records = [Outgoing(topic=topic, key=b"k%d" % n, value=b"x" * 500, headers=()) for n in range(16)]
    assert await send(broker, records) == [None] * 16
    guilty = {
        3: replace(records[3], value=b"x" * 5_000),
        9: replace(records[9], key=None),
    }  # too large; no key for a compacted topic
    results = await send(broker, [guilty.get(n, record) for n, record in enumerate(records)])
    assert {n for n, result in enumerate(results) if isinstance(result, RecordRefused)} == set(guilty)
    assert [result for n, result in enumerate(results) if n not in guilty] == [None] * 14
    async with consuming(broker, topic) as consumer:
        assert [record.key for record in await read(consumer, 30)] == [
            *(record.key for record in records),
            *(record.key for n, record in enumerate(records) if n not in guilty),
        ]


@real_kafka
async def test_a_record_the_broker_refuses_costs_its_producer_and_no_other_record(connect: Connect, topic: str) -> None:
    broker = await connect(max_message_bytes=4_000_000)  # more than the broker takes
    await broker.ensure_topics([topic])
    large = Outgoing(topic=topic, key=b"key-0", value=b"x" * 2_000_000, headers=())
    producer = broker.producer()
    await producer.start()
    (alone,) = await producer.send_all([large], timeout_s=60.0)
    assert isinstance(alone, RecordRefused)
    assert not producer.usable
    await producer.stop()
    assert await send(broker, numbered(topic, 3)) == [None] * 3


@every_broker
async def test_an_offset_committed_shows_in_the_lag_of_the_group(broker: Any, topic: str, adapter: str) -> None:
    group = f"g-{topic}"
    await broker.ensure_topics([topic])
    await send(broker, numbered(topic, 10, keys=1))
    async with consuming(broker, topic, group=group) as consumer:
        source = (await read(consumer, 10))[0].source
        await consumer.commit({source: 8})
        lag = await broker.group_lag(group, [topic])
        readers = await broker.readers(group)
    if adapter == "stand-in":  # has no groups, and says so
        assert (dict(lag), readers) == ({}, None)
    else:
        assert lag[source] == 2
        assert sum(lag.values()) == 2
        assert readers == 1


@brokers_with_groups
async def test_nobody_reads_for_a_group_without_members(broker: Any, topic: str) -> None:
    assert await broker.readers(f"g-{topic}") == 0


@brokers_with_groups
async def test_committing_a_partition_of_another_member_fails(broker: Any, topic: str) -> None:
    await broker.ensure_topics([topic])
    async with consuming(broker, topic) as consumer:
        await assigned(consumer)
        with pytest.raises(BrokerError):
            await consumer.commit({TopicPartition("t-other", 0): 1})


@brokers_with_groups
async def test_two_members_split_the_partitions_and_each_starts_afresh(broker: Any, topic: str) -> None:
    await broker.ensure_topics([topic])
    await send(broker, numbered(topic, 40, keys=20))
    async with consuming(broker, topic, group=topic) as first:
        assert len(await read(first, 40)) == 40
        async with consuming(broker, topic, group=topic) as second:
            late = await until(lambda: len(first.assignment()) == 2 == len(second.assignment()), first, second)
            assert late == []
            assert first.assignment().isdisjoint(second.assignment())
            assert first.awaiting_seek() == first.assignment()  # kept partitions too have to be sought again
            assert await broker.readers(topic) == 2
        await assigned(first)
        assert first.awaiting_seek() == first.assignment()
        assert len(await read(first, 40)) == 40


@brokers_with_groups
async def test_the_partitions_of_a_dead_member_move_to_the_others(broker: Any, topic: str) -> None:
    await broker.ensure_topics([topic])
    async with consuming(broker, topic, group=topic, instance="survivor") as survivor:
        async with consuming(broker, topic, group=topic, instance="mortal") as mortal:
            await until(lambda: len(survivor.assignment()) == 2 == len(mortal.assignment()), survivor, mortal)
        # A static member says no farewell: to the group it is dead until its session has run out.
        assert await assigned(survivor) == {TopicPartition(topic, number) for number in range(4)}


@brokers_with_groups
async def test_a_static_member_that_comes_back_gets_its_share_again(broker: Any, topic: str) -> None:
    await broker.ensure_topics([topic])
    async with consuming(broker, topic, group=topic, instance="stays") as stays:
        async with consuming(broker, topic, group=topic, instance="returns") as returns:
            await until(lambda: len(stays.assignment()) == 2 == len(returns.assignment()), stays, returns)
        async with consuming(broker, topic, group=topic, instance="returns") as again:
            await until(lambda: len(again.assignment()) == 2 == len(stays.assignment()), stays, again)
            assert stays.assignment() | again.assignment() == {TopicPartition(topic, number) for number in range(4)}


@real_kafka
async def test_a_group_does_not_wait_for_a_dead_member_until_its_session_is_over(connect: Connect, topic: str) -> None:
    session_s = 20.0
    broker = await connect(session_timeout_ms=round(session_s * 1000))
    await broker.ensure_topics([topic])
    async with consuming(broker, topic, group=topic) as stays:
        async with consuming(broker, topic, group=topic, instance="mortal") as mortal:
            await until(lambda: len(stays.assignment()) == 2 == len(mortal.assignment()), stays, mortal)
        async with consuming(broker, topic, group=topic) as joins:
            await until(lambda: bool(joins.assignment()), stays, joins, timeout_s=session_s * 0.85)
            assert joins.assignment() < {TopicPartition(topic, number) for number in range(4)}


@every_broker
async def test_the_topics_read_may_be_replaced_while_running(broker: Any, topic: str) -> None:
    other = topic + "-b"
    await broker.ensure_topics([topic, other])
    await send(broker, [*numbered(topic, 5), *numbered(other, 5)])
    async with consuming(broker, topic) as consumer:
        assert {record.topic for record in await read(consumer, 5)} == {topic}
        await consumer.subscribe([topic, other])
        await assigned(consumer, 8)
        assert {record.topic for record in await read(consumer, 10)} == {topic, other}
        await consumer.subscribe([other])
        await assigned(consumer, 4)
        assert {record.topic for record in await read(consumer, 5)} == {other}
        await consumer.subscribe([])
        await assigned(consumer, 0)


@every_broker
async def test_a_topic_made_after_it_was_subscribed_is_picked_up(broker: Any, topic: str) -> None:
    async with consuming(broker, topic) as consumer:
        await consumer.poll(timeout_s=0.1, max_records=1)
        await broker.ensure_topics([topic])
        await send(broker, numbered(topic, 5))
        assert len(await read(consumer, 5)) == 5


@every_broker
async def test_a_topic_that_a_group_does_not_read_moves_none_of_its_partitions(broker: Any, topic: str) -> None:
    await broker.ensure_topics([topic])
    await send(broker, numbered(topic, 20))
    async with consuming(broker, topic) as consumer:
        assert len(await read(consumer, 20)) == 20
        await broker.ensure_topics([f"{topic}.other"])
        await send(broker, numbered(topic, 4))
        assert len(await read(consumer, 4)) == 4, "it reads on, and nothing comes again"


@brokers_that_delete
async def test_a_topic_deleted_and_made_again_is_noticed_and_works_again(broker: Any, topic: str) -> None:
    await broker.ensure_topics([topic])
    await send(broker, numbered(topic, 40, keys=20))
    async with consuming(broker, topic) as consumer:
        await read(consumer, 40)
        await delete_for_good(broker, topic)
        await broker.ensure_topics([topic])
        noticed = await noticing(consumer)
        assert noticed
        assert await send(broker, numbered(topic, 8, keys=8)) == [None] * 8
        records: list[Record] = []
        async with asyncio.timeout(PATIENCE_S):
            while len(records) < 8:
                for position in consumer.awaiting_seek():
                    consumer.seek(position, 0)
                try:
                    records += await consumer.poll(timeout_s=0.2, max_records=100)
                except PositionLost:
                    continue
        assert sorted(int(record.value or b"") for record in records) == list(range(8))


@brokers_that_delete
async def test_a_producer_that_outlives_its_topic_works_again_after_a_fresh_one_at_the_latest(broker: Any, topic: str) -> None:
    await broker.ensure_topics([topic])
    producer = broker.producer()
    await producer.start()
    assert await producer.send_all(numbered(topic, 9), timeout_s=60.0) == [None] * 9
    await delete_for_good(broker, topic)
    await broker.ensure_topics([topic])
    async with asyncio.timeout(PATIENCE_S):
        while (await producer.send_all(numbered(topic, 9), timeout_s=2.0)) != [None] * 9:
            if not producer.usable:
                await producer.stop()
                producer = broker.producer()
                await producer.start()
    await producer.stop()


async def noticing(consumer: Consumer) -> frozenset[TopicPartition]:
    """Poll until some partition waits to be sought: because its position was lost, or because the
    group was dealt out anew."""
    async with asyncio.timeout(PATIENCE_S):
        while not consumer.awaiting_seek():
            try:
                assert await consumer.poll(timeout_s=0.2, max_records=100) == []
            except PositionLost:
                break
    return consumer.awaiting_seek()


@pytest.mark.parametrize("adapter", ["stand-in", "kafka"])  # memory has no connection to lose
async def test_clients_of_a_cluster_that_is_away_fail_within_their_limits(adapter: str) -> None:
    settings = KafkaSettings(bootstrap_servers="127.0.0.1:1", stand_in=adapter == "stand-in", request_timeout_ms=500)
    broker = KafkaBroker(settings)
    async with asyncio.timeout(10):
        for starting in (broker.start, broker.producer().start, broker.consumer(group="g").start):
            with pytest.raises(BrokerError):
                await starting()
        await broker.stop()


@pytest.mark.parametrize("adapter", ["stand-in"])  # the only one that is ours alone and can be ended at once
async def test_a_producer_whose_cluster_went_away_tells_so_and_closes_within_seconds(adapter: str) -> None:
    stand_in = StandIn()
    broker = KafkaBroker(KafkaSettings(bootstrap_servers=await stand_in.start(), stand_in=True, request_timeout_ms=2_000))
    await broker.ensure_topics(["t"])
    producer, consumer = broker.producer(), broker.consumer(group="g")
    await producer.start()
    await consumer.start()
    await consumer.subscribe(["t"])
    assert await producer.send_all(numbered("t", 1), timeout_s=60.0) == [None]
    await stand_in.stop()
    (result,) = await producer.send_all(numbered("t", 1), timeout_s=0.5)
    assert isinstance(result, BrokerError)
    assert not producer.usable
    async with asyncio.timeout(15):
        await producer.stop()
        await consumer.stop()
        await broker.stop()


# --- what cannot be read --------------------------------------------------------------------------


async def put_unreadable(broker: Any, adapter: str, topic: str, address: str) -> TopicPartition:
    """Three records in one batch, of which the one in the middle has a header that is not named in
    UTF-8."""
    source = TopicPartition(topic, 0)
    named = Raw(key=b"key", value=b"known", headers=[(b"caf\xe9", b"x")])
    if adapter == "memory":
        for record in (Raw(), named, Raw()):
            kept = Outgoing(topic=topic, key=record.key, value=record.value, headers=())
            broker.append_unreadable(source, "unreadable_record", known=kept) if record is named else broker.append_to(
                source, kept
            )
    else:
        async with raw_producer(address) as producer:
            assert await producer.send(topic, 0, Batch([Raw(), named, Raw()]).encoded()) == "NoError"
    return source


@every_broker
async def test_a_record_that_cannot_be_read_is_told_of_and_holds_up_no_other(
    broker: Any, connect: Connect, adapter: str, topic: str
) -> None:
    await broker.ensure_topics([topic])
    source = await put_unreadable(broker, adapter, topic, connect.address)
    await send(broker, numbered(topic, 40, keys=20))
    async with consuming(broker, topic) as consumer:
        records = await read(consumer, 43)
        faulty = [record for record in records if record.fault is not None]
        assert [(record.source, record.offset, record.next_offset) for record in faulty] == [(source, 1, 2)]
        assert (faulty[0].key, faulty[0].value) == (b"key", b"known")
        with pytest.raises(BadMessage, match="unreadable_record"):
            faulty[0].check()
        assert (await consumer.read_one(source, 1) or faulty[0]).fault is not None
        assert await consumer.read_one(source, 2) is not None
        assert len({(record.source, record.offset) for record in records}) == 43
        assert await consumer.poll(timeout_s=0.2, max_records=10) == []


@every_broker
async def test_what_cannot_be_read_comes_again_after_seek_like_any_other_record(
    broker: Any, connect: Connect, adapter: str, topic: str
) -> None:
    await broker.ensure_topics([topic])
    source = await put_unreadable(broker, adapter, topic, connect.address)
    async with consuming(broker, topic) as consumer:
        first = await read(consumer, 3)
        consumer.seek(source, 1)
        again = await read(consumer, 2)
        assert again == first[1:]
        assert again[0].fault is not None


@pytest.mark.parametrize("adapter", ["stand-in", "kafka"])
@pytest.mark.parametrize("codec", CODECS)
async def test_every_codec_is_read(broker: Any, connect: Connect, topic: str, codec: str) -> None:
    await broker.ensure_topics([topic])
    async with raw_producer(connect.address) as producer:
        sent = Batch([Raw(value=b"x" * 400), Raw(value=None)], codec=codec)
        assert await producer.send(topic, 0, sent.encoded()) == "NoError"
    async with consuming(broker, topic) as consumer:
        assert [(record.value, record.fault) for record in await read(consumer, 2)] == [(b"x" * 400, None), (None, None)]


@pytest.mark.parametrize("adapter", ["stand-in", "kafka"])
async def test_a_record_without_a_time_is_a_record(broker: Any, connect: Connect, topic: str) -> None:
    await broker.ensure_topics([topic])
    async with raw_producer(connect.address) as producer:
        assert await producer.send(topic, 0, Batch(timestamp_ms=-1).encoded()) == "NoError"
    async with consuming(broker, topic) as consumer:
        assert [record.timestamp_ms for record in await read(consumer, 1)] == [-1]


# --- transactions: only what is committed is delivered, a partition may end with what is not ------


class Transactions:
    """Of a producer that is not ours, on partition 0 of a topic; in memory what is left of them."""

    def __init__(self, broker: Any, topic: str, producer: Any) -> None:
        self._broker, self._at, self._producer = broker, TopicPartition(topic, 0), producer

    async def begin(self) -> None:
        if self._producer is None:
            self._pending: list[bytes] = []
            self._broker.hold(self._at, self._broker.log(self._at).end)
        else:
            await self._producer.begin_transaction()

    async def send(self, value: bytes) -> None:
        if self._producer is None:
            self._pending.append(value)
        else:
            await self._producer.send_and_wait(self._at.topic, value, partition=0)

    async def end(self, *, commit: bool) -> None:
        if self._producer is None:
            for value in self._pending if commit else ():
                self._broker.append_to(self._at, Outgoing(topic=self._at.topic, key=None, value=value, headers=()))
            self._broker.leave_gap(self._at, 1 if commit else len(self._pending) + 1)
            self._broker.hold(self._at, None)
        else:
            await (self._producer.commit_transaction() if commit else self._producer.abort_transaction())


@asynccontextmanager
async def transactions(broker: Any, connect: Connect, adapter: str, topic: str) -> AsyncIterator[Transactions]:
    await broker.ensure_topics([topic])
    if adapter == "memory":
        yield Transactions(broker, topic, None)
        return
    producer = AIOKafkaProducer(bootstrap_servers=connect.address, transactional_id=topic)
    await producer.start()
    try:
        yield Transactions(broker, topic, producer)
    finally:
        await producer.stop()


brokers_with_transactions = pytest.mark.parametrize("adapter", ["memory", "kafka"])  # the stand-in writes no markers


@brokers_with_transactions
async def test_the_end_is_reached_although_nothing_but_a_marker_lies_before_it(
    broker: Any, connect: Connect, adapter: str, topic: str
) -> None:
    at = TopicPartition(topic, 0)
    async with transactions(broker, connect, adapter, topic) as theirs, consuming(broker, topic) as consumer:
        await theirs.begin()
        await theirs.send(b"a")
        await theirs.end(commit=True)
        (record,) = await read(consumer, 1)
        await until(lambda: consumer.position(at) == 2, consumer)
        assert (record.value, record.next_offset) == (b"a", 1)
        assert (await consumer.end_offsets([at]))[at] == (await consumer.readable_offsets([at]))[at] == 2
        consumer.seek(at, 1)  # as after a restart: what is stored is behind the last record
        assert await until(lambda: consumer.position(at) == 2, consumer) == []
        assert await consumer.read_one(at, 1) is None


@brokers_with_transactions
async def test_what_a_transaction_aborted_is_not_delivered(broker: Any, connect: Connect, adapter: str, topic: str) -> None:
    at = TopicPartition(topic, 0)
    async with transactions(broker, connect, adapter, topic) as theirs, consuming(broker, topic) as consumer:
        await theirs.begin()
        await theirs.send(b"never")
        await theirs.end(commit=False)
        await assigned(consumer)
        for position in consumer.awaiting_seek():
            consumer.seek(position, 0)
        assert await until(lambda: consumer.position(at) == 2, consumer) == []
        assert await consumer.read_one(at, 0) is None
        await theirs.begin()
        await theirs.send(b"b")
        await theirs.end(commit=True)
        assert [(record.value, record.offset) for record in await read(consumer, 1)] == [(b"b", 2)]


@brokers_with_transactions
async def test_an_open_transaction_holds_back_what_lies_behind_its_beginning(
    broker: Any, connect: Connect, adapter: str, topic: str
) -> None:
    at = TopicPartition(topic, 0)
    async with transactions(broker, connect, adapter, topic) as theirs, consuming(broker, topic) as consumer:
        await theirs.begin()
        await theirs.send(b"a")
        await assigned(consumer)
        for position in consumer.awaiting_seek():
            consumer.seek(position, 0)
        for _ in range(3):
            assert await consumer.poll(timeout_s=0.2, max_records=10) == []
        assert (await consumer.readable_offsets([at]), consumer.position(at)) == ({at: 0}, 0)
        assert await consumer.read_one(at, 0) is None
        await theirs.end(commit=True)
        assert [record.value for record in await read(consumer, 1)] == [b"a"]


@every_broker
async def test_where_no_transaction_is_open_all_can_be_read_to_the_end(broker: Any, topic: str) -> None:
    await broker.ensure_topics([topic])
    await send(broker, numbered(topic, 10))
    positions = [TopicPartition(topic, number) for number in range(4)]
    async with consuming(broker, topic) as consumer:
        await read(consumer, 10)
        ends = await consumer.end_offsets(positions)
        assert await consumer.readable_offsets([*positions, TopicPartition("t-missing", 0)]) == ends
        assert {at: consumer.position(at) for at in positions} == ends
        assert consumer.position(TopicPartition("t-missing", 0)) is None


@every_broker
async def test_what_cannot_be_read_of_a_topic_read_whole_is_left_out(
    broker: Any, connect: Connect, adapter: str, topic: str
) -> None:
    await broker.ensure_topics([topic])
    await put_unreadable(broker, adapter, topic, connect.address)
    found: list[Record] = []
    await read_whole(broker, topic, found.append, limit_s=PATIENCE_S)
    assert [record.offset for record in found] == [0, 2]


@brokers_with_transactions
async def test_a_topic_that_ends_with_a_marker_is_read_whole(broker: Any, connect: Connect, adapter: str, topic: str) -> None:
    async with transactions(broker, connect, adapter, topic) as theirs:
        for commit in (True, False):
            await theirs.begin()
            await theirs.send(b"a")
            await theirs.end(commit=commit)
    found: list[Record] = []
    await read_whole(broker, topic, found.append, limit_s=PATIENCE_S)
    assert [record.value for record in found] == [b"a"]
