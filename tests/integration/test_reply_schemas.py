"""A participant that was deployed before its new reply schema was registered: what it says it did
counts, and nothing is undone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from saga_coordinator.batch.plan import Batch
from saga_coordinator.engine import timing
from saga_coordinator.engine.events import Env
from saga_coordinator.engine.facts import CommandSent
from saga_coordinator.inbound import refused_replies
from saga_coordinator.inbound.inbox import to_inbox
from saga_coordinator.loops.timer_loop import TimerLoop
from saga_coordinator.registry.registration import Act, add_schema
from saga_coordinator.store.identifiers import new_id
from saga_coordinator.store.port import InboxEvent, Store
from saga_coordinator.views.saga import SagaView, saga_view
from saga_coordinator.wiring import Instance
from saga_messaging.background import end
from saga_messaging.broker import Outgoing, Record
from saga_messaging.memory import MemoryBroker
from saga_schemas.catalog import Catalog
from saga_schemas.codec import encode
from saga_schemas.headers import CommandHeaders, StartHeaders
from saga_schemas.outcomes import Kind, Outcome
from saga_schemas.schema import Schema
from support.coordinators import closed, journal_of, opened, register, running, settings_for, start
from support.scripted import Answer, ScriptedParticipant, catalog_of, obliging, until

DO, DONE = catalog_of("t.Do").latest("t.Do"), catalog_of("t.Done").latest("t.Done")
assert DO is not None and DONE is not None
NOTE = {"name": "note", "type": ["null", "string"], "default": None}
DO = Schema.parse(DO.document | {"sagaReply": "t.Done"})
DONE_2 = Schema.parse(DONE.document | {"fields": [*DONE.document["fields"], NOTE]})
CATALOG = Catalog([*catalog_of("t.Input", "t.Next", "t.Undo"), DO, DONE])
DEFINITION = """
saga: replied
version: 1
input: t.Input
%ssteps:
  - name: one
    participant: one
    command: t.Do
    compensation: t.Undo
    timeout: {reask: 200ms}
  - name: next
    participant: one
    command: t.Next
    pivot: true
    with: {id: "%s"}
