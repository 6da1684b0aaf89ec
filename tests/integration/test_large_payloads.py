"""What a saga carries never stands in its way: large replies are kept outside its state, and it can
always go back."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from uuid import UUID

import pytest

from saga_coordinator.engine.state import INLINE_BYTES, STATE_PAYLOADS_BYTES, Kept
from saga_coordinator.store.port import Store
from saga_messaging.background import end
from saga_messaging.memory import MemoryBroker
from saga_schemas.codec import decode, encode
from saga_schemas.headers import CommandHeaders
from saga_schemas.outcomes import Kind, Outcome
from support.coordinators import closed, opened, register, running, saga_of, settings_for, start
from support.scripted import FENCED, UNDONE, Answer, ScriptedParticipant, catalog_of, eventually

CATALOG = catalog_of("t.Input", "t.Do", "t.Big", "t.Undo")


@pytest.fixture(params=["sqlite_url", "database_url"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


def carrying(steps: int) -> str:
    """So many steps in a row, whose compensations read their replies, and one that is never
    done."""
    one = (
        "  - {{name: s{n}, participant: one, command: t.Do, reply: t.Big,"
        " compensation: {{command: t.Undo, with: {{id: '${{steps.s{n}.reply.id}}'}}}}}}\n"
    )
    last = "  - {name: last, participant: one, command: t.Do, compensation: t.Do}\n"
    return "saga: carrying\nversion: 1\ninput: t.Input\nsteps:\n" + "".join(one.format(n=n) for n in range(steps)) + last


def big(step: str, size: int) -> str:
    return f"{step}:".ljust(size, "x")


class Carrier:
    """Answers each step with a reply of this size, and the last one never."""

    def __init__(self, broker: MemoryBroker, size: int) -> None:
        self.size = size
        self.participant = ScriptedParticipant(broker, "one", self.script)

    def script(self, command: CommandHeaders) -> Sequence[Answer]:
        if command.kind is Kind.RESOLVE:
            return [FENCED]
        if command.kind is Kind.COMPENSATION:
            return [UNDONE]
        if command.step == "last":
            return []
        schema = CATALOG.latest("t.Big")
        assert schema is not None
        payload = encode(schema, {"id": big(command.step, self.size)})
        return [Answer(outcome=Outcome.SUCCEEDED, payload=payload, record="t.Big")]

    def undone(self) -> Counter[str]:
        """Which replies the compensations were made of."""
        seen = {command.step: value for command, value in self.participant.seen if command.kind is Kind.COMPENSATION}
        return Counter(decode(value, CATALOG).value["id"] for step, value in seen.items() if step != "last")


async def asks_the_last(store: Store, saga_id: UUID) -> None:
    async def asked() -> bool:
        return (await saga_of(store, saga_id)).steps["last"].status == "asked"

    await eventually(asked, 60)


@pytest.mark.parametrize(("steps", "size"), [(7, 200_000), (40, 250_000)])
async def test_a_saga_that_carries_much_goes_back_whatever_happens_in_between(url: str, steps: int, size: int) -> None:
    broker = MemoryBroker()
    carrier = Carrier(broker, size)
    answering = asyncio.create_task(carrier.participant.run())
    async with opened(url) as store:
        await register(store, carrying(steps), CATALOG)
        async with running(store, broker, settings_for(url)) as instance:
            saga_id = await start(instance, "carrying", {"id": "x"})
            await asks_the_last(store, saga_id)
        row = await store.saga(saga_id)
        assert row is not None
        assert len(row.state) < STATE_PAYLOADS_BYTES
        async with running(store, broker, settings_for(url)) as instance:  # nothing of it is in memory
            await instance.coordinator.cancel(saga_id, "changed my mind", "ann")
            assert await closed(instance, saga_id, 60) == "COMPENSATED"
        assert carrier.undone() == Counter(big(f"s{n}", size) for n in range(steps))
        assert (await saga_of(store, saga_id)).attention is None
    await end([answering])


PARALLEL = """
saga: parallel
version: 1
input: t.Input
steps:
""" + "".join(f"  - {{name: s{n}, participant: one, command: t.Do, after: [], compensation: t.Undo}}\n" for n in range(40))


async def test_many_large_commands_at_once_go_in_several_transitions(sqlite_url: str) -> None:
    broker = MemoryBroker()
    participant = ScriptedParticipant(broker, "one")
    answering = asyncio.create_task(participant.run())
    async with opened(sqlite_url) as store:
        await register(store, PARALLEL, CATALOG)
        async with running(store, broker, settings_for(sqlite_url)) as instance:
            saga_id = await start(instance, "parallel", {"id": "x" * 250_000})

            assert await closed(instance, saga_id, 60) == "COMPLETED"
            records = await store.journal(saga_id, after=0, limit=1000)
            assert max(len(record.facts) for record in records) < 8 * 1024 * 1024
            row = await store.saga(saga_id)
            assert row is not None
            assert len(row.state) < 2 * STATE_PAYLOADS_BYTES + 250_000
    await end([answering])


async def test_a_payload_whose_journal_record_is_gone_parks_one_saga_and_no_other(sqlite_url: str) -> None:
    from sqlalchemy import text
    from sqlalchemy.ext.asyncio import create_async_engine

    broker = MemoryBroker()
    carrier = Carrier(broker, INLINE_BYTES + 1)
    answering = asyncio.create_task(carrier.participant.run())
    async with opened(sqlite_url) as store:
        await register(store, carrying(2), CATALOG)
        async with running(store, broker, settings_for(sqlite_url)) as instance:
            broken, sound = [await start(instance, "carrying", {"id": "x"}) for _ in range(2)]
            for saga_id in (broken, sound):
                await asks_the_last(store, saga_id)
            kept = (await saga_of(store, broken)).steps["s1"].reply
            assert isinstance(kept, Kept)
            engine = create_async_engine(sqlite_url)
            async with engine.begin() as connection:
                await connection.execute(
                    text("DELETE FROM journal WHERE saga_id = :id AND version = :version"),
                    {"id": broken.bytes, "version": kept.version},
                )
            await engine.dispose()
            await instance.coordinator.cancel(sound, "x", "ann")
            await instance.coordinator.cancel(broken, "x", "ann")
            assert await closed(instance, sound, 60) == "COMPENSATED"

            async def parked() -> bool:
                return (await saga_of(store, broken)).attention == "engine_error"

            await eventually(parked)
    await end([answering])
