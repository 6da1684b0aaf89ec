"""Starts that are carried out together: each gets its own answer, those that must be able to roll
back alone included."""

from __future__ import annotations

import asyncio

from saga_coordinator.starts.requests import OnOpen, StartRefused, StartRequest, StartResult
from saga_messaging.background import end_one
from saga_messaging.memory import MemoryBroker
from support.coordinators import opened, register, running, settings_for
from support.scripted import catalog_of

DEFINITION = """
saga: keyed
version: 1
input: t.Input
key: ${input.id}
steps:
  - {name: one, participant: one, command: t.Do, compensation: none}
"""


def request(request_id: str, key: str, on_open: OnOpen) -> StartRequest:
    return StartRequest(
        tenant="default",
        definition="keyed",
        input={"id": key},
        request_id=request_id,
        source="test",
        on_open=on_open,
        body_hash=b"0" * 32,
    )


async def test_starts_that_may_be_refused_do_not_cost_the_others_their_answers(sqlite_url: str) -> None:
    async with opened(sqlite_url) as store:
        await register(store, DEFINITION, catalog_of("t.Input", "t.Do"))
        async with running(store, MemoryBroker(), settings_for(sqlite_url, roles="timers")) as instance:
            wanted = [
                request("a", "x", "return_existing"),
                request("b", "y", "reject"),
                request("c", "x", "reject"),
                request("d", "x", "return_existing"),
            ]
            asked = [asyncio.create_task(instance.coordinator.start(one)) for one in wanted]
            await asyncio.sleep(0.3)  # all four wait in the queue, which nobody has begun to empty
            emptying = asyncio.create_task(instance.loops["api"][0]())
            answers = await asyncio.gather(*asked, return_exceptions=True)
            await end_one(emptying)
    first, second, refused, again = answers
    assert isinstance(first, StartResult)
    assert isinstance(second, StartResult)
    assert isinstance(again, StartResult)
    assert (first.created, second.created) == (True, True)
    assert (again.saga_id, again.created) == (first.saga_id, False)
    assert isinstance(refused, StartRefused)
    assert refused.code == "key_held"
