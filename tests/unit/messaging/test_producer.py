"""What a refusal is said of: of one record, of any in its batch, or of all of a topic."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiokafka.errors import InvalidTopicError, KafkaError, TopicAuthorizationFailedError

from saga_messaging.broker import Outgoing, RecordRefused
from saga_messaging.kafka.producer import KafkaProducer
from saga_messaging.settings import KafkaSettings


class Batch:
    def append(self, **_: object) -> object:
        return self


class Refusing:
    """In the place of aiokafka's client."""

    def __init__(self, error: KafkaError) -> None:
        self._error = error

    async def partitions_for(self, _: str) -> set[int]:
        return {0}

    def create_batch(self) -> Batch:
        return Batch()

    async def send_batch(self, *_: object, **__: object) -> asyncio.Future[Any]:
        refused: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        refused.set_exception(self._error)
        return refused


@pytest.mark.parametrize("error", [TopicAuthorizationFailedError(), InvalidTopicError()], ids=lambda error: type(error).__name__)
async def test_what_is_refused_for_its_topic_is_not_sent_again_one_by_one(
    error: KafkaError, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each would need a producer of its own, and whatever else this process sends would wait for
    that."""

    async def another(*_: object) -> KafkaProducer:
        raise AssertionError("a producer was made")

    monkeypatch.setattr(KafkaProducer, "_replaced", another)
    settings = KafkaSettings(bootstrap_servers="127.0.0.1:9")
    producer = KafkaProducer({}, settings)
    producer._client = Refusing(error)
    records = [Outgoing(topic="forbidden", key=b"k", value=b"v", headers=()) for _ in range(3)]
    assert [type(result) for result in await producer.send_all(records, timeout_s=5)] == [RecordRefused] * 3
    assert not producer.usable
