"""A command that has not left, and a Kafka that is away, are no participant that does not
answer."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from saga_coordinator.batch.refusals import Refusals
from saga_coordinator.engine.encoding import decode_facts
from saga_coordinator.engine.events import WakeUp
from saga_coordinator.engine.facts import CommandSent
from saga_coordinator.store.port import AttentionRow, OutboxRow, shard_of
from saga_coordinator.views.deliveries import Delivery
from saga_coordinator.views.saga import WaitingView
from support.saga_rows import SAGA
from unit.coordinator.api.conftest import OTHER
from unit.coordinator.api.stored import Stored, started, step

ROW = UUID(int=17)


def not_sent(stored: Stored, *, of: UUID = SAGA) -> Stored:
    """The latest command of the saga waits in the outbox still."""
    record = stored.records[-1]
    ord = next(n for n, fact in enumerate(decode_facts(record.facts)) if isinstance(fact, CommandSent))
    stored.outbox.append(OutboxRow(id=ROW, shard=shard_of(SAGA), saga_id=of, version=record.version, ord=ord))
    return stored


def refusing(reason: str) -> Delivery:
    refusals = Refusals()
    refusals.note(ROW, reason)
    return Delivery(refusals=refusals)


async def wait_of(stored: Stored, delivery: Delivery | None = None) -> WaitingView:
    (waiting,) = [one for one in (await stored.view(delivery=delivery)).waiting if one.step == "reserve"]
    return waiting


async def test_a_command_that_waits_in_the_outbox_is_no_missing_answer() -> None:
    stored = not_sent(started())
    waiting = await wait_of(stored)
    assert waiting.name == "publish"
    assert "waits in the outbox" in waiting.mover
    (attempt,) = step(await stored.view(), "reserve").attempts
    assert (attempt.outcome, attempt.message) == (None, "not sent yet")


async def test_one_that_the_broker_refuses_says_why() -> None:
    waiting = await wait_of(not_sent(started()), refusing("MessageSizeTooLargeError"))
    assert waiting.name == "publish"
    assert "MessageSizeTooLargeError" in waiting.mover
    assert "mend that" in waiting.mover


async def test_the_row_of_another_saga_or_of_an_earlier_command_says_nothing() -> None:
    assert (await wait_of(not_sent(started(), of=OTHER))).name == "reply"
    asked_again = not_sent(started()).happens(WakeUp(), after_s=80)
    assert (await wait_of(asked_again)).name == "reply"
    assert (await wait_of(not_sent(asked_again))).name == "publish"


async def test_while_kafka_is_away_nobody_can_answer() -> None:
    waiting = await wait_of(started(), Delivery(kafka_away="no answer within 3 s"))
    assert waiting.name == "kafka_away"
    assert "no answer within 3 s" in waiting.mover


@pytest.mark.parametrize(("delivery", "says"), [(refusing("TopicAuthorizationFailedError"), "refuses its command"),
                                               (Delivery(kafka_away="refused"), "Kafka does not answer")])  # fmt: skip
async def test_an_attention_names_the_true_cause_as_its_way_out(delivery: Delivery, says: str) -> None:
    stored = not_sent(started())
    assert stored.saga is not None
    steps = {**stored.saga.steps, "reserve": replace(stored.saga.steps["reserve"], attention="no_answer")}
    stored.says(replace(stored.saga, steps=steps))
    stored.attention.append(AttentionRow(saga_id=SAGA, step="reserve", reason="no_answer", since_us=stored.clock_us, note=""))
    (attention,) = (await stored.view(delivery=delivery)).attention
    assert says in attention.way_out


def test_refusals_are_bounded() -> None:
    refusals = Refusals()
    for n in range(20_000):
        refusals.note(UUID(int=n), "no")
    assert refusals.why(UUID(int=0)) is None
    assert refusals.why(UUID(int=19_999)) == "no"
