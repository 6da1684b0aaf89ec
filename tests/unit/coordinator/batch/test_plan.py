"""The plan of a batch's writes is a pure function of what was folded."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast
from uuid import UUID

from saga_coordinator.batch.plan import PAUSES_AGE_US, Batch, facts_bytes_after, plan_writes, saga_write
from saga_coordinator.engine.encoding import decode_saga
from saga_coordinator.engine.events import Env, Pause, WakeUp
from saga_coordinator.engine.pauses import Interval, Pauses
from saga_coordinator.sagas.state_cache import KnownState, read_state
from saga_coordinator.sagas.stored_saga import STATE_AFTER_BYTES
from saga_coordinator.sagas.work import PARKED, SagaWork
from saga_coordinator.store.port import InboxEvent
from support.works import COMPILED, NOW, a_context, done, started

HOUR_US = 3_600_000_000


def stored() -> SagaWork:
    """A saga whose start is committed, opened again."""
    context = a_context()
    begun = saga_write(started(context), NOW)
    assert begun is not None
    return SagaWork.of(begun.row, COMPILED, context, read_state(begun.row, begun.journal))


def test_planning_twice_gives_the_same_and_changes_nothing() -> None:
    work = stored()
    work.apply(done("one"), Env(now_us=NOW + 1))
    before = (work.row, work.saga, list(work.journal), list(work.messages))
    assert saga_write(work, NOW + 1) == saga_write(work, NOW + 1)
    assert (work.row, work.saga, work.journal, work.messages) == before


def test_a_start_is_an_insert_with_its_first_record_and_pointers() -> None:
    work = started(a_context())
    write = saga_write(work, NOW)
    assert write is not None
    assert (write.expected_version, write.row.version, write.relist) == (None, 1, True)
    assert [record.version for record in write.journal] == [1]
    assert write.outbox == tuple(work.outbox)
    assert write.row.wake_at_us is not None


def test_a_state_is_written_when_the_facts_since_the_last_one_outweigh_it() -> None:
    work = stored()
    write = saga_write(work, NOW)
    version, versions, heaviest = work.row.version, [], 0
    while version < 200:
        work.apply(WakeUp(), Env(now_us=NOW + version * 3_600_000_000))  # asked again, hour by hour
        write = saga_write(work, NOW)
        assert write is not None and work.saga is not None
        if write.row.state_version == write.row.version:
            assert decode_saga(str(write.row.id), write.row.state) == work.saga
            versions.append(write.row.version)
        heaviest = max(heaviest, facts_bytes_after(work, write))
        known = KnownState(row=write.row, saga=work.saga, facts_bytes=facts_bytes_after(work, write))
        work, version = SagaWork.of(write.row, COMPILED, work.context, known), write.row.version
    assert 3 <= len(versions) <= 20
    assert heaviest < STATE_AFTER_BYTES


def test_a_saga_that_nothing_happened_to_is_not_written() -> None:
    work = stored()
    work.apply(done("two"), Env(now_us=NOW))  # nobody asked: it is stale
    batch = Batch(cast(Any, None), works=[work])
    assert plan_writes(batch, [], NOW).sagas == []


def test_a_paused_saga_is_woken_once_more_and_then_every_hour() -> None:
    work = stored()
    work.apply(Pause(reason="r", actor="ann"), Env(now_us=NOW + 1))
    write = saga_write(work, NOW + 1)
    assert write is not None and write.row.wake_at_us == work.row.wake_at_us, "a wake-up moves only earlier"
    assert work.saga is not None and work.row.wake_at_us is not None
    work = SagaWork.of(write.row, COMPILED, work.context, KnownState(row=write.row, saga=work.saga, facts_bytes=0))
    due_us = write.row.wake_at_us or 0
    work.apply(WakeUp(), Env(now_us=due_us))
    write = saga_write(work, due_us)
    assert write is not None and (write.journal, write.row.wake_at_us) == ((), due_us + HOUR_US)


def test_a_saga_that_an_old_look_holds_is_looked_at_again_soon() -> None:
    pauses = Pauses.of(NOW, {"two": [Interval(NOW)]}, {})
    for age_us, wake_us in ((PAUSES_AGE_US, HOUR_US), (PAUSES_AGE_US + 1, PAUSES_AGE_US)):
        work = stored()
        work.apply(WakeUp(), Env(now_us=NOW + age_us, pauses=pauses))
        write = saga_write(work, NOW + age_us)
        assert write is not None and write.row.wake_at_us == NOW + age_us + wake_us


def test_what_is_to_be_woken_is_due_at_once() -> None:
    work = stored()
    work.wake_now = True
    write = saga_write(work, NOW + 1)
    assert write is not None and (write.rewake, write.row.wake_at_us, write.journal) == (True, NOW + 1, ())


def test_a_wake_up_that_fired_too_early_is_set_anew() -> None:
    work = stored()
    assert work.row.wake_at_us is not None
    work.row = replace(work.row, wake_at_us=NOW + 1)
    work.apply(WakeUp(), Env(now_us=NOW + 1))
    write = saga_write(work, NOW + 1)
    assert write is not None
    assert write.rewake
    assert write.row.wake_at_us is not None and write.row.wake_at_us > NOW + 1


def test_attention_is_compared_with_what_stood_there() -> None:
    work = stored()
    work.park(Env(now_us=NOW))
    plan = plan_writes(Batch(cast(Any, None), works=[work]), [], NOW)
    assert [(raised, row.step, row.reason) for raised, row in plan.attention_raised] == [(work, "", PARKED)]
    assert plan.writes[0].attention_cleared == ()


def test_what_else_the_fold_left_is_in_the_plan() -> None:
    event = InboxEvent(id=UUID(int=1), saga_id=UUID(int=2), kind="reply", body=b"")
    plan = plan_writes(Batch(cast(Any, None), inbox=[event]), [(1, UUID(int=3))], NOW)
    assert (plan.inbox, plan.acked, plan.advances) == ([event], [(1, UUID(int=3))], ())
