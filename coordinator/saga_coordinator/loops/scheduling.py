"""The parts that keep schedules, put together for one instance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from saga_coordinator.batch.committer import Committer
from saga_coordinator.batches.operating import Operating
from saga_coordinator.loops.schedules import ScheduleLoop
from saga_coordinator.schedules.acts import ScheduleChanges
from saga_coordinator.schedules.checking import Checking
from saga_coordinator.schedules.facade import ScheduleParts
from saga_coordinator.schedules.programs import Programs
from saga_coordinator.schedules.starting import TickStarts
from saga_coordinator.schedules.turns import Turns
from saga_coordinator.starts.execution import StartExecution
from saga_coordinator.starts.identities import StartIdentities
from saga_coordinator.starts.preparation import StartPreparation
from saga_coordinator.store.port import Store
from saga_coordinator.telemetry.instruments import Instruments
from saga_messaging.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduling:
    """All of them."""

    parts: ScheduleParts
    loop: ScheduleLoop


class Parts(Protocol):
    """What they are made of: `saga_coordinator.wiring` has it."""

    store: Store
    committer: Committer
    clock: Clock
    instruments: Instruments
    preparation: StartPreparation
    execution: StartExecution


def scheduling(parts: Parts, operating: Operating, identities: StartIdentities, tenant: str) -> Scheduling:
    """Make them."""
    starts = TickStarts(parts.preparation, identities, tenant)
    programs = Programs(parts.store, tenant)
    turns = Turns(
        store=parts.store,
        committer=parts.committer,
        execution=parts.execution,
        programs=programs,
        starts=starts,
        instruments=parts.instruments,
        tenant=tenant,
    )
    loop = ScheduleLoop(
        store=parts.store, turns=turns, operating=operating, tenant=tenant, clock=parts.clock, instruments=parts.instruments
    )
    checking = Checking(parts.store, programs, starts, tenant)
    changes = ScheduleChanges(parts.store, turns, checking, tenant, loop.stir)
    return Scheduling(parts=ScheduleParts(store=parts.store, changes=changes, checking=checking, tenant=tenant), loop=loop)
