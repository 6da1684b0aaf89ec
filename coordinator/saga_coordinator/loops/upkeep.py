"""The loops that keep a store small, put together for one instance."""

from __future__ import annotations

from typing import Protocol

from saga_coordinator.horizon.announcing import Announcer
from saga_coordinator.horizon.raising import Raising
from saga_coordinator.loops.horizon import HorizonLoop
from saga_coordinator.loops.recovery_watch import RecoveryWatch
from saga_coordinator.loops.retention import RetentionLoop
from saga_coordinator.registry.definition_cache import DefinitionCache
from saga_coordinator.retention.removal import Removal
from saga_coordinator.sagas.messages import Outbound
from saga_coordinator.settings import Settings
from saga_coordinator.store.port import Store
from saga_coordinator.telemetry.instruments import Instruments
from saga_messaging.broker import Broker
from saga_messaging.clock import Clock


class Parts(Protocol):
    """What they are made of: `saga_coordinator.wiring` has it."""

    settings: Settings
    store: Store
    broker: Broker
    definitions: DefinitionCache
    outbound: Outbound
    recovery: RecoveryWatch
    removal: Removal
    clock: Clock
    instruments: Instruments


def retention(parts: Parts) -> RetentionLoop:
    """What is no longer kept goes."""
    return RetentionLoop(
        store=parts.store,
        definitions=parts.definitions,
        removal=parts.removal,
        settings=parts.settings,
        clock=parts.clock,
        instruments=parts.instruments,
    )


def horizon(parts: Parts) -> HorizonLoop:
    """What may be forgotten is announced."""
    settings = parts.settings
    return HorizonLoop(
        store=parts.store,
        definitions=parts.definitions,
        raising=Raising(store=parts.store, tenant=settings.tenant, terms=settings.horizon, clock=parts.clock),
        announcer=Announcer(
            broker=parts.broker, outbound=parts.outbound, tenant=settings.tenant, incarnation=parts.recovery.incarnation
        ),
        terms=settings.horizon,
        tenant=settings.tenant,
        clock=parts.clock,
        instruments=parts.instruments,
    )
