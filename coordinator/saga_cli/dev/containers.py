"""Kafka, PostgreSQL and Jaeger in containers, run by testcontainers, where a Docker engine answers.

This module has never been run: it was written on a machine without an engine. The tests use the
servers that pip installs (`kafka.py`, `postgres.py`, `jaeger.py`). testcontainers' KafkaContainer
cannot run `apache/kafka`, so a plain container gets the broker's settings from its environment.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self, cast
from urllib.parse import urlsplit

from saga_cli.dev.jaeger import jaeger_release
from saga_cli.dev.jaeger_build import JAEGER_VERSION
from saga_cli.dev.kafka import KAFKA_VERSION, cluster_id
from saga_cli.dev.process import ServiceFailed, free_port, free_ports
from saga_cli.dev.sql import ask

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

_ENGINE_TIMEOUT_S = 0.4
_DEFAULT_ENGINE = "unix:///var/run/docker.sock"
_READY_LIMIT_S = 120.0
_POLL_INTERVAL_S = 0.2


def docker_answers() -> bool:
    """Return whether testcontainers is installed and a Docker engine answers a ping.

    Takes at most a second.
    """
    try:
        import testcontainers.core.container  # noqa: F401 - only whether it is there
    except ImportError:
        return False
    engine = urlsplit(os.environ.get("DOCKER_HOST", _DEFAULT_ENGINE))
    with contextlib.suppress(OSError, ValueError), _connected(engine.scheme, engine.path, engine.hostname, engine.port) as link:
        link.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
        return b" 200 " in link.recv(64)
    return False


def _connected(scheme: str, path: str, host: str | None, port: int | None) -> socket.socket:
    if scheme != "unix":
        return socket.create_connection((host or "127.0.0.1", port or 2375), timeout=_ENGINE_TIMEOUT_S)
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    link.settimeout(_ENGINE_TIMEOUT_S)
    try:
        link.connect(path)
    except OSError:
        link.close()
        raise
    return link


class _Container:
    """A container with ports on loopback only, and a bounded wait for its first answer."""

    name: str

    def __init__(self) -> None:
        self._container: DockerContainer | None = None

    def _run(self, image: str, ports: dict[int, int], prepare: Callable[[DockerContainer], object] = lambda _: None) -> None:
        """Start a container.

        Args:
            image: The image's name and tag.
            ports: Port on loopback by port in the container.
            prepare: Called with the container before it starts.
        """
        from testcontainers.core.container import DockerContainer

        container = DockerContainer(image)
        for inside, outside in ports.items():
            # Not with_bind_ports, which publishes on all addresses; the engine's client takes an
            # address beside the port.
            container.ports[str(inside)] = cast(Any, ("127.0.0.1", outside))
        prepare(container)
        self._container = container.start()

    def _first_answer(self, query: Callable[[], str]) -> str:
        """Ask until there is an answer, and return it.

        Args:
            query: Returns the answer, or "" while there is none. It may also raise ServiceFailed
                then.

        Raises:
            ServiceFailed: There was no answer in time; the container is stopped.
        """
        deadline, reason = time.monotonic() + _READY_LIMIT_S, ""
        while time.monotonic() < deadline:
            try:
                if answer := query():
                    return answer
            except ServiceFailed as error:
                reason = f": {error}"
            time.sleep(_POLL_INTERVAL_S)
        self.close()
        raise ServiceFailed(f"the {self.name} container did not answer within {_READY_LIMIT_S:.0f} s{reason}")

    def close(self) -> None:
        if self._container:
            self._container.stop()
            self._container = None


class KafkaContainer(_Container):
    """`apache/kafka` on a loopback port.

    The port is chosen before the start, because the broker must advertise it.
    """

    name = "Kafka"

    def __init__(self) -> None:
        super().__init__()
        self._port = free_port()
        self.version = f"{KAFKA_VERSION} (container)"
        self.bootstrap_servers = f"127.0.0.1:{self._port}"

    def start(self) -> Self:
        settings = {
            "KAFKA_NODE_ID": "1",
            "KAFKA_PROCESS_ROLES": "broker,controller",
            "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@127.0.0.1:29093",
            "KAFKA_LISTENERS": "PLAINTEXT://0.0.0.0:9092,CONTROLLER://127.0.0.1:29093",
            "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://{self.bootstrap_servers}",
            "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
            "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
            "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
            "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "4",
            "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
            "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
            "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        }
        self._run(f"apache/kafka:{KAFKA_VERSION}", {9092: self._port}, lambda container: container.with_envs(**settings))
        self._first_answer(lambda: cluster_id(self.bootstrap_servers, timeout_s=2) or "")
        return self


class PostgresContainer(_Container):
    """`postgres:18` on a loopback port."""

    name = "PostgreSQL"

    def __init__(self) -> None:
        super().__init__()
        self._port = free_port()
        self.version = ""
        self.url = f"postgresql+asyncpg://postgres:postgres@127.0.0.1:{self._port}/postgres"

    def start(self) -> Self:
        def prepare(container: DockerContainer) -> None:
            container.with_env("POSTGRES_PASSWORD", "postgres").with_command("postgres -c max_connections=200")

        self._run("postgres:18", {5432: self._port}, prepare)
        self.version = self._first_answer(lambda: str(ask(self.url, "SHOW server_version")).split()[0])
        return self


class JaegerContainer(_Container):
    """`jaegertracing/jaeger` with its real web page.

    Without settings it runs all in one and keeps spans in memory.
    """

    name = "Jaeger"

    def __init__(self) -> None:
        super().__init__()
        self._ports = dict(zip((4317, 4318, 16686), free_ports(3), strict=True))
        self.version = ""
        self.otlp_grpc, self.otlp_http, self.query_url = (f"http://127.0.0.1:{port}" for port in self._ports.values())

    def start(self) -> Self:
        self._run(f"jaegertracing/jaeger:{JAEGER_VERSION}", self._ports)
        self.version = f"{self._first_answer(lambda: jaeger_release(self.query_url))} (container)"
        return self
