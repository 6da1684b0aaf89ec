"""What a refusal is said of: of one record, of any in its batch, or of all of a topic."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiokafka.errors import InvalidTopicError, KafkaError, TopicAuthorizationFailedError, UnknownTopicOrPartitionError

from saga_messaging.broker import BrokerError, Outgoing, RecordRefused
from saga_messaging.kafka import producer as producers
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


class Slow:
    """A client whose broker tells now and then which topics there are."""

    def __init__(self, told: Callable[[], None], words: int, then: set[int] | None) -> None:
        self._told = told
        self._words = words
        self._then = then
        self.asked = 0

    async def partitions_for(self, _: str) -> set[int]:
        self.asked += 1
        if self.asked > 1 and self._then is not None:
            return self._then
        for _word in range(self._words):
            self._told()
        await asyncio.Event().wait()
        raise AssertionError


@pytest.mark.parametrize("words", [0, 1])
async def test_a_topic_of_which_the_broker_has_not_spoken_is_not_missing(words: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(producers, "TOPIC_WAIT_S", 0.01)
    producer = KafkaProducer({}, KafkaSettings(bootstrap_servers="127.0.0.1:9"))
    producer._client = Slow(lambda: producer._note_told(None), words, {0, 1})
    assert await producer._partitions("orders") == [0, 1]
    assert producer._client.asked == 2


async def test_while_the_broker_says_nothing_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(producers, "TOPIC_WAIT_S", 0.01)
    producer = KafkaProducer({}, KafkaSettings(bootstrap_servers="127.0.0.1:9"))
    producer._client = Slow(lambda: None, 0, None)
    [result] = await producer.send_all([Outgoing(topic="orders", key=b"k", value=b"v", headers=())], timeout_s=0.1)
    assert type(result) is BrokerError
    assert not producer.usable


async def test_a_topic_that_the_broker_does_not_name_is_missing_and_not_waited_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(producers, "TOPIC_WAIT_S", 0.01)
    producer = KafkaProducer({}, KafkaSettings(bootstrap_servers="127.0.0.1:9"))
    producer._client = client = Slow(lambda: producer._note_told(None), 2, None)
    with pytest.raises(UnknownTopicOrPartitionError):
        await producer._partitions("orders")
    producer._missing_until_s["orders"] += 60  # however slow this machine is
    with pytest.raises(UnknownTopicOrPartitionError):
        await producer._partitions("orders")
    assert client.asked == 1
