"""A real Kafka and PostgreSQL killed and brought back with their data, without holding up the
test's own loop."""

from __future__ import annotations

import asyncio
from typing import Protocol


class Server(Protocol):
    """`KafkaService` and `PostgresService`."""

    def kill(self) -> None: ...

    def start(self) -> object: ...


async def kill(*servers: Server) -> None:
    """`kill -9`."""
    await asyncio.gather(*(asyncio.to_thread(server.kill) for server in servers))


async def bring_back(*servers: Server) -> None:
    """On the same ports and data."""
    await asyncio.gather(*(asyncio.to_thread(server.start) for server in servers))
