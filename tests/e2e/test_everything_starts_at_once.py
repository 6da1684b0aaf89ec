"""Coordinator and participants that start before their database and their Kafka: they wait, say for
what, and then serve."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from contract.store_rows import by_hand
from saga_cli.dev.process import free_port
from saga_coordinator import server
from saga_coordinator.settings import Settings
from saga_messaging.errors import ConfigurationError
from saga_messaging.kafka import KafkaBroker
from saga_messaging.memory import MemoryBroker
from saga_messaging.settings import KafkaSettings
from saga_participant import Participant
from support.coordinators import opened, settings_for
from support.starting import StartingPostgres
from support.till.shop import make_till

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("waiting")]

LIMIT_S = 60


@asynccontextmanager
async def coordinator(settings: Settings, broker: MemoryBroker) -> AsyncIterator[asyncio.Future[int]]:
    """One that starts; its port once it serves. Stopped in order."""
    stop, ready = asyncio.Event(), asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(server.serve(settings, stop=stop, broker=broker, ready=ready.set_result))
    serving.add_done_callback(lambda task: None if ready.done() else ready.cancel())
    async with asyncio.timeout(LIMIT_S):
        try:
            yield ready
        finally:
            stop.set()
            await serving


async def pages(port: int, *paths: str) -> list[httpx.Response]:
    async with httpx.AsyncClient(trust_env=False, timeout=10) as http:
        return [await http.get(f"http://127.0.0.1:{port}{path}") for path in paths]


async def until_not_ready_for(port: int, what: str) -> None:
    """`/readyz` says 503 and for what it waits, while `/healthz` is well and the rest says that it
    is not ready."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            try:
                ready, health, sagas, metrics = await pages(port, "/readyz", "/healthz", "/v1/sagas", "/metrics")
            except httpx.TransportError:
                await asyncio.sleep(0.05)
                continue
            assert (ready.status_code, health.status_code) == (503, 200)
            assert (sagas.status_code, sagas.json()["code"], metrics.status_code) == (503, "not_ready", 503)
            if what in ready.json()["reasons"][0]:
                return
            await asyncio.sleep(0.05)


async def test_a_coordinator_waits_for_a_postgresql_that_is_starting_up(database_url: str) -> None:
    async with opened(database_url), StartingPostgres(database_url) as postgres:
        port = free_port()
        async with coordinator(settings_for(postgres.url, port=port), MemoryBroker()) as ready:
            await until_not_ready_for(port, "the database: CannotConnectNowError 57P03: the database system is starting up")
            postgres.up.set()
            assert await ready == port
            assert [page.status_code for page in await pages(port, "/readyz", "/v1/sagas", "/metrics")] == [200, 200, 200]


async def test_a_coordinator_waits_for_a_kafka_that_is_late(sqlite_url: str) -> None:
    broker, port = MemoryBroker(), free_port()
    broker.faults.unreachable = True
    async with coordinator(settings_for(sqlite_url, port=port), broker) as ready:
        await until_not_ready_for(port, "the cluster did not answer")
        broker.faults.unreachable = False
        await ready
        assert (await pages(port, "/readyz"))[0].status_code == 200


async def test_a_coordinator_told_to_end_while_it_waits_ends_in_order(sqlite_url: str) -> None:
    broker, port = MemoryBroker(), free_port()
    broker.faults.unreachable = True
    async with coordinator(settings_for(sqlite_url, port=port), broker):
        await until_not_ready_for(port, "Kafka")


