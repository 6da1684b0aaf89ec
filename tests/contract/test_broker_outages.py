"""The real Kafka taken away and given back, and its topics wiped, under a running Sender and a
running consumer."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from saga_messaging.broker import Consumer, Outgoing, PositionLost
from saga_messaging.clock import SystemClock
from saga_messaging.kafka import KafkaBroker
from saga_messaging.sender import Dispatch, Sender
from saga_messaging.settings import KafkaSettings
from support.topics import delete_for_good

PATIENCE_S = 60.0
TOPIC = "saga.cmd.payment"


@asynccontextmanager
async def flowing(address: str) -> AsyncIterator[tuple[KafkaBroker, Sender[int], Consumer]]:
    """A Sender and a group member on this cluster, running until the block ends."""
    broker = KafkaBroker(
        KafkaSettings(bootstrap_servers=address, partitions=3, request_timeout_ms=3_000, session_timeout_ms=6_000)
    )
    await broker.ensure_topics([TOPIC])
    sender: Sender[int] = Sender(broker, SystemClock(), max_rows=1_000, max_bytes=1_000_000, ack_timeout_s=1.0)
    loop = asyncio.create_task(sender.run())
    consumer = broker.consumer(group="payment", instance="payment-1")
    await consumer.start()
    await consumer.subscribe([TOPIC])
    try:
        yield broker, sender, consumer
    finally:
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)
        await consumer.stop()
        await broker.stop()


async def deliver(sender: Sender[int], consumer: Consumer, ticket: int) -> None:
    """Offer one record as often as a sweeper would, until it was acknowledged and consumed."""
    record = Outgoing(topic=TOPIC, key=b"saga", value=b"%d" % ticket, headers=())
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


async def test_sender_and_consumer_go_on_after_a_restart_of_the_broker(own_kafka: Callable[[], Any]) -> None:
    kafka = await asyncio.to_thread(own_kafka)
    async with flowing(kafka.bootstrap_servers) as (_, sender, consumer):
        await deliver(sender, consumer, 1)
        await asyncio.to_thread(kafka.kill)
        await asyncio.to_thread(kafka.restart)
        await deliver(sender, consumer, 2)


async def test_sender_and_consumer_go_on_after_all_topics_were_wiped(own_kafka: Callable[[], Any]) -> None:
    kafka = await asyncio.to_thread(own_kafka)
    async with flowing(kafka.bootstrap_servers) as (broker, sender, consumer):
        for ticket in range(5):
            await deliver(sender, consumer, ticket)
        await delete_for_good(broker, TOPIC)
        await broker.ensure_topics([TOPIC])
        await deliver(sender, consumer, 9)


async def test_a_producer_that_is_given_up_leaves_no_stack_traces_behind(own_kafka: Callable[[], Any]) -> None:
    kafka = await asyncio.to_thread(own_kafka)
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    broker = KafkaBroker(KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, partitions=3, request_timeout_ms=1_000))
    await broker.ensure_topics([TOPIC])
    producer = broker.producer()
    await producer.start()
    records = [Outgoing(topic=TOPIC, key=b"%d" % number, value=b"v", headers=()) for number in range(20)]
    assert await producer.send_all(records, timeout_s=10) == [None] * 20
    sending = asyncio.create_task(producer.send_all(records * 20, timeout_s=2))  # on its way when the broker dies
    await asyncio.to_thread(kafka.kill)
    first, second = await asyncio.gather(sending, producer.send_all(records, timeout_s=2))
    assert all(second), first
    await producer.stop()
    await broker.stop()
    gc.collect()  # a future whose error nobody looked at complains when it is collected
    await asyncio.sleep(0)
    assert complaints == []
