"""Sends records as no part of the system does: compressed by a codec of choice, to a partition of
choice, in a transaction that is aborted. For checks of others; not part of the port.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final
from uuid import uuid4

from aiokafka import AIOKafkaProducer

from saga_messaging.broker import BrokerError, Outgoing
from saga_messaging.kafka.connection import CLIENT_ERRORS, bounded, connection_options, one_line
from saga_messaging.settings import KafkaSettings

CODECS: Final = ("none", "gzip", "snappy", "lz4", "zstd")
SEND_LIMIT_S: Final = 20.0
_LINGER_MS: Final = 20
"""So that what is sent together is one batch: codecs are of batches."""


class SidewaysProducer:
    """One client for each codec, made when it is first used."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._options = {**connection_options(settings), "acks": "all", "max_request_size": settings.max_message_bytes}
        self._clients: dict[str, Any] = {}
        self._making = asyncio.Lock()

    async def stop(self) -> None:
        for client in self._clients.values():
            await bounded(client.stop())
        self._clients.clear()

    async def send(self, records: Sequence[Outgoing], *, codec: str = "none", partition: int | None = None) -> None:
        """Returns when all are acknowledged.

        Args:
            records: What to send.
            codec: One of `CODECS`.
            partition: None: as the client hashes keys.

        Raises:
            BrokerError: They are not acknowledged in time.
        """
        async with _translated():
            client = await self._client(codec)
            await _all_sent(client, records, partition)

    async def send_and_abort(self, records: Sequence[Outgoing]) -> None:
        """Sends in a transaction, and aborts it. Raises BrokerError."""
        client = AIOKafkaProducer(**self._options, transactional_id=f"sideways-{uuid4()}")
        async with _translated():
            await client.start()
            try:
                await client.begin_transaction()
                await _all_sent(client, records, None)
                await client.abort_transaction()
            finally:
                await bounded(client.stop())

    async def _client(self, codec: str) -> Any:
        async with self._making:
            if codec not in self._clients:
                compression = None if codec == "none" else codec
                client = AIOKafkaProducer(**self._options, compression_type=compression, linger_ms=_LINGER_MS)
                await client.start()
                self._clients[codec] = client
            return self._clients[codec]


async def _all_sent(client: Any, records: Sequence[Outgoing], partition: int | None) -> None:
    sent = [
        await client.send(one.topic, one.value, key=one.key, headers=list(one.headers), partition=partition) for one in records
    ]
    await asyncio.gather(*sent)


@contextlib.asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(SEND_LIMIT_S):
            yield
    except CLIENT_ERRORS as error:
        raise BrokerError(one_line(error)) from error
