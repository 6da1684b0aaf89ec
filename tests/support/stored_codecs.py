"""Which codecs the batches of a topic are stored with, by their own headers."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.fetch import FetchRequest

CODECS: Final = ("none", "gzip", "snappy", "lz4", "zstd")
"""By their number in a batch."""
_MOST_BYTES: Final = 32 << 20
_HEAD: Final = 61
_ATTRIBUTES_AT: Final = 21


async def stored_codecs(kafka: str, topic: str, partitions: int = 6) -> set[str]:
    """The codecs of all batches of a topic, from its beginning."""
    client = AIOKafkaClient(bootstrap_servers=kafka, client_id="stored-codecs")
    await client.bootstrap()
    try:
        await client._wait_on_metadata(topic)
        return {codec for number in range(partitions) for codec in _codecs(await _batches(client, topic, number))}
    finally:
        await client.close()


async def _batches(client: AIOKafkaClient, topic: str, partition: int) -> bytes:
    leader = client.cluster.leader_for_partition(TopicPartition(topic, partition))
    asked = FetchRequest(100, 0, _MOST_BYTES, 0, [(topic, [(partition, 0, _MOST_BYTES)])])
    answer = await client.send(leader, asked)
    ((_, ((*_, batches),)),) = answer.topics
    return bytes(batches or b"")


def _codecs(batches: bytes) -> Iterator[str]:
    while len(batches) >= _HEAD:
        (length,) = struct.unpack_from(">i", batches, 8)
        (attributes,) = struct.unpack_from(">h", batches, _ATTRIBUTES_AT)
        yield CODECS[attributes & 7]
        batches = batches[12 + length :]
