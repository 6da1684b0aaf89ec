"""Kafka and PostgreSQL in containers, by testcontainers, where a Docker engine answers.

Has not been run: it was written on a machine without an engine. What is tested is the way by pip alone (`kafka.py`,
`postgres.py`).
testcontainers' own KafkaContainer cannot run `apache/kafka`, hence the plain container with the broker's settings as environment.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from saga_cli.dev.kafka import KAFKA_VERSION, cluster_id
from saga_cli.dev.process import ServiceFailed, free_port
from saga_cli.dev.sql import ask

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

_ENGINE_TIMEOUT_S = 0.4
_DEFAULT_ENGINE = "unix:///var/run/docker.sock"
_READY_LIMIT_S = 120.0
_ASK_AGAIN_S = 0.2


def docker_answers() -> bool:
    """Whether a Docker engine answers a ping and testcontainers is installed; never takes longer than a second."""
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


class KafkaContainer:
    """`apache/kafka` on a loopback port chosen beforehand, because the broker must advertise it."""

    def __init__(self) -> None:
        self._port = free_port()
        self._container: DockerContainer | None = None
        self.version = f"{KAFKA_VERSION} (container)"
        self.bootstrap_servers = f"127.0.0.1:{self._port}"

    def start(self) -> Self:
        from testcontainers.core.container import DockerContainer

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
        container = DockerContainer(f"apache/kafka:{KAFKA_VERSION}").with_bind_ports(9092, self._port).with_envs(**settings)
        self._container = container.start()
        deadline = time.monotonic() + _READY_LIMIT_S
        while not cluster_id(self.bootstrap_servers, timeout_s=2):
            if time.monotonic() > deadline:
                self.close()
                raise ServiceFailed(f"the Kafka container did not answer metadata within {_READY_LIMIT_S:.0f} s")
            time.sleep(_ASK_AGAIN_S)
        return self

    def close(self) -> None:
        if self._container:
            self._container.stop()
            self._container = None


class PostgresContainer:
    """`postgres:18` on a loopback port."""

    def __init__(self) -> None:
        self._port = free_port()
        self._container: DockerContainer | None = None
        self.version = ""
        self.url = f"postgresql+asyncpg://postgres:postgres@127.0.0.1:{self._port}/postgres"

    def start(self) -> Self:
        from testcontainers.core.container import DockerContainer

        container = DockerContainer("postgres:18").with_bind_ports(5432, self._port).with_env("POSTGRES_PASSWORD", "postgres")
        self._container = container.with_command("postgres -c max_connections=200").start()
        deadline = time.monotonic() + _READY_LIMIT_S
        while not self.version:
            try:
                self.version = str(ask(self.url, "SHOW server_version")).split()[0]
            except ServiceFailed:
                if time.monotonic() > deadline:
                    self.close()
                    raise
                time.sleep(_ASK_AGAIN_S)
        return self

    def close(self) -> None:
        if self._container:
            self._container.stop()
            self._container = None
