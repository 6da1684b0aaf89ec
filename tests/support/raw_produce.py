"""Produce requests made by hand, so that a broker gets batches that no client library would
send."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import NoError, NotLeaderForPartitionError, UnknownTopicOrPartitionError, for_code
from aiokafka.protocol.produce import ProduceRequest

LIMIT_MS: Final = 10_000
_NOT_YET: Final = (NotLeaderForPartitionError, UnknownTopicOrPartitionError)
"""Of a topic that was just made."""


class RawProducer:
    """Sends bytes as they are to the leader of a partition."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def send(self, topic: str, partition: int, batch: bytes) -> str:
        """The broker's answer: "NoError", or the name of what it objects to."""
        async with asyncio.timeout(LIMIT_MS / 1000):
            while True:
                await self._client._wait_on_metadata(topic)
                leader = self._client.cluster.leader_for_partition(TopicPartition(topic, partition))
                answer = await self._client.send(leader, ProduceRequest(None, -1, LIMIT_MS, [(topic, [(partition, batch)])]))
                (_, ((_, code, *_),)) = answer.topics[0]
                error = for_code(code) if code else NoError
                if error not in _NOT_YET:
                    return str(error.__name__)
                await self._client.force_metadata_update()


@asynccontextmanager
async def raw_producer(kafka: str) -> AsyncIterator[RawProducer]:
    client = AIOKafkaClient(bootstrap_servers=kafka, client_id="raw", request_timeout_ms=LIMIT_MS)
    await client.bootstrap()
    try:
        yield RawProducer(client)
    finally:
        await client.close()
