"""Reads a situation: the saga, its journal and what waits for it, and what the instance that is
asked knows of the broker, of itself and of the others.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import UUID

from saga_coordinator.definitions.compile import CompiledDefinition
from saga_coordinator.diagnosis.situation import Situation
from saga_coordinator.engine.encoding import UnreadableState
from saga_coordinator.engine.state import Saga
from saga_coordinator.engine.waiting import Held, Waiting, waiting_for
from saga_coordinator.inbound.refused_replies import RefusedReply, refused_replies, with_refusal
from saga_coordinator.pauses.stored import held
from saga_coordinator.registry.definition_cache import DefinitionCache, DefinitionMissing
from saga_coordinator.sagas.stored_saga import read_saga
from saga_coordinator.store.port import SagaRow, Store
from saga_coordinator.store.schedule_records import OpenTicks
from saga_coordinator.views.deliveries import Delivery, Unsent, unsent_commands, with_delivery
from saga_coordinator.views.step_history import read_journal
from saga_schemas.topics import Topics


class Asked(Protocol):
    """The instance that is asked: the coordinator's facade is one."""

    @property
    def store(self) -> Store: ...

    @property
    def definitions(self) -> DefinitionCache: ...

    @property
    def topics(self) -> Topics: ...

    def delivery(self) -> Delivery: ...

    def lag(self) -> Mapping[str, int]: ...

    async def ready(self) -> list[str]: ...

    async def no_consumer(self) -> Mapping[str, str]: ...


async def situation_of(asked: Asked, row: SagaRow) -> Situation:
    """The situation of a saga of this store.

    Raises:
        StoreError: The database cannot be read.
    """
    store = asked.store
    began_s = time.perf_counter()
    now_us = await store.now_us()
    answered_in_s = time.perf_counter() - began_s
    saga, state_error = await _saga(store, row)
    compiled, definition_error = await _definition(asked.definitions, row)
    refused = await refused_replies(store, row.id, now_us)
    delivery, unsent = asked.delivery(), await _unsent(asked, row, now_us)
    started_by = await store.tick_of_saga(row.id)
    pauses = [] if row.closed_at_us is not None else held(await store.pause_rows(row.tenant))
    return Situation(
        now_us=now_us,
        row=row,
        saga=saga,
        state_error=state_error,
        definition=compiled.definition if compiled else None,
        definition_error=definition_error,
        standing=await store.standing(row.id),
        waits=_waits(compiled, saga, pauses, refused, unsent, delivery, now_us),
        attention=await store.attention_of(row.id),
        refused=refused,
        unsent=unsent,
        kafka_away=delivery.kafka_away,
        unread=await asked.no_consumer(),
        problems=await asked.ready(),
        lag=_by_participant(asked, compiled),
        instances=await store.instances(),
        incarnation=(await store.meta()).incarnation,
        started_by=started_by,
        ticks_waiting=0 if started_by is None else await _ticks_waiting(store, started_by[0].id),
        answered_in_s=answered_in_s,
    )


async def _ticks_waiting(store: Store, schedule_id: UUID) -> int:
    return len((await store.open_ticks([schedule_id])).get(schedule_id, OpenTicks()).queued)


async def _saga(store: Store, row: SagaRow) -> tuple[Saga | None, str | None]:
    try:
        return await read_saga(store, row), None
    except UnreadableState as unreadable:
        return None, str(unreadable)


async def _definition(definitions: DefinitionCache, row: SagaRow) -> tuple[CompiledDefinition | None, str | None]:
    try:
        return await definitions.get(row.definition_id), None
    except DefinitionMissing as missing:
        return None, str(missing)


async def _unsent(asked: Asked, row: SagaRow, now_us: int) -> Mapping[str, Unsent]:
    if row.closed_at_us is not None:
        return {}
    journal = await read_journal(asked.store, row)
    return await unsent_commands(asked.store, row.id, journal.rows, asked.delivery(), now_us)


def _waits(
    compiled: CompiledDefinition | None,
    saga: Saga | None,
    pauses: Sequence[Held],
    refused: list[RefusedReply],
    unsent: Mapping[str, Unsent],
    delivery: Delivery,
    now_us: int,
) -> list[Waiting]:
    """What it waits for, each under its true name."""
    if compiled is None or saga is None:
        return []
    found = [with_refusal(one, refused) for one in waiting_for(compiled.definition, saga, now_us, pauses)]
    return [with_delivery(one, unsent, delivery) for one in found]


def _by_participant(asked: Asked, compiled: CompiledDefinition | None) -> Mapping[str, int]:
    if compiled is None:
        return {}
    lag = asked.lag()
    names = {step.participant: asked.topics.reply(step.participant) for step in compiled.definition.steps}
    return {name: lag[topic] for name, topic in names.items() if topic in lag}
