"""A topic that takes less than we put into a batch: what is small leaves all the same, in the kit
as in the coordinator."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest
from aiokafka.admin import NewTopic

from saga_messaging.background import end
from saga_messaging.broker import Outgoing
from saga_messaging.clock import SystemClock
from saga_messaging.kafka import KafkaBroker
from saga_messaging.sender import Dispatch, Sender
from saga_messaging.settings import KafkaSettings
from saga_participant.consuming.reply_sender import ReplySender
from saga_participant.telemetry.metrics import Metrics

LIMIT_S = 60


@pytest.fixture
async def broker(kafka_address: str) -> AsyncIterator[KafkaBroker]:
    broker = KafkaBroker(KafkaSettings(bootstrap_servers=kafka_address))
    await broker.start()
    yield broker
    await broker.stop()


@pytest.fixture
async def records(broker: KafkaBroker) -> list[Outgoing]:
    """Sixteen small ones for a narrow topic, and one that is too large for it."""
    topic = f"narrow-{uuid.uuid4().hex[:12]}"
    narrow = NewTopic(topic, 1, 1, topic_configs={"max.message.bytes": "2000"})
    await broker._ask(lambda admin: admin.create_topics([narrow]))
    sizes = [500] * 8 + [5_000] + [500] * 8
    return [Outgoing(topic=topic, key=b"k%d" % n, value=b"x" * size, headers=()) for n, size in enumerate(sizes)]


async def test_replies_that_share_a_refused_batch_leave_and_only_the_guilty_one_is_given_up(
    broker: KafkaBroker, records: list[Outgoing], caplog: pytest.LogCaptureFixture
) -> None:
    metrics = Metrics("narrow")
    sender = ReplySender(broker, SystemClock(), metrics)
    sending = asyncio.create_task(sender.run())
    waits = [sender.send([record]) for record in records]
    async with asyncio.timeout(LIMIT_S):
        await asyncio.gather(*(wait for wait in waits if wait is not None))
    await end((sending,))
    assert metrics.refused_replies == 1
    assert "is refused and given up" in caplog.text


async def test_commands_that_share_a_refused_batch_leave_and_only_the_guilty_one_is_held(
    broker: KafkaBroker, records: list[Outgoing]
) -> None:
    sender: Sender[int] = Sender(broker, SystemClock(), max_rows=100, max_bytes=100_000, window_s=LIMIT_S)
    sending = asyncio.create_task(sender.run())
    assert sender.offer([Dispatch(ticket=n, record=record) for n, record in enumerate(records)]) == 17
    assert await sender.drain(LIMIT_S)
    await end((sending,))
    assert [refusal.ticket for refusal in sender.take_refused()] == [8]
    assert sorted(sender.take_acked(100)) == [n for n in range(17) if n != 8]
