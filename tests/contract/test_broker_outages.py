"""The real Kafka taken away and given back, and its topics wiped, under a running Sender and a
running consumer."""

from __future__ import annotations

import asyncio
import gc
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from saga_cli.dev.kafka import KafkaService
from saga_messaging.background import end
from saga_messaging.broker import Consumer, Outgoing, PositionLost
from saga_messaging.clock import SystemClock
from saga_messaging.kafka import KafkaBroker
from saga_messaging.sender import Dispatch, Sender
from saga_messaging.settings import KafkaSettings
from support.topics import delete_for_good

PATIENCE_S = 60.0


@pytest.fixture
def topic() -> str:
    """One of the test's own: the brokers are shared."""
    return f"outages-{uuid.uuid4().hex[:12]}"


@asynccontextmanager
async def flowing(address: str, topic: str) -> AsyncIterator[tuple[KafkaBroker, Sender[int], Consumer]]:
    """A Sender and a group member on this cluster, running until the block ends."""
    broker = KafkaBroker(
        KafkaSettings(bootstrap_servers=address, partitions=3, request_timeout_ms=3_000, session_timeout_ms=6_000)
    )
    await broker.ensure_topics([topic])
    sender: Sender[int] = Sender(broker, SystemClock(), max_rows=1_000, max_bytes=1_000_000, ack_timeout_s=1.0)
    loop = asyncio.create_task(sender.run())
    consumer = broker.consumer(group=topic, instance="payment-1")
    await consumer.start()
    await consumer.subscribe([topic])
    try:
        yield broker, sender, consumer
    finally:
        await end((loop,))
        await consumer.stop()
        await broker.stop()


async def deliver(sender: Sender[int], consumer: Consumer, topic: str, ticket: int) -> None:
    """Offer one record as often as a sweeper would, until it was acknowledged and consumed."""
    record = Outgoing(topic=topic, key=b"saga", value=b"%d" % ticket, headers=())
    seen: set[int] = set()
    acked: set[int] = set()
    async with asyncio.timeout(PATIENCE_S):
        while ticket not in seen or ticket not in acked:
            sender.offer([Dispatch(ticket=ticket, record=record)])
            sender.take_refused()
            for position in consumer.awaiting_seek():
                consumer.seek(position, (await consumer.earliest([position])).get(position, 0))
            try:
                seen |= {int(record.value or b"") for record in await consumer.poll(timeout_s=0.1, max_records=100)}
            except PositionLost:
                continue
            acked |= set(sender.take_acked(100))
    sender.forget(acked)


async def test_sender_and_consumer_go_on_after_a_restart_of_the_broker(kept_kafka: KafkaService, topic: str) -> None:
    async with flowing(kept_kafka.bootstrap_servers, topic) as (_, sender, consumer):
        await deliver(sender, consumer, topic, 1)
        await asyncio.to_thread(kept_kafka.kill)
        await asyncio.to_thread(kept_kafka.restart)
        await deliver(sender, consumer, topic, 2)


async def test_sender_and_consumer_go_on_after_all_topics_were_wiped(kafka_address: str, topic: str) -> None:
    """All that they use."""
    async with flowing(kafka_address, topic) as (broker, sender, consumer):
        for ticket in range(5):
            await deliver(sender, consumer, topic, ticket)
        await delete_for_good(broker, topic)
        await broker.ensure_topics([topic])
        await deliver(sender, consumer, topic, 9)


async def test_a_producer_that_is_given_up_leaves_no_stack_traces_behind(kept_kafka: KafkaService, topic: str) -> None:
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    broker = KafkaBroker(KafkaSettings(bootstrap_servers=kept_kafka.bootstrap_servers, partitions=3, request_timeout_ms=1_000))
    await broker.ensure_topics([topic])
    producer = broker.producer()
    await producer.start()
    records = [Outgoing(topic=topic, key=b"%d" % number, value=b"v", headers=()) for number in range(20)]
    assert await producer.send_all(records, timeout_s=10) == [None] * 20
    sending = asyncio.create_task(producer.send_all(records * 20, timeout_s=2))  # on its way when the broker dies
    await asyncio.to_thread(kept_kafka.kill)
    first, second = await asyncio.gather(sending, producer.send_all(records, timeout_s=2))
    assert all(second), first
    await producer.stop()
    await broker.stop()
    gc.collect()  # a future whose error nobody looked at complains when it is collected
    await asyncio.sleep(0)
    assert complaints == []
