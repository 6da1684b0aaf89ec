"""One saga within one batch: an event is applied with all it causes, or not at all."""

from __future__ import annotations

import pytest

from saga_coordinator.engine.events import Env
from saga_coordinator.engine.state import Status
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
