"""The parts that act on one saga and on many, put together for one instance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from saga_coordinator.batch.committer import Committer
from saga_coordinator.batch.fold import EventFold
from saga_coordinator.batch.loader import SagaLoader
from saga_coordinator.batches.facade import ActParts
from saga_coordinator.batches.jobs import BatchJobs
from saga_coordinator.batches.members import BatchMembers
from saga_coordinator.batches.operating import Operating
from saga_coordinator.confirmations.gate import Confirmations
from saga_coordinator.inbound.redriving import Redriving
from saga_coordinator.loops.batches import BatchLoop
from saga_coordinator.settings import Settings
from saga_coordinator.starts.restarting import Restarts
from saga_coordinator.store.port import Store
from saga_coordinator.telemetry.instruments import Instruments
from saga_messaging.broker import Broker
from saga_messaging.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Batching:
    """All of them."""

    acts: ActParts
    operating: Operating
    loop: BatchLoop


class Parts(Protocol):
    """What they are made of: `saga_coordinator.wiring` has it."""

    store: Store
    broker: Broker
    committer: Committer
    loader: SagaLoader
    events: EventFold
    clock: Clock
    instruments: Instruments

    @property
    def restarts(self) -> Restarts: ...


def batching(parts: Parts, settings: Settings) -> Batching:
    """Make them."""
    operating = Operating(parts.committer, parts.loader, parts.events, settings.tenant)
    jobs = BatchJobs(parts.store, operating, parts.restarts, settings.tenant)
    loop = BatchLoop(
        store=parts.store,
        jobs=jobs,
        members=BatchMembers(parts.store, operating, parts.restarts),
        tenant=settings.tenant,
        clock=parts.clock,
        instruments=parts.instruments,
    )
    gate = Confirmations(parts.store, settings.tenant, settings.confirmed_acts, settings.confirmed_within_ms * 1000)
    redriving = Redriving(parts.store, parts.broker, settings.tenant, parts.instruments.redriven)
    return Batching(acts=ActParts(operating=operating, jobs=jobs, gate=gate, redriving=redriving), operating=operating, loop=loop)
