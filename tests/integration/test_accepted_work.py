"""A participant that waits for a person says so, is believed, and is shown with its own words."""

from __future__ import annotations

import asyncio

from saga_coordinator.registry.definition_cache import DefinitionCache
from saga_coordinator.views.saga import saga_view
from saga_messaging.background import end
from saga_messaging.memory import MemoryBroker
from saga_schemas.outcomes import Outcome
from support.coordinators import closed, opened, register, running, saga_of, settings_for, start
from support.scripted import DONE, Answer, ScriptedParticipant, catalog_of, eventually

DEFINITION = """
saga: patient
version: 1
input: t.Input
steps:
  - {name: one, participant: one, command: t.Do, compensation: none, timeout: {reask: 100ms, attention: 300ms}}
"""
NOT_YET = Answer(outcome=Outcome.IN_PROGRESS, sequence=1, note="waiting for the clerk")


async def test_a_step_that_waits_for_a_person_is_shown_as_that(sqlite_url: str) -> None:
    broker = MemoryBroker()
    clerk = ScriptedParticipant(broker, "one", lambda command: [NOT_YET])
    async with opened(sqlite_url) as store:
        await register(store, DEFINITION, catalog_of("t.Input", "t.Do"))
        async with running(store, broker, settings_for(sqlite_url)) as instance:
            working = asyncio.create_task(clerk.run())
            saga_id = await start(instance, "patient", {"id": "x"})

            async def accepted() -> bool:
                return (await saga_of(store, saga_id)).steps["one"].status == "accepted"

            await eventually(accepted)
            row = await store.saga(saga_id)
            assert row is not None
            view = await saga_view(row, store=store, definitions=DefinitionCache(store, "default"))
            (waiting,) = view.waiting
            assert (waiting.step, waiting.name) == ("one", "accepted")
            assert "«waiting for the clerk»" in waiting.mover
            (command, _), *_ = clerk.seen
            producer = broker.producer()
            await producer.start()
            assert await producer.send_all([clerk.reply(command, DONE)], timeout_s=5) == [None]
            assert await closed(instance, saga_id) == "COMPLETED"
            await end([working])
