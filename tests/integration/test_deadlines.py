"""No deadline fires before the replies that were waiting have been read; one whose participant is
silent fires within its bound."""

from __future__ import annotations

import asyncio
import time

from saga_coordinator.engine.state import Status
from saga_messaging.background import end
from saga_messaging.memory import MemoryBroker
from support.coordinators import closed, opened, register, running, saga_of, settings_for, start
from support.scripted import ScriptedParticipant, catalog_of, until

SAGAS = 20
LIMIT_S = 2.0
DEFINITION = """
saga: limited
version: 1
input: t.Input
steps:
  - {name: one, participant: one, command: t.Do, compensation: none, timeout: {step: 2s, reask: 300ms}}
  - {name: two, participant: two, command: t.Do, compensation: none, timeout: {step: 2s, reask: 300ms}}
"""


async def test_replies_that_waited_while_everything_was_down_are_read_before_any_limit_acts(sqlite_url: str) -> None:
    broker = MemoryBroker()
    one, two = ScriptedParticipant(broker, "one"), ScriptedParticipant(broker, "two")
    settings = settings_for(sqlite_url)
    async with opened(sqlite_url) as store:
        await register(store, DEFINITION, catalog_of("t.Input", "t.Do"))
        async with running(store, broker, settings) as instance:
            ids = [await start(instance, "limited", {"id": str(n)}) for n in range(SAGAS)]
        down_at = time.monotonic()
        answering = asyncio.create_task(one.run())  # answers while no coordinator listens
        await until(lambda: len(one.seen) >= SAGAS)
        await end([answering])
        await asyncio.sleep(LIMIT_S + 0.5 - (time.monotonic() - down_at))
        async with running(store, broker, settings) as instance:
            others = [asyncio.create_task(one.run()), asyncio.create_task(two.run())]
            phases = [await closed(instance, saga_id) for saga_id in ids]
            await end(others)
        assert set(phases) == {"COMPLETED"}


async def test_a_participant_that_never_answers_turns_the_saga_back_within_its_bound(sqlite_url: str) -> None:
    broker = MemoryBroker()
    silent = ScriptedParticipant(broker, "one")
    silent.answering = False
    async with opened(sqlite_url) as store:
        await register(store, DEFINITION, catalog_of("t.Input", "t.Do"))
        async with running(store, broker, settings_for(sqlite_url)) as instance:
            listening = asyncio.create_task(silent.run())
            began = time.monotonic()
            saga_id = await start(instance, "limited", {"id": "x"})
            await until(lambda: any(command.kind == "resolve" for command, _ in silent.seen), 15)
            # limit, probe and grace of twice the re-ask interval, catch-up's second, the timer's
            # quarter
            assert LIMIT_S < time.monotonic() - began < LIMIT_S + 2 * 0.3 + 1 + 5
            saga = await saga_of(store, saga_id)
            assert saga.reason == "one: time over"
            assert saga.steps["one"].status is Status.RESOLVING
            silent.answering = True
            assert await closed(instance, saga_id) == "COMPENSATED"
            await end([listening])
