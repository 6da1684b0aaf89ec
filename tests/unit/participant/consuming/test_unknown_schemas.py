"""A command written in a schema that the participant does not have: somebody was deployed first,
and nothing is undone for that."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from saga_messaging.memory import MemoryBroker
from saga_participant.consuming import schema_topic
from saga_participant.testing import ParticipantTester
from saga_schemas.codec import encode
from saga_schemas.outcomes import Kind, Outcome
from saga_schemas.records import Failure, read_own
from saga_schemas.schema import Schema
from support.till.later_schemas import BACK_2, TAKE_2, TAKEN_2, written_in
from support.till.shop import GiveBack, Take, effects, make_till
from support.till.wire import REPLIES, command, new_saga, records, send


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody brings is given up after the second look."""
    monkeypatch.setattr(schema_topic, "PATIENCE_S", 0.01)
    monkeypatch.setattr(schema_topic, "AGAIN_S", 0.02)


def failed(record: Any) -> Failure | None:
    """The failure of a FAILED reply; None for every other outcome."""
    if dict(record.headers)["ce_sagaoutcome"] != b"FAILED":
        return None
    return read_own(record.value, Failure)


@pytest.mark.parametrize(("kind", "schema"), [(Kind.ACTION, TAKE_2), (Kind.COMPENSATION, BACK_2)])
async def test_a_known_record_in_an_unknown_schema_is_asked_again_later_and_never_unsupported(kind: Kind, schema: Schema) -> None:
    broker, (till, _) = MemoryBroker(), make_till()
    async with till.served(broker):
        await send(broker, written_in(schema, command(kind=kind)))
        (reply,) = await records(broker, REPLIES, 1)
    said = failed(reply)
    assert said is not None and said.code == "unknown_schema" and f"{schema.id:08x}" in said.message
    assert said.retry_after_ms is not None and said.retry_after_ms >= 10_000, "the usual attempts last some minutes"


async def test_an_unknown_record_in_an_unknown_schema_is_unsupported() -> None:
    broker, (till, _) = MemoryBroker(), make_till()
    unknown = written_in(TAKE_2, command(record="till.Other"))
    other_kind = written_in(BACK_2, command(record="till.GiveBack"))
    async with till.served(broker):
        await send(broker, unknown, other_kind)
        replies = await records(broker, REPLIES, 2)
    assert {dict(reply.headers)["ce_sagaoutcome"] for reply in replies} == {b"UNSUPPORTED"}


async def test_a_known_schema_that_does_not_become_the_handlers_own_is_asked_again_too() -> None:
    """The participant was deployed with a schema that is not compatible: that is mended by a
    deployment, not by undoing."""
    broker, (till, _) = MemoryBroker(), make_till()
    without_amount = Schema.parse({"type": "record", "name": "till.Take", "fields": [{"name": "mode", "type": "string"}]})
    async with till.served(broker):
        assert till._execution is not None
        till._execution.registry.catalog.add(without_amount)
        await send(broker, replace(command(), value=encode(without_amount, {"mode": ""})))
        (reply,) = await records(broker, REPLIES, 1)
    said = failed(reply)
    assert said is not None and said.code == "schema_mismatch"


async def test_a_remembered_reply_in_an_unknown_schema_keeps_its_compensation_waiting(tmp_path: Any) -> None:
    """As after a roll-back: the row was written by a release whose schemas this one does not
    have."""
    url = f"sqlite+aiosqlite:///{tmp_path}/till.db"
    till, _ = make_till(url)
    async with ParticipantTester(till, database=url) as tester:
        taken = await tester.action("pay", Take(amount=1))
        assert taken is not None and taken.outcome is Outcome.SUCCEEDED
        newer = encode(TAKEN_2, {"receipt": "r-1", "tip": 5})
        async with tester.engine.begin() as connection:
            await connection.exec_driver_sql("UPDATE saga_barrier SET action_reply = ?", (newer,))
        back = await tester.compensation("pay", GiveBack(amount=1))
        assert back is not None and back.failure is not None
        assert (back.outcome, back.failure.code) == (Outcome.FAILED, "unknown_schema")
        tester._running.registry.catalog.add(TAKEN_2)
        undone = await tester.redeliver()
        assert undone is not None and undone.outcome is Outcome.UNDONE
        assert await effects(tester.engine) == ["take 1", "give back 1"]


async def test_accepted_work_whose_command_is_in_an_unknown_schema_is_called_off_once_it_is_known(tmp_path: Any) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/till.db"
    till, _ = make_till(url)
    called_off: list[int] = []

    @till.withdrawn
    async def withdrawn(command: Take) -> None:
        called_off.append(command.amount)

    async with ParticipantTester(till, database=url) as tester:
        missing: list[int] = []
        tester._running.missing = missing.append
        await tester.action("pay", Take(amount=1, mode="accept"))
        newer = encode(TAKE_2, {"amount": 7, "mode": "", "tip": 5})
        async with tester.engine.begin() as connection:
            await connection.exec_driver_sql("UPDATE saga_barrier SET action_command = ?", (newer,))
        back = await tester.compensation("pay", GiveBack(amount=1))
        assert back is not None and back.failure is not None
        assert (back.outcome, back.failure.code, missing) == (Outcome.FAILED, "unknown_schema", [TAKE_2.id])
        tester._running.registry.catalog.add(TAKE_2)
        undone = await tester.redeliver()
        assert undone is not None and undone.outcome is Outcome.NOTHING_TO_UNDO
        assert called_off == [7]


async def test_nothing_was_done_for_what_could_not_be_read() -> None:
    broker, (till, _), saga = MemoryBroker(), make_till(), new_saga()
    async with till.served(broker):
        assert till._execution is not None
        engine = till._execution.database.engine
        await send(broker, written_in(TAKE_2, command(saga)), command(saga))
        replies = await records(broker, REPLIES, 2)
        assert sorted(dict(reply.headers)["ce_sagaoutcome"] for reply in replies) == [b"FAILED", b"SUCCEEDED"]
        assert await effects(engine, saga) == ["take 1"]
