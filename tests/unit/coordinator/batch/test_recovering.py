"""A saga of an older incarnation is recovered before anything else is applied to it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast
from uuid import UUID

from saga_coordinator.batch.fold import EventFold
from saga_coordinator.batch.plan import Batch, plan_writes, saga_write
from saga_coordinator.engine.events import Env, Event, WakeUp
from saga_coordinator.sagas.messages import SagaIdentity
from saga_coordinator.sagas.state_cache import KnownState, read_state
from saga_coordinator.sagas.work import PARKED, SagaWork
from saga_coordinator.telemetry.instruments import Instruments
from saga_schemas.headers import decode_command
from support.moves import value
from support.works import COMPILED, NOW, BreakableOutbound, a_context, done, started

NEW = 7
LATER = NOW + 3_600_000_000
"""Its wake-up is long due."""
NO_TX: Any = None


def stored() -> SagaWork:
    """Its one step is asked, under incarnation 1, and that is committed."""
    context = a_context()
    begun = saga_write(started(context), NOW)
    assert begun is not None
    return SagaWork.of(begun.row, COMPILED, context, read_state(begun.row, begun.journal))


def again(work: SagaWork) -> SagaWork:
    """Committed and opened anew."""
    write = saga_write(work, NOW)
    assert write is not None and work.saga is not None
    return SagaWork.of(write.row, COMPILED, work.context, KnownState(row=write.row, saga=work.saga, facts_bytes=0))


async def fold(work: SagaWork, *events: Event, incarnation: int = NEW, instruments: Instruments | None = None) -> SagaWork:
    await EventFold(instruments or Instruments(), lambda: incarnation).fold(NO_TX, [(work, events)], Env(now_us=LATER))
    return work


async def test_it_asks_under_the_new_incarnation_and_an_answer_of_the_old_one_counts_no_more() -> None:
    work = await fold(stored(), done("one"))
    assert work.saga is not None
    assert (work.recovered, work.saga.recovering, work.saga.incarnation, work.stale_replies) == (True, True, NEW, 1)
    command = decode_command(work.messages[0].record.headers)
    assert (command.incarnation, command.message_id) == (NEW, f"{work.row.id}.{NEW}.2.2")
    assert SagaIdentity.of(replace(work.row, incarnation=NEW), COMPILED.definition).incarnation == NEW


async def test_nothing_is_recovered_at_rest_twice_or_after_the_end() -> None:
    at_rest = await fold(stored(), incarnation=1)
    assert not at_rest.changed
    twice = await fold(again(await fold(stored())))
    assert not twice.changed


async def test_a_bug_while_recovering_parks_the_saga_and_keeps_all_else_from_it() -> None:
    work, instruments = stored(), Instruments()
    cast(BreakableOutbound, work.context.outbound).broken = True
    await fold(work, done("one"), WakeUp(), instruments=instruments)
    assert work.saga is not None
    assert (work.saga.incarnation, work.saga.attention, work.messages) == (1, PARKED, [])
    assert value(instruments.registry, "saga_parked_total", reason=PARKED) == 1
    write = saga_write(work, LATER)
    assert write is not None and write.row.wake_at_us is not None
    assert write.row.wake_at_us > LATER, "it is tried again by its wake-up, and not at once for ever"


async def test_who_has_not_answered_is_written_when_it_changes() -> None:
    def planned(work: SagaWork) -> dict[UUID, str | None]:
        batch = Batch(NO_TX)
        batch.works.append(work)
        return dict(plan_writes(batch, (), NOW).recovering)

    assert planned(started(a_context())) == {}
    assert planned(stored()) == {}
    asked = await fold(stored())
    assert planned(asked) == {asked.row.id: "one"}
    waiting = await fold(again(asked))
    assert planned(waiting) == {}
    once_more = await fold(again(asked), incarnation=NEW + 1)
    assert planned(once_more) == {asked.row.id: "one"}, "the second recovery had written that it has not asked"
    answered = await fold(again(asked), replace(done("one"), incarnation=NEW), replace(done("two"), incarnation=NEW))
    assert answered.saga is not None and not answered.saga.recovering
    assert planned(answered) == {answered.row.id: None}
