"""All that topics hold, read without a group; and records sent once more, as they were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as KafkaPartition

from saga_messaging.broker import Outgoing, Record, TopicPartition
from saga_messaging.kafka import KafkaBroker
from saga_messaging.settings import KafkaSettings

POLL_MS = 1_000
AT_ONCE = 500


async def records_of(kafka: str, topics: Sequence[str], since: Mapping[TopicPartition, int] | None = None) -> list[Record]:
    """What these topics hold now, from these offsets on, or from their beginnings."""
    broker = KafkaBroker(KafkaSettings(bootstrap_servers=kafka))
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False)
    try:
        await consumer.start()
        held = await broker.partitions(topics)
        places = [KafkaPartition(topic, number) for topic, numbers in held.items() for number in numbers]
        ends, first = await consumer.end_offsets(places), await consumer.beginning_offsets(places)
        consumer.assign(places)
        for place in places:
            consumer.seek(place, max(first[place], (since or {}).get(TopicPartition(*place), 0)))
        found: list[Record] = []
        while [place for place in places if await consumer.position(place) < ends[place]]:
            for batch in (await consumer.getmany(timeout_ms=POLL_MS, max_records=AT_ONCE)).values():
                found += [_record(one) for one in batch]
        return found
    finally:
        await consumer.stop()
        await broker.stop()


def _record(one: Any) -> Record:
    return Record(
        topic=one.topic,
        partition=one.partition,
        offset=one.offset,
        timestamp_ms=one.timestamp,
        key=one.key,
        value=one.value,
        headers=tuple(one.headers),
    )


async def send_again(kafka: str, records: Sequence[Record]) -> None:
    """In this order."""
    again = [Outgoing(topic=one.topic, key=one.key, value=one.value, headers=one.headers) for one in records]
    broker = KafkaBroker(KafkaSettings(bootstrap_servers=kafka))
    producer = broker.producer()
    try:
        await producer.start()
        for at in range(0, len(again), AT_ONCE):
            await producer.send_all(again[at : at + AT_ONCE], timeout_s=30)
        await producer.stop()
    finally:
        await broker.stop()
