"""Two coordinators on one PostgreSQL store: twenty replies of one saga in one poll, each
doubled."""

from __future__ import annotations

import asyncio

from saga_coordinator.engine.facts import CommandSent, ReplySeen
from saga_messaging.background import end
from saga_messaging.memory import MemoryBroker
from support.coordinators import closed, journal_of, opened, register, running, settings_for, start
from support.scripted import DONE, ScriptedParticipant, catalog_of

STEPS = 20
SAGAS = 100
DEFINITION = "saga: wide\nversion: 1\ninput: t.Input\nsteps:\n" + "".join(
    f"  - {{name: s{n}, after: [], participant: wide, command: t.Do, compensation: none, timeout: {{reask: 5m}}}}\n"
    for n in range(STEPS)
)


async def test_twenty_parallel_replies_in_one_poll_each_doubled_are_each_recorded_once(database_url: str) -> None:
    broker = MemoryBroker()
    wide = ScriptedParticipant(broker, "wide", lambda command: [DONE, DONE])
    settings = settings_for(database_url)
    async with opened(database_url) as one, opened(database_url) as two:
        await register(one, DEFINITION, catalog_of("t.Input", "t.Do"))
        async with running(one, broker, settings) as first, running(two, broker, settings) as second:
            answering = asyncio.create_task(wide.run())
            ids = await asyncio.gather(*(start((first, second)[n % 2], "wide", {"id": f"o-{n}"}) for n in range(SAGAS)))
            phases = await asyncio.gather(*(closed(first, saga_id, 60) for saga_id in ids))
            await end([answering])
        assert set(phases) == {"COMPLETED"}
        for saga_id in ids:
            row = await one.saga(saga_id)
            assert row is not None
            journal = await journal_of(one, saga_id)
            facts = [fact for _, found in journal for fact in found]
            assert [record.version for record, _ in journal] == list(range(1, row.version + 1))
            assert [fact.attempt for fact in facts if isinstance(fact, CommandSent)] == [1] * STEPS
            assert sorted(fact.step for fact in facts if isinstance(fact, ReplySeen)) == sorted(f"s{n}" for n in range(STEPS))
        figures = await one.figures()
        assert (figures.inbox, figures.attention_by_reason, figures.sagas_by_phase) == (0, {}, {})
    assert len(wide.seen) == STEPS * SAGAS, "nothing was asked again"
