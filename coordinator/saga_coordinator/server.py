"""`saga serve`: one instance as a process.

It refuses dangerous settings, waits for database and Kafka, runs every loop in one TaskGroup, and
stops gracefully.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress

import structlog
from starlette.types import ASGIApp

from saga_coordinator.api.http_server import Listening, listening
from saga_coordinator.api.later import LaterApplication
from saga_coordinator.api.probes import probes
from saga_coordinator.api.startup_gate import StartupGate
from saga_coordinator.archive.address import check_archive
from saga_coordinator.coordinator import Coordinator
from saga_coordinator.inbound.origins import Origin
from saga_coordinator.loops.key_agreement import KeysDiffer
from saga_coordinator.loops.watchdog import INSTANCE_STALE_S
from saga_coordinator.settings import Settings
from saga_coordinator.store.open import open_store
from saga_coordinator.store.port import Meta, SchemaTooOld, Store, StoreBusy, StoreError
from saga_coordinator.store.schema import FEATURE_LEVEL
from saga_coordinator.wiring import Instance, Loop, build
from saga_messaging.background import end
from saga_messaging.broker import Broker, BrokerError
from saga_messaging.clock import SystemClock
from saga_messaging.database_errors import not_up_yet
from saga_messaging.errors import ConfigurationError
from saga_messaging.kafka import KafkaBroker
from saga_messaging.patience import Patience, StoppedWaiting, kafka_may_come, unanswered

_DRAIN_S = 5.0
_API_AFTER_S = 30.0
"""For so long the API is loaded at the first request only."""
_PREDECESSOR_GONE_S = INSTANCE_STALE_S + 5.0
"""Where nobody can tell that the predecessor is gone (its machine vanished, it was of an earlier
release), its name is held for as long as its row looks alive.
"""
_DATABASE = "the database"


async def serve(
    settings: Settings,
    *,
    ready: Callable[[int], None] | None = None,
    api_loaded: Callable[[], None] = lambda: None,
    stop: asyncio.Event | None = None,
    broker: Broker | None = None,
    listens: socket.socket | None = None,
) -> None:
    """Run one instance until `stop` is set.

    HTTP listens from the beginning: while the instance starts, `/readyz` is 503 and says for what
    it waits.

    Args:
        settings: The checked settings.
        ready: Called once, with the HTTP port (0 without the role `api`), when the instance serves.
        api_loaded: Called once, in a thread, when the API is loaded: long after, or never.
        stop: Set it to stop the instance gracefully.
        broker: The broker to use; by default the Kafka of the settings.
        listens: A socket that listens, to be used in place of the settings' address.

    Raises:
        ConfigurationError: Something is configured wrongly, or did not come up within
            `start_patience_s`. No loop has started.
    """
    stop = stop or asyncio.Event()
    patience = Patience(settings.start_patience_s, clock=SystemClock(), stop=stop)
    await check_archive(settings.archive)
    with suppress(StoppedWaiting):
        async with AsyncExitStack() as stack:
            gate = StartupGate(lambda: patience.reason)
            http = await stack.enter_async_context(listening(settings, gate, listens)) if "api" in settings.role_set else None
            store = await stack.enter_async_context(_store(settings, patience))
            kafka = await stack.enter_async_context(_broker(settings, broker, patience))
            await stack.enter_async_context(_instance_name(settings, store, patience))
            instance = await _built(settings, store, kafka, patience)
            if not instance.presence.given:
                stack.push_async_callback(_release, store, instance.presence.name)
            await _agreed(settings, instance, patience)

            def load() -> ASGIApp:
                app = _application(instance.coordinator)
                api_loaded()
                return app

            await _run(settings, instance, http, gate, LaterApplication(load), ready, stop)


async def _run(
    settings: Settings,
    instance: Instance,
    http: Listening | None,
    gate: StartupGate,
    api: LaterApplication,
    ready: Callable[[int], None] | None,
    stop: asyncio.Event,
) -> None:
    log = structlog.get_logger("app")
    roles = settings.role_set | {"watchdog"}
    async with _stop_requests(http), asyncio.TaskGroup() as group:
        sending = [group.create_task(instance.sender.run()), group.create_task(instance.relay.run())]
        working = [group.create_task(_forever(loop)) for role in sorted(roles) for loop in instance.loops[role]]
        serving = None if http is None else group.create_task(http.ended())
        if http is not None:
            gate.open(probes(instance.coordinator), api)
            working.append(group.create_task(_loaded_in_time(api)))
        if ready is not None:
            ready(http.port if http is not None else 0)
        log.info("serving", roles=",".join(sorted(roles)), port=http.port if http is not None else None)
        await stop.wait()
        log.info("stopping")
        if http is not None and serving is not None:
            http.stop()
            instance.coordinator.stop_waiting()
            await serving
        await end(working)
        await instance.relay.drain(min(_DRAIN_S, settings.graceful_stop_s))
        await end(sending)


def _application(coordinator: Coordinator) -> ASGIApp:
    """The API, with the console beside it. It is a third of what an instance loads, and sagas need
    nothing of it.
    """
    from saga_coordinator.api.app import create_app
    from saga_coordinator.console.door import with_console

    return with_console(create_app(coordinator), coordinator)


async def _loaded_in_time(api: LaterApplication) -> None:
    """Load the API if nobody has asked for it by then.

    An instance that has just started has sagas to catch up with: the first seconds are theirs.
    """
    await asyncio.sleep(_API_AFTER_S)
    await api.loaded()


@asynccontextmanager
async def _stop_requests(http: Listening | None) -> AsyncIterator[None]:
    """Take no more requests once the loops have ended, however they ended."""
    try:
        yield
    finally:
        if http is not None:
            http.stop()


async def _forever(loop: Loop) -> None:
    """Run a loop.

    It never ends by itself; if it fails, the instance ends and another takes over.
    """
    await loop()
    raise AssertionError("a background loop ended by itself")


# --- what it needs --------------------------------------------------------------------------------


@asynccontextmanager
async def _store(settings: Settings, patience: Patience) -> AsyncIterator[Store]:
    try:
        store = open_store(settings.database_url)
        with _as_configuration_error(settings):
            await patience.wait_for(_DATABASE, store.start, passing=not_up_yet)
    except (ValueError, SchemaTooOld, StoreBusy) as error:
        raise ConfigurationError(str(error)) from None
    except StoreError as error:
        raise ConfigurationError(f"the database does not answer: {error}") from None
    try:
        yield store
    finally:
        await store.stop()


@asynccontextmanager
async def _broker(settings: Settings, given: Broker | None, patience: Patience) -> AsyncIterator[Broker]:
    broker = given or KafkaBroker(settings.kafka)
    try:
        with _as_configuration_error(settings):
            await patience.wait_for(settings.kafka.where, broker.start, passing=kafka_may_come)
        yield broker
    finally:
        await broker.stop()


@asynccontextmanager
async def _instance_name(settings: Settings, store: Store, patience: Patience) -> AsyncIterator[None]:
    """Hold the instance's name.

    A predecessor whose machine vanished looks alive for a while; wait for it.
    """
    name = settings.instance
    if name is None:
        yield
        return

    async def claim() -> None:
        if not await store.claim_instance(name, stale_s=INSTANCE_STALE_S):
            raise _NameHeld(f"another live coordinator is called {name}: give each its own --instance")

    with _as_configuration_error(settings):
        await patience.wait_for(f"the name {name}", claim, passing=_may_be_free, at_most_s=_PREDECESSOR_GONE_S)
    try:
        yield
    finally:
        await _release(store, name)


async def _release(store: Store, name: str) -> None:
    try:
        await store.release_instance(name)
    except StoreError as error:
        structlog.get_logger("app").warning("name_not_released", instance=name, error=str(error), free_in_s=INSTANCE_STALE_S)


class _NameHeld(ConfigurationError):
    """A process holds the name; it lives, or it did a moment ago."""


def _may_be_free(error: Exception) -> str | None:
    if isinstance(error, _NameHeld):
        return "a coordinator of this name was alive a moment ago"
    return not_up_yet(error)


async def _built(settings: Settings, store: Store, broker: Broker, patience: Patience) -> Instance:
    async def attempt() -> Instance:
        return await build(settings, store, broker, await _checked_meta(settings, store, broker), SystemClock())

    with _as_configuration_error(settings):
        return await patience.wait_for("the database and Kafka", attempt, passing=_may_come)


async def _agreed(settings: Settings, instance: Instance, patience: Patience) -> None:
    """Check that all live instances can read our tokens.

    Wait for those that ended a moment ago to look dead.
    """
    with _as_configuration_error(settings):
        check = instance.key_agreement.check
        await patience.wait_for(
            "instances with other token keys", check, passing=_other_keys_may_go, at_most_s=_PREDECESSOR_GONE_S
        )


def _other_keys_may_go(error: Exception) -> str | None:
    return str(error) if isinstance(error, KeysDiffer) else not_up_yet(error)


def _may_come(error: Exception) -> str | None:
    return not_up_yet(error) or kafka_may_come(error)


@contextmanager
def _as_configuration_error(settings: Settings) -> Iterator[None]:
    """Turn what did not come up in time into the one line that the process ends with."""
    try:
        yield
    except BrokerError as error:
        raise ConfigurationError(unanswered(settings.kafka, error)) from None
    except StoreError as error:
        if not_up_yet(error) is None:
            raise
        raise ConfigurationError(f"the database does not answer: {error}") from None


async def _checked_meta(settings: Settings, store: Store, broker: Broker) -> Meta:
    """Read the store's identity, and check that it belongs to this Kafka cluster."""
    meta = await store.meta()
    if meta.feature_level > FEATURE_LEVEL:
        raise ConfigurationError(
            f"the database needs feature level {meta.feature_level}, this release has {FEATURE_LEVEL}: run a newer release"
        )
    if settings.kafka.stand_in:
        return meta
    cluster = await broker.cluster_id()
    if meta.kafka_cluster_id is not None and meta.kafka_cluster_id != cluster and not settings.accept_new_kafka:
        raise ConfigurationError(
            f"this store belongs to the Kafka cluster {meta.kafka_cluster_id}, not {cluster}: check the address, or add --accept-new-kafka"
        )
    origin = Origin(store, broker, settings)
    if meta.kafka_cluster_id is None:
        await origin.bind(cluster, from_beginning=settings.starts_from_beginning)
    elif meta.kafka_cluster_id != cluster:
        await store.set_kafka_cluster(cluster)
    if settings.starts_from_beginning:
        await origin.rewind()
    return meta
