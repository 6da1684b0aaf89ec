"""U+0000 in what a participant says: PostgreSQL takes it in no text, and no saga may wait because
of that."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from saga_messaging.background import end
from saga_messaging.memory import MemoryBroker
from saga_schemas.headers import CommandHeaders
from saga_schemas.outcomes import Kind, Outcome
from support.coordinators import closed, opened, register, running, settings_for, start
from support.orders import until
from support.scripted import DONE, UNDONE, Answer, Script, ScriptedParticipant, catalog_of

DEFINITION = """
saga: told
version: 1
input: t.Input
steps:
  - {name: one, participant: one, command: t.Do, compensation: t.Do}
  - {name: two, participant: one, command: t.Do, pivot: true}
  - {name: three, participant: one, command: t.Do}
"""
NO = Answer(outcome=Outcome.REJECTED, code="no\0", message="because\0 of that")


@pytest.fixture(params=["sqlite_url", "database_url"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


def no_to(step: str) -> Script:
    def script(command: CommandHeaders) -> Sequence[Answer]:
        if command.step == step and command.kind is not Kind.COMPENSATION:
            return [NO]
        return [UNDONE if command.kind is Kind.COMPENSATION else DONE]

    return script


async def test_what_a_participant_says_moves_the_saga_whatever_characters_it_has(url: str) -> None:
    broker = MemoryBroker()
    participant = ScriptedParticipant(broker, "one", no_to("two"))
    async with opened(url) as store:
        await register(store, DEFINITION, catalog_of("t.Input", "t.Do"))
        answering = asyncio.create_task(participant.run())
        async with running(store, broker, settings_for(url)) as instance:
            assert await closed(instance, await start(instance, "told", {"id": "back"})) == "COMPENSATED"
            participant.script = no_to("three")
            stuck = await start(instance, "told", {"id": "stuck"})

            async def needs_a_person() -> bool:
                return bool(await store.attention_of(stuck))

            await until(needs_a_person, 20, "attention")
            (why,) = await store.attention_of(stuck)
            assert (why.step, why.reason, why.note) == ("three", "rejected", "because\ufffd of that")
            assert await store.dead_letters(before=None, limit=10) == []
        await end((answering,))
