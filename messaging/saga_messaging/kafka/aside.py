"""Offsets and single records, read aside without touching any consumer's position."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from enum import Enum, auto
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, READ_UNCOMMITTED

from saga_messaging.broker import BrokerError, Record, TopicPartition
from saga_messaging.kafka.connection import CLIENT_ERRORS, kafka_partition, one_line, stop_consumer
from saga_messaging.kafka.fetch_guard import FetchGuard

ASIDE_FETCH_BYTES = 16_384  # for reading one record: the broker sends at least the batch that holds it


class Offset(Enum):
    """Which offset of a partition."""

    FIRST = auto()
    READABLE = auto()
    """The last stable one: behind it lies what an open transaction holds back."""
    END = auto()


class Aside:
    """One connection for questions: on a consumer's they would wait behind its long fetch."""

    def __init__(self, options: Mapping[str, Any], timeout_s: float) -> None:
        own = {
            "enable_auto_commit": False,
            "auto_offset_reset": "none",
            "isolation_level": "read_committed",
            "fetch_max_wait_ms": 50,
        }
        self._options = {**options, **own}
        self._timeout_s = timeout_s
        self._client: Any = None
        self._guard: FetchGuard
        self._turn = asyncio.Lock()

    async def offsets(self, positions: Sequence[TopicPartition], which: Offset) -> dict[TopicPartition, int]:
        if not positions:
            return {}
        async with self._connected() as client:
            found = await _offsets(client, positions, which)
        return {position: found[kafka_partition(position)] for position in positions}

    async def read_one(self, position: TopicPartition, offset: int) -> Record | None:
        partition = kafka_partition(position)
        async with self._connected() as client:
            first = (await _offsets(client, (position,), Offset.FIRST))[partition]
            end = (await _offsets(client, (position,), Offset.READABLE))[partition]
            if not first <= offset < end:
                return None
            client.assign([partition])
            client.seek(partition, offset)
            found: dict[KafkaPartition, list[Any]] = {}
            # Where the record is no more, and there is none behind it either, the position passes
            # it without bringing anything.
            while not found and await client.position(partition) <= offset:
                found = await client.getmany(timeout_ms=200, max_records=1)
            client.pause(partition)
        records = self._guard.records_of(position, found[partition][:1]) if found else []
        return records[0] if records and records[0].offset == offset else None

    async def stop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await stop_consumer(client)

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[Any]:
        async with self._turn:
            try:
                async with asyncio.timeout(self._timeout_s):
                    if self._client is None:
                        self._client = AIOKafkaConsumer(
                            **self._options, max_partition_fetch_bytes=ASIDE_FETCH_BYTES, fetch_max_bytes=ASIDE_FETCH_BYTES
                        )
                        self._guard = FetchGuard(self._client)
                        await self._client.start()
                    yield self._client
            except CLIENT_ERRORS as error:
                await self.stop()  # the next question starts afresh
                raise BrokerError(f"offsets could not be read: {one_line(error)}") from error


async def _offsets(client: Any, positions: Iterable[TopicPartition], which: Offset) -> dict[KafkaPartition, int]:
    asked = [kafka_partition(position) for position in positions]
    fetcher = client._fetcher
    if which is Offset.END:
        fetcher._isolation_level = READ_UNCOMMITTED  # the client is ours alone meanwhile, and fetches nothing
    try:
        return dict(await (client.beginning_offsets(asked) if which is Offset.FIRST else client.end_offsets(asked)))
    finally:
        fetcher._isolation_level = READ_COMMITTED
