"""The parts of the demo, which run while a block runs: Kafka or its stand-in, a coordinator, three
participants.

Coordinator and participants are the same as in production, but share this process. So the demo
starts at once, and a kill -9 leaves nothing behind: the stand-in is the only child, and ends when
its standard input closes. All talk over HTTP and Kafka.
"""

from __future__ import annotations

import asyncio
import base64
import importlib.util
import os
import secrets
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from saga_cli.demo.plan import PORT, Plan, database_name
from saga_cli.demo.services import participant_of
from saga_cli.demo.traces import participant_spans_of
from saga_coordinator.api.http_server import listening_socket
from saga_coordinator.server import serve
from saga_coordinator.settings import Settings
from saga_messaging.background import end
from saga_messaging.errors import ConfigurationError
from saga_messaging.kafka import KafkaBroker
from saga_messaging.settings import KafkaSettings
from saga_messaging.standin import StandIn
from saga_participant import Participant

if TYPE_CHECKING:
    from saga_cli.participant_spans import ParticipantSpans

_LOG: Final = "demo.log"
START_PATIENCE_S: Final = 10.0
"""How long to wait for a given Kafka or PostgreSQL; it is short because a person waits."""
_STOP_LIMIT_S: Final = 6.0
"""How long the coordinator may take to stop by itself."""
_CANCEL_AGAIN_S: Final = 1.0
"""A person waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Addresses of the parts."""

    kafka: str
    port: int
    spans: Mapping[str, ParticipantSpans]
    """Each service's SDK; empty without a collector."""

    @property
    def server(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def console(self) -> str:
        return f"{self.server}/console/"


@asynccontextmanager
async def running(plan: Plan) -> AsyncIterator[Parts]:
    """Run all parts while the block runs.

    The block begins when all answer. A part's error ends the block with that error.
    """
    _log_to(plan.directory / _LOG)
    async with _kafka(plan) as kafka, participant_spans_of(plan) as spans:
        if not plan.embedded:
            await _create_databases(plan)
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            ready = [asyncio.get_running_loop().create_future() for _ in plan.service_urls]
            serving = [
                group.create_task(_serve_participant(_participant(name, url, spans), kafka, stop, up))
                for (name, url), up in zip(plan.service_urls.items(), ready, strict=True)
            ]
            port, coordinating = _coordinator(group, plan, kafka, stop)
            try:
                await asyncio.gather(*ready)
                yield Parts(kafka=kafka.bootstrap_servers, port=await port, spans=spans)
            finally:
                stop.set()
                for task in serving:  # all orders have ended; a command in hand would be delivered again
                    task.cancel()
                await asyncio.wait((*serving, coordinating), timeout=_STOP_LIMIT_S)
                await end((*serving, coordinating), again_s=_CANCEL_AGAIN_S)


def _coordinator(
    group: asyncio.TaskGroup, plan: Plan, kafka: KafkaSettings, stop: asyncio.Event
) -> tuple[asyncio.Future[int], asyncio.Task[None]]:
    """Start the coordinator. Returns its port, known once it listens, and its task."""
    settings = Settings.checked(
        database_url=plan.coordinator_url,
        token_keys=os.environ.get("SAGA_TOKEN_KEYS") or (None if plan.embedded else _token_key()),
        kafka=kafka,
        start_patience_s=START_PATIENCE_S,
        **_trace_settings(plan),
    )
    listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    return listening, group.create_task(_serve_coordinator(settings, stop, listening))


async def _serve_coordinator(settings: Settings, stop: asyncio.Event, listening: asyncio.Future[int]) -> None:
    with coordinator_socket(settings.host) as sock:
        await serve(settings, ready=listening.set_result, stop=stop, listens=sock)


def coordinator_socket(host: str) -> socket.socket:
    """A socket on the usual port, or on a free one where another process has that."""
    try:
        return listening_socket(host, PORT)
    except ConfigurationError:
        return listening_socket(host, 0)


def _trace_settings(plan: Plan) -> dict[str, Any]:
    """Return the coordinator's settings for tracing every order; empty without a collector."""
    if plan.otlp is None:
        return {}
    to = {"otlp_endpoint": plan.otlp.endpoint, "otlp_protocol": plan.otlp.protocol}
    return {**to, "trace_sampling": 1.0, "jaeger_url": plan.jaeger_url}


def _participant(name: str, url: str, spans: Mapping[str, ParticipantSpans]) -> Participant:
    own = spans.get(name)
    return participant_of(name, url, None if own is None else own.provider)


async def _serve_participant(
    participant: Participant, kafka: KafkaSettings, stop: asyncio.Event, up: asyncio.Future[None]
) -> None:
    """Serve until `stop` is set or the task is cancelled; `up` gets its result once the participant
    serves."""
    broker = KafkaBroker(kafka)
    try:
        await participant.serve(
            broker,
            stop=stop,
            topic_prefix=kafka.topic_prefix,
            ready=lambda _: up.set_result(None),
            start_patience_s=START_PATIENCE_S,
        )
    finally:
        await broker.stop()


@asynccontextmanager
async def _kafka(plan: Plan) -> AsyncIterator[KafkaSettings]:
    if plan.bootstrap_servers is not None:
        yield KafkaSettings.from_env({**os.environ, "SAGA_KAFKA_BOOTSTRAP_SERVERS": plan.bootstrap_servers})
        return
    if importlib.util.find_spec("confluent_kafka") is None:
        raise ConfigurationError("the Kafka stand-in needs confluent-kafka: pip install 'saga-coordinator[demo]'")
    async with StandIn() as address:
        yield KafkaSettings(bootstrap_servers=address, stand_in=True)


async def _create_databases(plan: Plan) -> None:
    """Create missing databases on the given server, and the coordinator's tables.

    Raises ServiceFailed, which names the server.
    """
    from saga_cli.dev.sql import ask, sibling
    from saga_coordinator.store.open import open_store

    def create_missing() -> None:
        server = sibling(plan.coordinator_url, "postgres")
        for url in (plan.coordinator_url, *plan.service_urls.values()):
            name = database_name(url)
            if not ask(server, f"SELECT 1 FROM pg_database WHERE datname = '{name}'"):
                ask(server, f'CREATE DATABASE "{name}"')

    await asyncio.to_thread(create_missing)
    store = open_store(plan.coordinator_url)
    try:
        await store.upgrade()
    finally:
        await store.stop()


def _token_key() -> str:
    return f"demo:{base64.b64encode(secrets.token_bytes(32)).decode()}"


def _log_to(path: Path) -> None:
    """Write the parts' logs to a file, as JSON lines, so that they do not mix with the demo's
    output."""
    import logging

    import structlog

    from saga_coordinator.logs import error_without_its_text

    file: Any = path.open("a", buffering=1)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            error_without_its_text,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(file),
    )
    logging.basicConfig(stream=file, level=logging.WARNING, force=True)
