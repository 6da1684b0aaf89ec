"""A line about a saga leads to the saga and to its trace, wherever it is written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from saga_coordinator.loops import sweeper
from saga_coordinator.store.port import CountMismatch, First, SagaRow, Store, Transaction
from saga_coordinator.traces.spans import attempt_span_id, root_span_id
from saga_coordinator.wiring import Instance
from saga_messaging.background import end
from saga_messaging.broker import Outgoing
from saga_messaging.memory import MemoryBroker
from saga_schemas.headers import CommandHeaders
from saga_schemas.ids import command_id
from saga_schemas.outcomes import Kind, Outcome
from support.coordinators import closed, opened, register, running, settings_for, signed, start
from support.scripted import Answer, ScriptedParticipant, catalog_of, obliging, until

DEFINITION = """
saga: told
version: 1
input: t.Input
steps:
  - {name: one, participant: part, command: t.Do, compensation: none}
  - {name: two, participant: part, pivot: true, command: t.Do}
  - {name: three, participant: part, command: t.Do}
"""
CATALOG = catalog_of("t.Input", "t.Do")


class Home:
    def __init__(self, store: Store, broker: MemoryBroker, instance: Instance, participant: ScriptedParticipant) -> None:
        self.store, self.broker, self.instance, self.participant = store, broker, instance, participant

    async def row(self, saga_id: UUID) -> SagaRow:
        row = await self.store.saga(saga_id)
        assert row is not None
        return row

    async def send(self, record: Outgoing) -> None:
        producer = self.broker.producer()
        await producer.start()
        assert await producer.send_all([record], timeout_s=5) == [None]
        await producer.stop()


@asynccontextmanager
async def home(url: str) -> AsyncIterator[Home]:
    broker = MemoryBroker()
    participant = ScriptedParticipant(broker, "part")
    async with opened(url) as store:
        await register(store, DEFINITION, CATALOG)
        answering = asyncio.create_task(participant.run())
        try:
            async with running(store, broker, settings_for(url)) as instance:
                yield Home(store, broker, instance, participant)
        finally:
            await end((answering,))


def lines(told: Sequence[EventDict], event: str) -> list[Any]:
    return [line for line in told if line["event"] == event]


async def test_a_message_the_broker_refuses(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeper, "OLDER_THAN_US", 300_000)
    async with home(sqlite_url) as at_home:
        with capture_logs() as told:
            at_home.broker.max_message_bytes = 800  # the command, with its headers; not what is smaller
            saga_id = await start(at_home.instance, "told", {"id": "x" * 1000})
            await until(lambda: bool(lines(told, "publish_held") and lines(told, "publish_refused")))
        row = await at_home.row(saga_id)
    known = {"saga": str(saga_id), "step": "one", "trace_id": row.trace_id}
    sent = [line for line in lines(told, "publish_refused") + lines(told, "publish_held") if line.get("step") == "one"]

    assert {line["event"] for line in sent} == {"publish_refused", "publish_held"}
    spans = {
        attempt_span_id(command_id(saga_id, row.incarnation, 1, ord), saga_id, 1, "one", Kind.ACTION, 1, 1) for ord in range(9)
    }
    for line in sent:
        assert line.items() >= known.items()
        assert line["span_id"] in spans
        assert line["event"] == "publish_refused" or line["definition"] == "told"


async def test_a_reply_that_cannot_be_read(sqlite_url: str) -> None:
    async with home(sqlite_url) as at_home:
        at_home.participant.answering = False
        saga_id = await start(at_home.instance, "told", {"id": "x"})
        await until(lambda: bool(at_home.participant.seen))
        command, _ = at_home.participant.seen[0]
        strange = signed(command, step="nosuch")
        with capture_logs() as told:
            await at_home.send(at_home.participant.reply(strange, Answer(outcome=Outcome.SUCCEEDED, payload=b"secret-q4711")))
            await until(lambda: bool(lines(told, "bad_reply")))
        row = await at_home.row(saga_id)
    (line,) = lines(told, "bad_reply")

    assert command.traceparent is not None
    span = command.traceparent.split("-")[2]
    expected = {"saga": str(saga_id), "definition": "told", "step": "nosuch", "trace_id": row.trace_id, "span_id": span}
    assert line.items() >= expected.items()
    assert line["reason"] == "step_unknown"
    assert "q4711" not in str(told)


async def test_a_reply_for_a_saga_that_is_not_here(sqlite_url: str) -> None:
    async with home(sqlite_url) as at_home:
        at_home.participant.answering = False
        await start(at_home.instance, "told", {"id": "x"})
        await until(lambda: bool(at_home.participant.seen))
        command, _ = at_home.participant.seen[0]
        elsewhere = UUID("0190a000-0000-7000-8000-000000000001")
        with capture_logs() as told:
            await at_home.send(at_home.participant.reply(signed(command, saga_id=elsewhere), Answer(outcome=Outcome.SUCCEEDED)))
            await until(lambda: bool(lines(told, "orphan_replies")))
    (line,) = lines(told, "orphan_replies")

    assert (line["saga"], line["step"], line["span_id"], line["count"]) == (str(elsewhere), "one", root_span_id(elsewhere), 1)
    assert command.origin_traceparent is not None and line["trace_id"] == command.origin_traceparent.split("-")[1]


async def test_a_step_that_needs_a_person(sqlite_url: str) -> None:
    def no_to_three(command: CommandHeaders) -> Sequence[Answer]:
        if command.step == "three":
            return [Answer(outcome=Outcome.REJECTED, code="secret-q4711")]
        return obliging(command)

    async with home(sqlite_url) as at_home:
        at_home.participant.script = no_to_three
        with capture_logs() as told:
            saga_id = await start(at_home.instance, "told", {"id": "x"})
            await until(lambda: bool(lines(told, "attention_raised")))
        row = await at_home.row(saga_id)
    (line,) = lines(told, "attention_raised")

    expected = {"saga": str(saga_id), "definition": "told", "step": "three", "reason": "rejected", "trace_id": row.trace_id}
    assert line.items() >= expected.items()
    assert "q4711" not in str(told)


async def test_a_saga_whose_rows_cannot_be_written(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with home(sqlite_url) as at_home:
        at_home.participant.answering = False
        saga_id = await start(at_home.instance, "told", {"id": "x"})
        await until(lambda: bool(at_home.participant.seen))
        row = await at_home.row(saga_id)
        transaction = at_home.store.transaction

        @asynccontextmanager
        async def broken(first: First | None = None) -> AsyncIterator[Transaction]:
            async with transaction(first) as tx:
                save = tx.save

                async def saving(*arguments: Any, **named: Any) -> bool:
                    await save(*arguments, **named)
                    raise CountMismatch("a row edited by hand")

                tx.save = saving  # type: ignore[method-assign]
                yield tx

        monkeypatch.setattr(at_home.store, "transaction", broken)
        with capture_logs() as told:
            await at_home.send(at_home.participant.reply(at_home.participant.seen[0][0], Answer(outcome=Outcome.SUCCEEDED)))
            await until(lambda: bool(lines(told, "saga_parked")))
        monkeypatch.undo()
    line = lines(told, "saga_parked")[0]

    expected = {"saga": str(saga_id), "definition": "told", "reason": "saga_unwritable", "trace_id": row.trace_id}
    assert line.items() >= expected.items()


async def test_what_an_operator_does_is_counted_too(sqlite_url: str) -> None:
    async with home(sqlite_url) as at_home:
        at_home.participant.answering = False
        saga_id = await start(at_home.instance, "told", {"id": "x"})
        await until(lambda: bool(at_home.participant.seen))
        at_home.participant.answering = True
        await at_home.instance.coordinator.cancel(saga_id, "test", "test")
        assert await closed(at_home.instance, saga_id) == "COMPENSATED"
        labels = {"definition": "told", "step": "one", "kind": "resolve"}
        registry = at_home.instance.coordinator.instruments.registry

        assert registry.get_sample_value("saga_commands_total", labels) == 1
        assert registry.get_sample_value("saga_finished_total", {"definition": "told", "phase": "COMPENSATED"}) == 1