"""
READ, UNREAD = "${steps.one.reply.id}", "${input.id}"


@dataclass(frozen=True, slots=True)
class Running:
    store: Store
    instance: Instance
    broker: MemoryBroker
    participant: ScriptedParticipant

    async def view(self, saga_id: Any) -> SagaView:
        row = await self.store.saga(saga_id)
        assert row is not None
        return await saga_view(row, store=self.store, definitions=self.instance.coordinator.definitions)

    async def asked(self, saga_id: Any) -> list[Kind]:
        facts = [fact for _, found in await journal_of(self.store, saga_id) for fact in found]
        return [fact.kind for fact in facts if isinstance(fact, CommandSent)]


def in_the_new_schema(command: CommandHeaders) -> Sequence[Answer]:
    if command.step == "one" and command.kind is not Kind.COMPENSATION:
        payload = encode(DONE_2, {"id": "from the reply", "note": "new"})
        return [Answer(outcome=Outcome.SUCCEEDED, record="t.Done", payload=payload)]
    return obliging(command)


@asynccontextmanager
async def system(url: str, mapping: str, limits: str = "") -> AsyncIterator[Running]:
    broker = MemoryBroker()
    async with opened(url) as store, running(store, broker, settings_for(url)) as instance:
        await register(store, DEFINITION % (limits, mapping), CATALOG)
        participant = ScriptedParticipant(broker, "one", in_the_new_schema)
        answering = asyncio.create_task(participant.run())
        try:
            yield Running(store, instance, broker, participant)
        finally:
            await end([answering])


async def add(store: Store, instance: Instance, schema: Schema) -> None:
    act = Act(who="tests")
    await add_schema(store, instance.coordinator.definitions, subject=None, document=schema.document, tenant="default", act=act)


async def test_a_reply_that_nobody_reads_counts_whatever_schema_it_is_written_in(sqlite_url: str) -> None:
    async with system(sqlite_url, UNREAD) as it:
        saga_id = await start(it.instance, "replied", {"id": "1"})
        assert await closed(it.instance, saga_id) == "COMPLETED"
        assert set(await it.asked(saga_id)) == {Kind.ACTION}
        assert await it.store.dead_letters(before=None, limit=10) == []


async def test_a_reply_that_is_read_waits_by_name_until_its_schema_is_there_and_nothing_is_undone(sqlite_url: str) -> None:
    async with system(sqlite_url, READ) as it:
        saga_id = await start(it.instance, "replied", {"id": "1"})
        await until(lambda: len(it.participant.seen) >= 4)  # asked again, and again answered
        (waiting,) = (await it.view(saga_id)).waiting
        assert (waiting.step, waiting.name) == ("one", "reply_unreadable")
        assert f"{DONE_2.id:08x}" in waiting.mover and "saga schema add" in waiting.mover
        await add(it.store, it.instance, DONE_2)
        assert await closed(it.instance, saga_id) == "COMPLETED"
        assert set(await it.asked(saga_id)) == {Kind.ACTION}
        assert (await it.view(saga_id)).steps[0].reply == {"id": "from the reply"}, "as the definition pins it"


async def test_a_reply_in_a_schema_that_another_instance_registered_a_moment_ago_is_read(sqlite_url: str) -> None:
    async with system(sqlite_url, READ) as it:
        await it.instance.coordinator.definitions.refresh()
        async with it.store.transaction() as tx:  # not through this instance, which reads the table every two seconds
            await tx.add_schemas([(DONE_2.id, DONE_2.full_name, DONE_2.canonical)])
        saga_id = await start(it.instance, "replied", {"id": "1"})
        assert await closed(it.instance, saga_id) == "COMPLETED"
        assert await it.store.dead_letters(before=None, limit=10) == []


async def test_a_start_in_a_schema_that_another_instance_registered_a_moment_ago_is_read(sqlite_url: str) -> None:
    known = CATALOG.latest("t.Input")
    assert known is not None
    newer = Schema.parse(known.document | {"fields": [*known.document["fields"], NOTE]})
    async with system(sqlite_url, UNREAD) as it:
        await it.instance.coordinator.definitions.refresh()
        async with it.store.transaction() as tx:
            await tx.add_schemas([(newer.id, newer.full_name, newer.canonical)])
        headers = StartHeaders(
            message_id="r-1", source="tests", record="t.Input", tenant="default", definition="replied", time_us=0
        )
        sent = Outgoing(topic="saga.start", key=None, value=encode(newer, {"id": "1", "note": "n"}), headers=headers.encode())
        await it.broker.producer().send_all([sent], timeout_s=1)
        await until(lambda: len(it.participant.seen) >= 2)
        assert await it.store.dead_letters(before=None, limit=10) == []


async def test_no_limit_turns_back_a_step_that_is_done_by_a_reply_nobody_can_read_yet(sqlite_url: str) -> None:
    """Beside it a saga whose participant is silent, which shows that the limit has acted."""
    answered: list[Any] = []

    def script(command: CommandHeaders) -> Sequence[Answer]:
        return [] if command.saga_id not in answered and command.kind is Kind.ACTION else in_the_new_schema(command)

    async with system(sqlite_url, READ, limits="deadline: 500ms\n") as it:
        it.participant.script = script
        done = await start(it.instance, "replied", {"id": "1"})
        answered.append(done)
        silent = await start(it.instance, "replied", {"id": "2"})
        assert await closed(it.instance, silent) == "COMPENSATED"
        assert [waiting.name for waiting in (await it.view(done)).waiting] == ["reply_unreadable"]
        await add(it.store, it.instance, DONE_2)
        assert await closed(it.instance, done) == "COMPLETED"
        assert set(await it.asked(done)) == {Kind.ACTION}


async def test_no_limit_turns_back_a_step_that_answered_its_probe_long_ago(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its re-asks may lie further apart than what `saga show` looks back to."""
    monkeypatch.setattr(refused_replies, "LOOKED_BACK_US", 1)
    async with system(sqlite_url, READ, limits="deadline: 500ms\n") as it:
        saga_id = await start(it.instance, "replied", {"id": "1"})
        await until(lambda: len(it.participant.seen) >= 4)  # the next ask is more than a second away: the grace ends meanwhile
        await asyncio.sleep(1.2)
        assert set(await it.asked(saga_id)) == {Kind.ACTION}
        await add(it.store, it.instance, DONE_2)
        assert await closed(it.instance, saga_id) == "COMPLETED"


async def test_no_limit_turns_back_a_step_whose_unread_reply_lay_in_the_inbox_until_then(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else held the saga when the reply came: the timer loop finds it in the transaction
    in which the limit acts."""
    fold = TimerLoop._fold
    late: list[Any] = []

    async def with_a_late_reply(loop: TimerLoop, batch: Batch, caught_up: Mapping[str, int]) -> None:
        tx = batch.tx
        env = Env(now_us=tx.now_us, caught_up_at_us=caught_up, alive_since_us=loop._liveness.since_us(tx.now_us))
        for work in (await loop._loader.open(tx)).values():
            assert work.saga is not None and work.saga.deadline_at_us is not None
            step = work.compiled.definition.by_name["one"]
            if not late and timing.is_over(step, work.saga.steps["one"], work.saga.deadline_at_us, env):
                late.append(work.row.id)
                await tx.put_inbox([InboxEvent(id=new_id(tx.now_us), saga_id=work.row.id, kind="reply", body=inbox_body())])
        await fold(loop, batch, caught_up)

    async with system(sqlite_url, READ, limits="deadline: 500ms\n") as it:

        def inbox_body() -> bytes:
            command = it.participant.seen[-1][0]
            sent = it.participant.reply(command, in_the_new_schema(command)[0])
            record = Record(
                topic=sent.topic, key=sent.key, value=sent.value, headers=sent.headers, partition=0, offset=0, timestamp_ms=0
            )
            return to_inbox(record)

        it.participant.answering = False
        monkeypatch.setattr(TimerLoop, "_fold", with_a_late_reply)
        saga_id = await start(it.instance, "replied", {"id": "1"})
        await until(lambda: bool(late))
        asked = len(it.participant.seen)
        await until(lambda: len(it.participant.seen) > asked)
        assert set(await it.asked(saga_id)) == {Kind.ACTION}
        await add(it.store, it.instance, DONE_2)
        it.participant.answering = True
        assert await closed(it.instance, saga_id) == "COMPLETED"