@pytest.mark.parametrize("database", ["sqlite_url", "database_url"])
async def test_the_name_of_a_coordinator_that_was_killed_is_free(
    request: pytest.FixtureRequest, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = str(request.getfixturevalue(database))
    async with opened(url) as killed:
        assert await killed.claim_instance("a", stale_s=20)
    monkeypatch.setattr(server, "INSTANCE_STALE_S", 3600.0)
    port = free_port()
    async with coordinator(settings_for(url, instance="a", port=port), MemoryBroker()) as ready:
        assert await ready == port


async def test_the_name_of_a_coordinator_of_an_earlier_release_that_was_killed_is_waited_for(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(sqlite_url) as killed:
        assert await killed.claim_instance("a", stale_s=20)
        await by_hand(sqlite_url, "UPDATE instance SET token = 'of an earlier release'")
    monkeypatch.setattr(server, "INSTANCE_STALE_S", 2.0)
    async with coordinator(settings_for(sqlite_url, instance="a"), MemoryBroker()) as ready:
        await ready


async def test_the_name_of_a_coordinator_that_lives_is_refused(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_PREDECESSOR_GONE_S", 0.5)
    async with opened(database_url) as alive:
        assert await alive.claim_instance("a", stale_s=20)
        with pytest.raises(ConfigurationError, match="another live coordinator is called a"):
            await server.serve(settings_for(database_url, instance="a"), broker=MemoryBroker())


async def test_what_a_coordinator_is_told_wrongly_ends_it_at_once(
    database_url: str, postgres_url: Callable[[], str], tmp_path: Path
) -> None:
    """Whatever its patience."""
    wrong = {
        f"{database_url}_nope": "does not exist",
        postgres_url(): "saga db upgrade",
        f"sqlite+aiosqlite:///{tmp_path}/no/such/folder/x.db": "No such file",
    }
    for url, told in wrong.items():
        async with asyncio.timeout(LIMIT_S):
            with pytest.raises(ConfigurationError, match=told):
                await server.serve(settings_for(url, start_patience_s=86_400), broker=MemoryBroker())


@pytest.mark.parametrize("state", ["28P01", "3D000", "08P01", "42501"])
async def test_a_refusal_that_time_does_not_mend_ends_both_at_once(database_url: str, state: str) -> None:
    async with StartingPostgres(database_url, state=state, message="no") as postgres, asyncio.timeout(LIMIT_S):
        with pytest.raises(ConfigurationError, match=state):
            await server.serve(settings_for(postgres.url, start_patience_s=86_400), broker=MemoryBroker())
        with pytest.raises(ConfigurationError, match=state):
            await make_till(postgres.url)[0].serve(MemoryBroker(), start_patience_s=86_400)


async def test_when_the_patience_is_over_both_end_with_what_was_missing(database_url: str) -> None:
    async with StartingPostgres(database_url) as postgres, asyncio.timeout(LIMIT_S):
        with pytest.raises(ConfigurationError, match=r"the database does not answer: .*57P03"):
            await server.serve(settings_for(postgres.url, start_patience_s=1), broker=MemoryBroker())
        with pytest.raises(ConfigurationError, match=r"till: its database cannot be used .*57P03"):
            await make_till(postgres.url)[0].serve(MemoryBroker(), start_patience_s=1)
        assert postgres.refused >= 4


@asynccontextmanager
async def participant(till: Participant, broker: MemoryBroker, port: int) -> AsyncIterator[asyncio.Event]:
    stop, ready = asyncio.Event(), asyncio.Event()
    serving = asyncio.create_task(till.serve(broker, stop=stop, health_port=port, ready=lambda _: ready.set()))
    async with asyncio.timeout(LIMIT_S):
        try:
            yield ready
        finally:
            stop.set()
            await serving


async def until_readyz(port: int, status: int, said: str) -> None:
    async with asyncio.timeout(LIMIT_S):
        while True:
            try:
                ready, health = await pages(port, "/readyz", "/healthz")
            except httpx.TransportError:
                await asyncio.sleep(0.05)
                continue
            assert health.status_code == 200
            if (ready.status_code, said in ready.text) == (status, True):
                return
            await asyncio.sleep(0.05)


async def test_a_participant_waits_for_a_postgresql_that_is_starting_up(database_url: str) -> None:
    async with StartingPostgres(database_url) as postgres:
        port = free_port()
        async with participant(make_till(postgres.url)[0], MemoryBroker(), port) as ready:
            await until_readyz(port, 503, "starting: waiting for the database of till: CannotConnectNowError 57P03")
            postgres.up.set()
            await ready.wait()
            await until_readyz(port, 200, "ok")


async def test_a_participant_waits_for_a_kafka_that_is_late() -> None:
    broker, port = MemoryBroker(), free_port()
    broker.faults.unreachable = True
    async with participant(make_till()[0], broker, port) as ready:
        await until_readyz(port, 503, "starting: waiting for Kafka in memory: the cluster did not answer")
        broker.faults.unreachable = False
        await ready.wait()
        await until_readyz(port, 200, "ok")


async def test_an_application_with_a_participant_inside_goes_on_while_that_waits() -> None:
    broker = MemoryBroker()
    broker.faults.unreachable = True
    till = make_till()[0]
    async with asyncio.timeout(LIMIT_S), till.served(broker):
        assert till._service is None
        broker.faults.unreachable = False
        while till._service is None:  # noqa: ASYNC110 - nothing else tells
            await asyncio.sleep(0.05)


async def test_a_kafka_that_nobody_serves_yet_is_waited_for_and_not_called_a_refusal() -> None:
    broker = KafkaBroker(KafkaSettings(bootstrap_servers=f"127.0.0.1:{free_port()}", request_timeout_ms=500))
    with pytest.raises(ConfigurationError, match="Kafka cannot be used: the cluster did not answer"):
        async with asyncio.timeout(LIMIT_S):
            await make_till()[0].serve(broker, start_patience_s=0.5)
    await broker.stop()
