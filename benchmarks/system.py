"""The system under measure: real Kafka and PostgreSQL (fsync on), a coordinator, three
participants, each a process started by the public command; and for runs with tracing a real Jaeger.
Two systems may stand side by side on the same services, under topics and databases of their own:
then what one of them costs can be compared with the other, minute by minute.
"""

from __future__ import annotations

import base64
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Self

import httpx
from measuring import cpu_s

import saga_demo
from saga_cli.dev.jaeger import JaegerService
from saga_cli.dev.kafka import KafkaService
from saga_cli.dev.postgres import PostgresService
from saga_cli.dev.process import answers, free_port

PARTICIPANTS = ("inventory", "payment", "shipping")
SAGA = str(Path(sys.executable).parent / "saga")
DEMO = Path(saga_demo.__file__).parent
BENCHMARKS = Path(__file__).parent
START_LIMIT_S = 30.0
SESSIONS = 500
"""Of all systems that stand side by side; each has some sixty."""


@dataclass(frozen=True)
class System:
    """The processes under measure."""

    kafka: str
    topic_prefix: str
    server: str
    coordinator: int
    participants: tuple[int, ...]
    services: tuple[int, ...]
    """Broker and database."""
    environ: Mapping[str, str]
    """Of the coordinator."""

    def cpu_s(self) -> float:
        return self.own_cpu_s() + sum(cpu_s(pid) for pid in self.services)

    def own_cpu_s(self) -> float:
        """Of coordinator and participants."""
        return cpu_s(self.coordinator) + sum(cpu_s(pid) for pid in self.participants)


class Bench:
    """Kafka and PostgreSQL, the systems started on them, and a Jaeger once somebody traces.

    Everything ends with the block.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="saga-bench-")))
        self.kafka = self._stack.enter_context(KafkaService())
        self.postgres = self._stack.enter_context(PostgresService(settings={"max_connections": str(SESSIONS)}))
        self._jaeger: JaegerService | None = None
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def system(
        self,
        sampling: float = 0.0,
        *,
        name: str = "",
        partitions: int | None = None,
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> System:
        """Started and ready, with this share of its sagas traced.

        `name` sets its topics and databases apart; `settings` are further environment variables.
        """
        port = free_port()
        environ = self._environ(sampling, name) | dict(settings) | {"SAGA_SERVER": f"http://127.0.0.1:{port}"}
        environ |= {} if partitions is None else {"SAGA_KAFKA_PARTITIONS": str(partitions)}
        subprocess.run([SAGA, "db", "upgrade"], env=environ, check=True, stdout=subprocess.DEVNULL)
        coordinator = self.coordinator(environ)
        register(environ, DEMO / "order.saga.yaml")
        participants = [
            self.start(
                *(SAGA, "participant", "run", f"saga_demo.{each}:{each}"),
                environ=environ | {f"SAGA_{each.upper()}_DATABASE_URL": self._database(name + each)},
            )
            for each in PARTICIPANTS
        ]
        return System(
            kafka=self.kafka.bootstrap_servers,
            topic_prefix=environ["SAGA_TOPIC_PREFIX"],
            server=environ["SAGA_SERVER"],
            coordinator=coordinator,
            participants=tuple(participants),
            services=tuple(pid for pids in self.services.values() for pid in pids),
            environ=environ,
        )

    def coordinator(self, environ: Mapping[str, str]) -> int:
        """Started and ready, at the port of its SAGA_SERVER; its id."""
        server = environ["SAGA_SERVER"]
        started = self.start(SAGA, "serve", "--port", server.rpartition(":")[2], environ=dict(environ))
        _wait_ready(f"{server}/readyz")
        return started

    @property
    def services(self) -> dict[str, tuple[int, ...]]:
        """Root processes of broker and database."""
        assert self.kafka.pid is not None
        assert self.postgres.pid is not None
        return {"Kafka": (self.kafka.pid,), "PostgreSQL": (self.postgres.pid,)}

    def _environ(self, sampling: float, name: str) -> dict[str, str]:
        environ = {variable: value for variable, value in os.environ.items() if not variable.startswith("SAGA_")} | {
            "SAGA_KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "SAGA_TOPIC_PREFIX": f"{name}." if name else "",
            "SAGA_DATABASE_URL": self._database(name + "coordinator"),
            "SAGA_TOKEN_KEYS": "1:" + base64.b64encode(secrets.token_bytes(32)).decode(),
            "SAGA_LOG_LEVEL": "warning",
            "SAGA_DEMO_LEAN": "1",
        }
        if sampling:
            self._jaeger = self._jaeger or self._stack.enter_context(JaegerService())
            environ |= {"SAGA_OTLP_ENDPOINT": self._jaeger.otlp_grpc, "SAGA_TRACE_SAMPLING": str(sampling)}
        return environ

    def _database(self, name: str) -> str:
        """A new database, by the Unix socket where its path allows."""
        over_tcp = self.postgres.create_database(name)
        return self.postgres.socket_url(name) or over_tcp

    def plain_database(self, name: str) -> str:
        """The same for a bare driver."""
        return self._database(name).replace("+asyncpg", "")

    def folder(self, name: str) -> Path:
        """A new folder, which goes with the block."""
        made = self._folder / name
        made.mkdir()
        return made

    def start(self, *command: str, environ: dict[str, str] | None = None) -> int:
        """A process that ends with the block; its id."""
        log = self._stack.enter_context((self._folder / f"{len(list(self._folder.iterdir()))}.log").open("wb"))
        process = subprocess.Popen(command, env=environ, stdout=log, stderr=subprocess.STDOUT)
        self._stack.callback(_end, process, Path(log.name), command)
        return process.pid


def register(environ: Mapping[str, str], file: Path) -> None:
    """Register version 1 of the definition in `NAME.saga.yaml` with the demo's schemas, and
    activate it."""
    name = file.name.partition(".")[0]
    known = ("--schemas", str(DEMO / "schemas"))
    for command in (("def", "register", str(file), *known), ("def", "activate", name, "1")):
        subprocess.run([SAGA, *command], env=dict(environ), check=True, stdout=subprocess.DEVNULL)


@contextmanager
def running_system(sampling: float = 0.0) -> Iterator[System]:
    with Bench() as bench:
        yield bench.system(sampling)


def _end(process: subprocess.Popen[bytes], log: Path, command: tuple[str, ...]) -> None:
    if process.poll() not in (None, -signal.SIGKILL):  # we kill some ourselves
        print(f"{' '.join(command)} ended by itself with {process.returncode}:\n{log.read_text()[-2000:]}", file=sys.stderr)
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()


def wait_listening(*ports: int) -> None:
    """Until somebody listens on each of these loopback ports."""
    until = time.monotonic() + START_LIMIT_S
    for port in ports:
        while not answers(port):
            if time.monotonic() > until:
                raise SystemExit(f"nobody listened on port {port} within {START_LIMIT_S:.0f} s")
            time.sleep(0.1)


def _wait_ready(url: str) -> None:
    until = time.monotonic() + START_LIMIT_S
    while time.monotonic() < until:
        try:
            if httpx.get(url, timeout=2).status_code < 500:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    raise SystemExit(f"{url} did not answer within {START_LIMIT_S:.0f} s")
