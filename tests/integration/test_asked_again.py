"""Nobody is asked again for what has been answered: replies that wait are read first."""

from __future__ import annotations

import asyncio

import pytest

from saga_coordinator.loops import liveness
from saga_coordinator.loops.catch_up_loop import SCOPE, requested
from saga_messaging.background import end
from saga_messaging.broker import TopicPartition
from saga_messaging.memory import MemoryBroker
from support.coordinators import closed, opened, register, running, saga_of, settings_for, start
from support.scripted import ScriptedParticipant, catalog_of, eventually, until

SAGAS = 10
REASK_S = 5.0
REPLIES = [TopicPartition("saga.reply.one", number) for number in range(6)]
DEFINITION = """
saga: patient
version: 1
input: t.Input
steps:
  - {name: one, participant: one, command: t.Do, compensation: none, timeout: {reask: 5s}}
"""


@pytest.fixture(autouse=True)
def short_lapses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(liveness, "LAPSE_US", 1_500_000)


async def test_answers_that_came_while_no_coordinator_was_there_are_read_before_anything_is_asked_again(sqlite_url: str) -> None:
    broker = MemoryBroker()
    one = ScriptedParticipant(broker, "one")
    async with opened(sqlite_url) as store:
        await register(store, DEFINITION, catalog_of("t.Input", "t.Do"))
        async with running(store, broker, settings_for(sqlite_url)) as instance:
            ids = [await start(instance, "patient", {"id": str(n)}) for n in range(SAGAS)]
        answering = asyncio.create_task(one.run())
        await until(lambda: len(one.seen) == SAGAS)
        await asyncio.sleep(REASK_S)  # all are due
        for partition in REPLIES:
            broker.hold(partition, 0)
        async with running(store, broker, settings_for(sqlite_url)) as instance:

            async def measured() -> bool:
                return requested(await store.look("default", frozenset({SCOPE}))) == {"one"}

            await eventually(measured)  # they were looked at
            for partition in REPLIES:
                broker.hold(partition, None)
            assert {await closed(instance, saga_id) for saga_id in ids} == {"COMPLETED"}
        await end([answering])
        assert [command.attempt for command, _ in one.seen] == [1] * SAGAS


async def test_a_command_that_was_lost_is_asked_again_once_the_replies_are_read(sqlite_url: str) -> None:
    broker = MemoryBroker()
    one = ScriptedParticipant(broker, "one")
    one.answering = False
    async with opened(sqlite_url) as store:
        await register(store, DEFINITION, catalog_of("t.Input", "t.Do"))
        async with running(store, broker, settings_for(sqlite_url)) as instance:
            listening = asyncio.create_task(one.run())
            saga_id = await start(instance, "patient", {"id": "x"})
            await until(lambda: len(one.seen) == 2, 4 * REASK_S)
            state = (await saga_of(store, saga_id)).steps["one"]
            assert state.asked_at_us is not None
            measured_at_us = min(place.caught_up_at_us or 0 for place in (await store.positions([REPLIES[0].topic])).values())
            assert measured_at_us > state.asked_at_us, "it had been measured that no answer waits"
            one.answering = True
            assert await closed(instance, saga_id, 60) == "COMPLETED"
            await end([listening])
