"""Confluent's own client reads every topic of running order sagas, and starts them, with nothing
but the coordinator as its schema registry."""

from __future__ import annotations

import asyncio
from pathlib import Path

from support.confluent_shop import KINDS, read_all, run_sagas, shop


async def test_confluents_client_starts_sagas_and_reads_every_kind_of_message(kafka_address: str, tmp_path: Path) -> None:
    async with shop(kafka_address, tmp_path) as running:
        await run_sagas(running)
        assert await asyncio.to_thread(read_all, running, running.registry) == KINDS
