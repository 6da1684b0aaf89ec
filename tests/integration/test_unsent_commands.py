"""A real instance tells what it knows of its way to the broker."""

from __future__ import annotations

import asyncio

import pytest

from saga_coordinator.store.port import Store
from saga_coordinator.views import deliveries
from saga_coordinator.views.saga import saga_view
from saga_coordinator.wiring import Instance
from saga_messaging.background import end
from saga_messaging.memory import MemoryBroker
from support.coordinators import closed, opened, register, running, settings_for, start
from support.scripted import ScriptedParticipant, catalog_of, eventually

DEFINITION = """
saga: plain
version: 1
input: t.Input
steps:
  - {name: one, participant: one, command: t.Do, compensation: none}
"""


async def names(store: Store, instance: Instance, saga_id: object) -> list[tuple[str, str]]:
    row = await store.saga(saga_id)  # type: ignore[arg-type]
    assert row is not None
    coordinator = instance.coordinator
    view = await saga_view(row, store=store, definitions=coordinator.definitions, delivery=coordinator.delivery())
    return [(one.name, one.mover) for one in view.waiting]


async def test_a_refused_command_and_a_kafka_that_is_away_have_their_names(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "UNSENT_AFTER_US", 100_000)
    broker = MemoryBroker()
    async with opened(sqlite_url) as store:
        await register(store, DEFINITION, catalog_of("t.Input", "t.Do"))
        async with running(store, broker, settings_for(sqlite_url)) as instance:
            broker.faults.refuse = 10_000
            saga_id = await start(instance, "plain", {"id": "x"})

            async def waits_for(name: str, word: str) -> bool:
                return any(one == name and word in mover for one, mover in await names(store, instance, saga_id))

            await eventually(lambda: waits_for("publish", "the broker refuses its command"))
            broker.faults.unreachable = True
            await eventually(lambda: waits_for("kafka_away", "Kafka does not answer"))
            broker.faults.unreachable, broker.faults.refuse = False, 0
            answering = asyncio.create_task(ScriptedParticipant(broker, "one").run())
            assert await closed(instance, saga_id, 60) == "COMPLETED"
            await end([answering])
