"""Offsets and single records, read aside without touching any consumer's position."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as KafkaPartition

from saga_messaging.broker import BrokerError, Record, TopicPartition
from saga_messaging.kafka.connection import CLIENT_ERRORS, said, stop_consumer, theirs
from saga_messaging.kafka.fetch_guard import FetchGuard

ASIDE_FETCH_BYTES = 16_384  # for reading one record: the broker sends at least the batch that holds it


class Aside:
    """One connection for questions: on a consumer's they would wait behind its long fetch."""

    def __init__(self, options: Mapping[str, Any], timeout_s: float) -> None:
        self._options = {**options, "enable_auto_commit": False, "auto_offset_reset": "none", "fetch_max_wait_ms": 50}
        self._timeout_s = timeout_s
        self._client: Any = None
        self._guard: FetchGuard
        self._turn = asyncio.Lock()

    async def offsets(self, positions: Sequence[TopicPartition], *, first: bool) -> dict[TopicPartition, int]:
        if not positions:
            return {}
        async with self._connected() as client:
            found = await _offsets(client, positions, first=first)
        return {position: found[theirs(position)] for position in positions}

    async def read_one(self, position: TopicPartition, offset: int) -> Record | None:
        partition = theirs(position)
        async with self._connected() as client:
            first = (await _offsets(client, (position,), first=True))[partition]
            end = (await _offsets(client, (position,), first=False))[partition]
            if not first <= offset < end:
                return None
            client.assign([partition])
            client.seek(partition, offset)
            while not (found := await client.getmany(timeout_ms=200, max_records=1)):
                pass  # bounded by the time limit of `_connected`
            client.pause(partition)
        record = self._guard.record_of(found[partition][0])
        return record if record.offset == offset else None

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
                        self._client = AIOKafkaConsumer(**self._options, max_partition_fetch_bytes=ASIDE_FETCH_BYTES)
                        self._guard = FetchGuard(self._client)
                        await self._client.start()
                    yield self._client
            except CLIENT_ERRORS as error:
                await self.stop()  # the next question starts afresh
                raise BrokerError(f"offsets could not be read: {said(error)}") from error


async def _offsets(client: Any, positions: Iterable[TopicPartition], *, first: bool) -> dict[KafkaPartition, int]:
    asked = [theirs(position) for position in positions]
    found = await (client.beginning_offsets(asked) if first else client.end_offsets(asked))
    return dict(found)
