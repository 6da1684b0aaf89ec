"""A definition is known to every instance from the moment its registration was answered, however
many ask for it at once."""

from __future__ import annotations

import asyncio

import pytest

from saga_coordinator.starts.requests import StartRefused
from saga_messaging.memory import MemoryBroker
from support.coordinators import opened, register, running, settings_for, start
from support.scripted import catalog_of

DEFINITION = """
saga: fresh
version: 1
input: t.Input
steps:
  - {name: one, participant: one, command: t.Do, compensation: none}
"""


async def test_many_starts_at_once_of_a_definition_registered_elsewhere_all_find_it(sqlite_url: str) -> None:
    async with opened(sqlite_url) as store, running(store, MemoryBroker(), settings_for(sqlite_url)) as instance:
        with pytest.raises(StartRefused, match="no such definition"):
            await start(instance, "fresh", {"id": "early"})
        await register(store, DEFINITION, catalog_of("t.Input", "t.Do"))  # not through this instance
        started = await asyncio.gather(*(start(instance, "fresh", {"id": str(n)}) for n in range(20)))
        assert len(set(started)) == 20
