"""The parts that find and settle effects which no saga owns, put together for one instance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from saga_coordinator.batch.committer import Committer
from saga_coordinator.loops.lookout import Lookout
from saga_coordinator.loops.participant_sweep import ParticipantSweeps
from saga_coordinator.registry.definition_cache import DefinitionCache
from saga_coordinator.sagas.messages import Outbound
from saga_coordinator.starts.execution import StartExecution
from saga_coordinator.starts.preparation import StartPreparation
from saga_coordinator.store.port import Store
from saga_coordinator.sweep.acts import LostEffectActs
from saga_coordinator.sweep.owned import OwnedEffects
from saga_coordinator.sweep.pages import SweptPages
from saga_coordinator.sweep.questions import Questions
from saga_coordinator.sweep.undone import UndoneEffects
from saga_coordinator.telemetry.instruments import Instruments
from saga_messaging.broker import Broker
from saga_messaging.clock import Clock
from saga_schemas.topics import Topics


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweeping:
    """All of them."""

    sweeps: ParticipantSweeps
    pages: SweptPages
    undone: UndoneEffects
    acts: LostEffectActs


class Parts(Protocol):
    """What they are made of: `saga_coordinator.wiring` has it."""

    store: Store
    lookout: Lookout
    broker: Broker
    definitions: DefinitionCache
    outbound: Outbound
    committer: Committer
    preparation: StartPreparation
    execution: StartExecution
    topics: Topics
    clock: Clock
    instruments: Instruments


def sweeping(parts: Parts, *, tenant: str, incarnation: Callable[[], int]) -> Sweeping:
    """Make them. `incarnation`: the database's."""
    sweeps = ParticipantSweeps(
        store=parts.store,
        lookout=parts.lookout,
        broker=parts.broker,
        definitions=parts.definitions,
        questions=Questions(parts.outbound, tenant),
        owned=OwnedEffects(parts.store, parts.definitions, tenant),
        topics=parts.topics,
        tenant=tenant,
        clock=parts.clock,
        instruments=parts.instruments,
    )
    pages = SweptPages(
        store=parts.store,
        definitions=parts.definitions,
        tenant=tenant,
        instruments=parts.instruments,
        moved=sweeps.moved,
    )
    acts = LostEffectActs(
        store=parts.store,
        committer=parts.committer,
        definitions=parts.definitions,
        preparation=parts.preparation,
        execution=parts.execution,
        tenant=tenant,
        stir=sweeps.stir,
    )
    undone = UndoneEffects(tenant=tenant, topics=parts.topics, incarnation=incarnation)
    return Sweeping(sweeps=sweeps, pages=pages, undone=undone, acts=acts)
