"""The overview, put together for one instance: what of it stands where."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from saga_coordinator.engine.waiting import Held
from saga_coordinator.loops import liveness
from saga_coordinator.loops.liveness import Liveness
from saga_coordinator.loops.lookout import Lookout
from saga_coordinator.loops.recovery_watch import RecoveryWatch
from saga_coordinator.loops.sweeping import Sweeping
from saga_coordinator.loops.traffic import TrafficLoop
from saga_coordinator.loops.watchdog import Watchdog
from saga_coordinator.overview.gathering import Around, Overviews
from saga_coordinator.overview.sampling import OpenSagas
from saga_coordinator.registry.definition_cache import DefinitionCache
from saga_coordinator.sagas.state_cache import StateCache
from saga_coordinator.settings import Settings
from saga_coordinator.store.look import Look
from saga_coordinator.store.port import Store
from saga_coordinator.telemetry.instruments import Instruments
from saga_coordinator.views.deliveries import Delivery
from saga_messaging.broker import Broker
from saga_messaging.clock import Clock
from saga_schemas.ids import parse_number
from saga_schemas.topics import Topics


class Parts(Protocol):
    """What it is made of: `saga_coordinator.wiring` has it."""

    settings: Settings
    store: Store
    broker: Broker
    definitions: DefinitionCache
    topics: Topics
    clock: Clock
    instruments: Instruments
    lookout: Lookout
    liveness: Liveness
    recovery: RecoveryWatch
    sweeping: Sweeping
    traffic: TrafficLoop
    states: StateCache

    def delivery(self, watchdog: Watchdog) -> Delivery: ...


def overviews(parts: Parts, watchdog: Watchdog, pauses: Callable[[], Awaitable[Sequence[Held]]]) -> Overviews:
    """Make it. `pauses`: the definitions and participants that are paused."""

    def around() -> Around:
        return Around(
            figures=watchdog.figures,
            lag=watchdog.lag,
            readers=watchdog.members,
            nobody_reads_for_s=watchdog.unread_for_s(),
            kafka_away=parts.delivery(watchdog).kafka_away,
            problems={**parts.instruments.loops.stuck(), **watchdog.problems},
            retention=parts.instruments.retention_trouble,
            schedules=parts.instruments.schedule_trouble,
            recovering=parts.recovery.recovering,
            unswept=parts.sweeping.sweeps.unswept,
            timers_seen_us=timers_seen_us(parts.lookout.latest, parts.liveness.seen_at_us),
        )

    tenant = parts.settings.tenant
    return Overviews(
        store=parts.store,
        broker=parts.broker,
        definitions=parts.definitions,
        topics=parts.topics,
        tenant=tenant,
        instance=parts.settings.instance,
        sagas=OpenSagas(store=parts.store, tenant=tenant, definitions=parts.definitions, states=parts.states, clock=parts.clock),
        around=around,
        store_own=parts.traffic.store_changes,
        pauses=pauses,
        clock=parts.clock,
    )


def timers_seen_us(look: Look | None, own_us: int | None) -> int | None:
    """When an instance was last seen firing timers; None: never.

    Args:
        look: The latest look at the store, which shows the beats of all instances before it.
        own_us: The last beat of this instance. Its first one comes after the look that it saw.
    """
    beats = {} if look is None else look.control.get(liveness.SCOPE, {})
    seen = (parse_number(beats.get(liveness.SEEN, "")), own_us)
    return max((at_us for at_us in seen if at_us is not None), default=None)
