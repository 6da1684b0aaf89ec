"""Replies whose `ce_type` is not what they carry, or whose value is none: dead letters; and a large
one that had to wait in the inbox."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import UUID

import pytest

from saga_coordinator.store.port import LockFirst, Store
from saga_coordinator.wiring import Instance
from saga_messaging.background import end
from saga_messaging.memory import MemoryBroker
from saga_schemas.codec import encode
from saga_schemas.headers import CommandHeaders
from saga_schemas.outcomes import Kind, Outcome
from support.coordinators import closed, opened, register, running, settings_for, start
from support.orders import until
from support.scripted import DONE, Answer, ScriptedParticipant, catalog_of
from support.scripted import until as until_seen
from support.start_records import send

DEFINITION = """
saga: lied
version: 1
input: t.Input
steps:
  - {name: one, participant: one, command: t.Do, reply: t.Done, compensation: t.Do, timeout: {reask: 1s}}
  - {name: two, participant: one, command: t.Do, compensation: none, timeout: {reask: 1s}}
"""
CATALOG = catalog_of("t.Input", "t.Do", "t.Done", "t.Other")


def value_of(record: str) -> bytes:
    schema = CATALOG.latest(record)
    assert schema is not None
    return encode(schema, {"id": "x"})


def said(outcome: Outcome, record: str, payload: bytes) -> Answer:
    return Answer(outcome=outcome, record=record, payload=payload)


TRUE = said(Outcome.SUCCEEDED, "t.Done", value_of("t.Done"))
UNDONE = said(Outcome.UNDONE, "t.Done", value_of("t.Done"))
UNKNOWN = b"\0\x12\x34\x56\x78any"
"""Framed, in a schema that nobody registered."""


@asynccontextmanager
async def home(url: str) -> AsyncIterator[tuple[Store, MemoryBroker, Instance, ScriptedParticipant]]:
    broker = MemoryBroker()
    participant = ScriptedParticipant(broker, "one")
    async with opened(url) as store:
        await register(store, DEFINITION, CATALOG)
        async with store.transaction() as tx:
            await tx.add_schemas([(schema.id, schema.full_name, schema.canonical) for schema in CATALOG.named("t.Other")])
        answering = asyncio.create_task(participant.run())
        try:
            async with running(store, broker, settings_for(url)) as instance:
                yield store, broker, instance, participant
        finally:
            await end((answering,))


@pytest.mark.parametrize(
    ("step", "lie"),
    [
        ("one", said(Outcome.SUCCEEDED, "t.Other", value_of("t.Done"))),
        ("one", said(Outcome.SUCCEEDED, "saga.v1.Empty", value_of("t.Done"))),
        ("one", said(Outcome.SUCCEEDED, "t.Done", value_of("t.Other"))),
        ("two", said(Outcome.SUCCEEDED, "t.Done", value_of("t.Other"))),
        ("two", said(Outcome.SUCCEEDED, "saga.v1.Failure", value_of("t.Other"))),
        ("undo", said(Outcome.UNDONE, "t.Done", value_of("t.Other"))),
        ("undo", said(Outcome.UNDONE, "saga.v1.Failure", value_of("t.Done"))),
        ("undo", said(Outcome.UNDONE, "t.Done", b"garbage")),
        ("undo", said(Outcome.UNDONE, "saga.v1.Empty", b"garbage")),
    ],
)
async def test_a_reply_that_does_not_carry_what_it_says_changes_nothing(sqlite_url: str, step: str, lie: Answer) -> None:
    lied: set[UUID] = set()

    def script(command: CommandHeaders) -> Sequence[Answer]:
        undo = command.kind is Kind.COMPENSATION
        if (undo and step == "undo") or (not undo and command.step == step):
            if command.saga_id not in lied:
                lied.add(command.saga_id)
                return [lie]
        if undo:
            return [UNDONE]
        if command.step == "one":
            return [TRUE]
        return [Answer(outcome=Outcome.REJECTED, code="no") if step == "undo" else DONE]

    async with home(sqlite_url) as (store, _, instance, participant):
        participant.script = script
        saga_id = await start(instance, "lied", {"id": "x"})
        assert await closed(instance, saga_id) == ("COMPENSATED" if step == "undo" else "COMPLETED")
        (letter,) = await store.dead_letters(before=None, limit=10)
        assert letter.reason in ("record_mismatch", "bad_framing")
        assert letter.reason == "record_mismatch" or lie.payload == b"garbage"


async def test_what_cannot_be_known_to_be_a_lie_counts(sqlite_url: str) -> None:
    """A value in a schema that is not known here, of which nothing is read; and a value that is no
    record, of an action."""
    answers = {
        ("one", Kind.ACTION): TRUE,
        ("two", Kind.ACTION): said(Outcome.SUCCEEDED, "t.Own", UNKNOWN),
        ("one", Kind.COMPENSATION): said(Outcome.UNDONE, "t.Own", UNKNOWN),
    }
    async with home(sqlite_url) as (store, _, instance, participant):
        participant.script = lambda command: [answers[command.step, command.kind]]
        assert await closed(instance, await start(instance, "lied", {"id": "x"})) == "COMPLETED"
        answers["two", Kind.ACTION] = Answer(outcome=Outcome.REJECTED, code="no")
        assert await closed(instance, await start(instance, "lied", {"id": "y"})) == "COMPENSATED"
        answers["two", Kind.ACTION] = said(Outcome.SUCCEEDED, "t.Own", b"not framed")
        assert await closed(instance, await start(instance, "lied", {"id": "z"})) == "COMPLETED"
        assert await store.dead_letters(before=None, limit=10) == []


async def test_a_reply_with_many_headers_waits_whole_for_a_saga_that_is_held(database_url: str) -> None:
    async with home(database_url) as (store, broker, instance, participant):
        participant.answering = False
        saga_id = await start(instance, "lied", {"id": "x"})
        await until_seen(lambda: bool(participant.seen))
        reply = participant.reply(participant.seen[0][0], TRUE)
        many = tuple((f"a-{n}", b"x" * 4_000) for n in range(7))  # before ours: what is cut is cut at the end

        async def kept() -> bool:
            return (await store.figures()).inbox == 1

        async with store.transaction(LockFirst([saga_id], wait=True)):
            await send(broker, replace(reply, headers=many + tuple(reply.headers)))
            await until(kept, 20, "the reply in the inbox")
        participant.script = lambda command: [DONE]
        participant.answering = True
        assert await closed(instance, saga_id) == "COMPLETED"
        assert await store.dead_letters(before=None, limit=10) == []
