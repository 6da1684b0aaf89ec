"""One saga within one batch: an event is applied with all it causes, or not at all."""

from __future__ import annotations

import pytest

from saga_coordinator.engine.encoding import decode_facts
from saga_coordinator.engine.events import Cancel, Env
from saga_coordinator.engine.state import Status
from saga_coordinator.sagas.messages import SagaIdentity
from saga_coordinator.sagas.work import SagaWork
from saga_messaging.broker import Outgoing
from support.works import NOW, BreakableOutbound, a_context, done, started


def test_a_message_that_cannot_be_made_leaves_nothing_of_its_event() -> None:
    context = a_context()
    work = started(context)
    before = (work.saga, list(work.journal), list(work.outbox), list(work.messages))
    assert isinstance(context.outbound, BreakableOutbound)
    context.outbound.broken = True
    with pytest.raises(AssertionError, match="a bug"):
        work.apply(done("one"), Env(now_us=NOW))
    assert (work.saga, work.journal, work.outbox, work.messages) == before
    work.park(Env(now_us=NOW))
    assert work.saga is not None
    assert (work.saga.steps["one"].status, len(work.journal), len(work.outbox)) == (Status.ASKED, 2, len(before[2]))


def test_each_message_has_a_pointer_of_its_own() -> None:
    work = started(a_context())
    assert work.messages
    assert [message.ticket for message in work.messages] == [(row.shard, row.id) for row in work.outbox]


def made_again(work: SagaWork) -> list[Outgoing]:
    """The messages as the sweeper makes them: from pointers and journal records alone."""
    records = {record.version: record for record in work.journal}
    return [
        work.context.outbound.message(
            SagaIdentity.of(work.row, work.compiled.definition),
            decode_facts(records[row.version].facts)[row.ord],
            version=row.version,
            ord=row.ord,
            at_us=records[row.version].at_us,
        )
        for row in work.outbox
    ]


def causes_of(work: SagaWork) -> list[str | None]:
    """By message, in their order."""
    headers = [dict(message.record.headers) for message in work.messages]
    return [cause.decode() if (cause := each.get("ce_causationid")) is not None else None for each in headers]


@pytest.mark.parametrize("start", ["start-1", "\u00e9" * 256])
def test_a_message_made_again_has_the_same_bytes_and_the_cause_of_its_own_transition(start: str) -> None:
    work = started(a_context(), message_id=start)
    for reply in (done("one", message_id="reply-1"), done("two", message_id="reply-2")):
        work.apply(reply, Env(now_us=NOW))
    assert causes_of(work) == [start, start, "reply-1", "reply-2"], "the last event, too, names its reply"
    assert made_again(work) == [message.record for message in work.messages]


def test_what_an_operator_caused_has_no_cause_in_its_messages() -> None:
    work = started(a_context())
    work.apply(done("one", message_id="reply-1"), Env(now_us=NOW))
    before = len(work.messages)
    work.apply(Cancel(reason="no more", actor="ann"), Env(now_us=NOW))
    assert set(causes_of(work)[before:]) == {None}
    assert made_again(work) == [message.record for message in work.messages]
