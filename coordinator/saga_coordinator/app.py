"""`saga serve`: refuses what is dangerous, runs every loop of one instance in one TaskGroup, stops gracefully."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import structlog
import uvicorn

from saga_coordinator.api.app import create_app
from saga_coordinator.assembly import Instance, Loop, build
from saga_coordinator.settings import Settings
from saga_coordinator.store.open import open_store
from saga_coordinator.store.port import Meta, SchemaTooOld, Store, StoreBusy, StoreError
from saga_coordinator.watchdog import INSTANCE_STALE_S
from saga_messaging.broker import Broker, BrokerError
from saga_messaging.clock import SystemClock
from saga_messaging.errors import ConfigurationError
from saga_messaging.kafka import KafkaBroker

FEATURE_LEVEL = 1
_BROKER_FIRST_ANSWER_S = 30.0
_DRAIN_S = 5.0


async def serve(
    settings: Settings,
    *,
    ready: Callable[[int], None] | None = None,
    stop: asyncio.Event | None = None,
    broker: Broker | None = None,
) -> None:
    """Run one instance until `stop` is set or the process is told to end. `ready` is called with the HTTP port once it listens.

    Raises ConfigurationError before any loop starts.
    """
    clock = SystemClock()
    stop = stop or asyncio.Event()
    async with _store(settings) as store, _broker(settings, broker) as kafka:
        meta = await _checked_meta(settings, store, kafka)
        instance = await build(settings, store, kafka, meta, clock)
        try:
            await _run(settings, instance, ready, stop)
        finally:
            if settings.instance is not None:
                await store.release_instance(settings.instance)


async def _run(settings: Settings, instance: Instance, ready: Callable[[int], None] | None, stop: asyncio.Event) -> None:
    log = structlog.get_logger("app")
    roles = settings.role_set | {"watchdog"}
    async with asyncio.TaskGroup() as group:
        sending = [group.create_task(instance.sender.run()), group.create_task(instance.relay.run())]
        working = [group.create_task(_forever(loop)) for role in sorted(roles) for loop in instance.loops[role]]
        server, serving = await _http(settings, instance, group) if "api" in roles else (None, None)
        if ready is not None:
            ready(_port(server) if server is not None else 0)
        log.info("serving", roles=",".join(sorted(roles)), port=_port(server) if server is not None else None)
        await stop.wait()
        log.info("stopping")
        if server is not None and serving is not None:
            server.should_exit = True
            instance.coordinator.stop_waiting()
            await serving
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
        await instance.relay.drain(min(_DRAIN_S, settings.graceful_stop_s))
        for task in sending:
            task.cancel()


async def _forever(loop: Loop) -> None:
    """A loop that ends by itself is a bug, and one that fails takes the instance down: another takes over."""
    await loop()
    raise AssertionError("a background loop ended by itself")


class _Server(uvicorn.Server):
    """Signals belong to the process, not to the HTTP server."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _http(settings: Settings, instance: Instance, group: asyncio.TaskGroup) -> tuple[_Server, asyncio.Task[None]]:
    config = uvicorn.Config(
        create_app(instance.coordinator),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=int(settings.graceful_stop_s) or 1,
        lifespan="off",
    )
    server = _Server(config)
    sock = _bound(config)
    task = group.create_task(server.serve(sockets=[sock]))
    while not server.started and not task.done():  # noqa: ASYNC110 - uvicorn offers nothing else to wait for
        await asyncio.sleep(0.01)
    return server, task


def _bound(config: uvicorn.Config) -> socket.socket:
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    sock = socket.socket(family)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((config.host, config.port))
    except OSError as error:
        sock.close()
        raise ConfigurationError(f"cannot listen on {config.host}:{config.port}: {error.strerror}; give another --port") from None
    return sock


def _port(server: _Server) -> int:
    port: int = server.servers[0].sockets[0].getsockname()[1]
    return port


@asynccontextmanager
async def _store(settings: Settings) -> AsyncIterator[Store]:
    try:
        store = open_store(settings.database_url)
        await store.start()
    except (ValueError, SchemaTooOld, StoreBusy) as error:
        raise ConfigurationError(str(error)) from None
    except StoreError as error:
        raise ConfigurationError(f"the database does not answer: {error}") from None
    try:
        yield store
    finally:
        await store.stop()


@asynccontextmanager
async def _broker(settings: Settings, given: Broker | None) -> AsyncIterator[Broker]:
    broker = given or KafkaBroker(settings.kafka)
    try:
        async with asyncio.timeout(_BROKER_FIRST_ANSWER_S):
            await broker.start()
    except (BrokerError, TimeoutError) as error:
        said = str(error) or "no answer"
        advice = "" if "check SAGA_KAFKA_" in said else "; check SAGA_KAFKA_BOOTSTRAP_SERVERS"
        raise ConfigurationError(f"Kafka does not answer at {settings.kafka.bootstrap_servers}: {said}{advice}") from None
    try:
        yield broker
    finally:
        await broker.stop()


async def _checked_meta(settings: Settings, store: Store, broker: Broker) -> Meta:
    """The store's identity, and that this is the Kafka cluster it belongs to."""
    meta = await store.meta()
    if meta.feature_level > FEATURE_LEVEL:
        raise ConfigurationError(
            f"the database needs feature level {meta.feature_level}, this release has {FEATURE_LEVEL}: run a newer release"
        )
    if settings.instance is not None and not await store.claim_instance(settings.instance, stale_s=INSTANCE_STALE_S):
        raise ConfigurationError(f"another live coordinator is called {settings.instance}: give each its own --instance")
    if settings.kafka.stand_in:
        return meta
    cluster = await broker.cluster_id()
    if meta.kafka_cluster_id is not None and meta.kafka_cluster_id != cluster and not settings.accept_new_kafka:
        raise ConfigurationError(
            f"this store belongs to the Kafka cluster {meta.kafka_cluster_id}, not {cluster}: check the address, or add --accept-new-kafka"
        )
    if meta.kafka_cluster_id != cluster:
        await store.set_kafka_cluster(cluster)
    return meta
