"""A participant inside FastAPI or Starlette: health, metrics, settings and logs as when it runs
alone."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import httpx
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.types import ASGIApp

from saga_messaging.errors import ConfigurationError
from saga_messaging.memory import MemoryBroker
from saga_participant import Participant, participant
from saga_participant.service import Service
from support.till.shop import make_till
from support.till.wire import command, replies, send

LIMIT_S = 60


@asynccontextmanager
async def client(app: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as http:
        yield http


def in_fastapi(*tills: tuple[Participant, str]) -> ASGIApp:
    app = FastAPI()
    for till, prefix in tills:
        app.include_router(till.routes(prefix))
    return app


def in_starlette(*tills: tuple[Participant, str]) -> ASGIApp:
    return Starlette(routes=[route for till, prefix in tills for route in till.routes(prefix).routes])


async def failing(http: httpx.AsyncClient) -> httpx.Response:
    """`/healthz`, as soon as it fails."""
    async with asyncio.timeout(LIMIT_S):
        while (health := await http.get("/healthz")).status_code == 200:  # noqa: ASYNC110 - nothing else tells
            await asyncio.sleep(0.01)
    return health


@contextmanager
def fresh_logging() -> Iterator[None]:
    """As in a new process: none is configured."""
    root, kept = logging.getLogger(), logging.getLogger().handlers[:]
    names = ("saga_participant", "saga_messaging", "saga_coordinator", "saga_demo")
    states = [(each, each.handlers[:], each.propagate, each.level) for each in map(logging.getLogger, names)]
    root.handlers[:] = []
    try:
        yield
    finally:
        root.handlers[:] = kept
        for logger, handlers, propagate, level in states:
            logger.handlers[:], logger.propagate = handlers, propagate
            logger.setLevel(level)


@pytest.mark.parametrize("application", [in_fastapi, in_starlette])
async def test_its_health_and_metrics_are_pages_of_the_application(application: object) -> None:
    broker, till = MemoryBroker(), make_till()[0]
    app = application((till, ""), (make_till()[0], "/other"))  # type: ignore[operator]
    async with client(app) as http, asyncio.timeout(LIMIT_S):
        before = [(await http.get(path)).status_code for path in ("/healthz", "/readyz", "/metrics")]
        async with till.served(broker):
            await send(broker, command())
            await replies(broker, 1)
            during = [(await http.get(path)).status_code for path in ("/healthz", "/readyz", "/metrics")]
            metrics = (await http.get("/metrics")).text
            other = (await http.get("/other/readyz")).status_code
        after = [(await http.get(path)).status_code for path in ("/healthz", "/readyz", "/metrics")]
    assert (before, during, after) == ([200, 503, 200], [200, 200, 200], [200, 503, 200])
    assert 'replies_total{participant="till",outcome="SUCCEEDED"} 1' in metrics
    assert other == 503


async def test_while_it_waits_for_kafka_the_application_is_there_and_says_so() -> None:
    broker, till = MemoryBroker(), make_till()[0]
    broker.faults.unreachable = True
    async with client(in_fastapi((till, ""))) as http, asyncio.timeout(LIMIT_S), till.served(broker):
        ready = await http.get("/readyz")
        assert (ready.status_code, ready.text) == (503, "starting: waiting for Kafka in memory: the cluster did not answer\n")
        assert (await http.get("/healthz")).status_code == 200


async def test_if_serving_ends_with_an_error_health_and_log_say_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    crash = asyncio.Event()

    async def run(self: Service, stop: asyncio.Event, *, ready: object) -> None:
        ready()  # type: ignore[operator]
        await crash.wait()
        raise RuntimeError("secret-q4711")

    monkeypatch.setattr(Service, "run", run)
    till = make_till()[0]
    async with client(in_fastapi((till, ""))) as http:
        serving = till.served(MemoryBroker())
        await serving.__aenter__()
        assert (await http.get("/healthz")).status_code == 200
        crash.set()
        health = await failing(http)
        assert (await http.get("/readyz")).status_code == 503
        with pytest.raises(RuntimeError):
            await serving.__aexit__(None, None, None)
    assert health.text.startswith("serving ended: RuntimeError at test_inside_an_application.py:")
    assert "till: serving ended: RuntimeError at" in caplog.text
    assert "q4711" not in caplog.text + health.text


async def test_a_patience_that_ends_is_told_by_the_health_too() -> None:
    broker, till = MemoryBroker(), make_till()[0]
    broker.faults.unreachable = True
    async with client(in_fastapi((till, ""))) as http:
        serving = till.served(broker, start_patience_s=0.2)
        await serving.__aenter__()
        health = await failing(http)
        with pytest.raises(ConfigurationError):
            await serving.__aexit__(None, None, None)
    assert health.text == "serving ended: till: Kafka cannot be used: the cluster did not answer\n"


def test_without_either_framework_routes_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "starlette.responses", None)
    with pytest.raises(ConfigurationError, match="needs FastAPI or Starlette"):
        make_till()[0].routes()


async def test_the_lifespan_takes_instance_logs_and_patience_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    broker = MemoryBroker()
    monkeypatch.setattr(participant, "KafkaBroker", lambda settings: broker)
    for name, value in {
        "SAGA_KAFKA_BOOTSTRAP_SERVERS": "kafka:9092",
        "SAGA_INSTANCE": "till-1",
        "SAGA_LOG_FORMAT": "json",
        "SAGA_SERVICE_HOST": "10.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    till = make_till()[0]
    with fresh_logging():
        async with asyncio.timeout(LIMIT_S), till.lifespan():
            service = till._service
            assert service is not None
            assert service.instance == "till-1"
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    events = [line["event"] for line in lines]
    assert events[0].startswith("ignored, as Kubernetes makes them")
    assert "till: serving its commands on Kafka in memory as till-1" in events


async def test_an_application_that_configured_its_logs_keeps_them(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    heard: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: heard.append(record.getMessage())  # type: ignore[method-assign]
    broker = MemoryBroker()
    monkeypatch.setattr(participant, "KafkaBroker", lambda settings: broker)
    monkeypatch.setenv("SAGA_KAFKA_BOOTSTRAP_SERVERS", "kafka:9092")
    with fresh_logging():
        logging.getLogger().addHandler(handler)
        logging.getLogger("saga_participant").setLevel("INFO")
        async with asyncio.timeout(LIMIT_S), make_till()[0].lifespan():
            pass
    assert any("serving its commands" in line for line in heard)
    assert capfd.readouterr().err == ""
