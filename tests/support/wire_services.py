"""Real processes for tests that speak the wire: `saga serve` and `saga participant run`, each with
a PostgreSQL database of its own.

The tests know only docs/wire.md; what they get from here is an address, a prefix, a way to look
into the databases, and the coordinator's HTTP API for what is not on the wire (registering,
cancelling).
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import asyncpg

from saga_cli.dev.process import ServerProcess, free_port
from saga_cli.dev.services import Postgres
from support.paths import TESTS

READY_LIMIT_S: Final = 120.0
STOP_LIMIT_S: Final = 30.0
SAGA: Final = Path(sys.executable).with_name("saga")
TOKEN_KEYS: Final = {"wire": b"a key that only tests do know 32"}


@dataclass(frozen=True, slots=True)
class Database:
    """One PostgreSQL database."""

    url: str
    """For SQLAlchemy."""

    async def rows(self, sql: str, *arguments: object) -> list[dict[str, Any]]:
        connection = await asyncpg.connect(self.url.replace("postgresql+asyncpg:", "postgresql:", 1))
        try:
            return [dict(row) for row in await connection.fetch(sql, *arguments)]
        finally:
            await connection.close()


@dataclass(frozen=True, slots=True)
class Coordinator:
    """A running `saga serve`."""

    server: str
    database: Database
    prefix: str
    kafka: str
    token_keys: Mapping[str, bytes]
    process: ServerProcess
    environment: Mapping[str, str] = field(default_factory=dict)
    """What it was started with."""

    def restart(self) -> None:
        """Stop it gracefully, and start it again at the same address."""
        self.process.stop(grace_s=STOP_LIMIT_S)
        self.process.start(environment=self.environment)
        _until_ready(self.process, f"{self.server}/readyz")

    def request(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Status and JSON, whatever the status."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.server + path, data=data, method=method, headers=dict(headers or {}))
        if data is not None:
            request.add_header("Content-Type", "application/json")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=70) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as refused:
            return refused.code, json.loads(refused.read())

    def register(self, document: str, schemas: list[dict[str, Any]]) -> None:
        """Register and activate a definition."""
        status, line = self.request("POST", "/v1/definitions", {"document": document, "schemas": schemas})
        assert status in (200, 201), line
        status, line = self.request("POST", f"/v1/definitions/{line['name']}/{line['version']}/activate", {})
        assert status == 200, line

    def finished(self, saga_id: str, wait_s: int = 30) -> str:
        """The phase the saga ended in."""
        status, saga = self.request("GET", f"/v1/sagas/{saga_id}?wait_s={wait_s}")
        assert status == 200, saga
        return str(saga["phase"])

    def saga(self, *arguments: str) -> str:
        """Run the command `saga` against this coordinator."""
        command = [str(SAGA), *arguments, "--server", self.server]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120, env=_environment({})).stdout


@dataclass(frozen=True, slots=True)
class ParticipantProcesses:
    """Running instances of one participant on one database."""

    database: Database
    prefix: str
    kafka: str
    instances: tuple[ServerProcess, ...]
    health: tuple[str, ...]
    """Where each says how it is."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """What they were started with."""


@dataclass(slots=True)
class WireServices:
    """Starts them; all end with the test module."""

    kafka: str
    postgres: Postgres
    directory: Path
    ended: ExitStack = field(default_factory=ExitStack)

    def coordinator(self, **settings: str) -> Coordinator:
        """`settings` are further `SAGA_…` variables."""
        database, prefix, port = self._database(), _prefix(), free_port()
        keys = {name: base64.b64encode(key).decode() for name, key in TOKEN_KEYS.items()}
        variables = {
            "SAGA_DATABASE_URL": database.url,
            "SAGA_KAFKA_BOOTSTRAP_SERVERS": self.kafka,
            "SAGA_TOPIC_PREFIX": prefix,
            "SAGA_TOKEN_KEYS": ",".join(f"{name}:{key}" for name, key in keys.items()),
            "SAGA_PORT": str(port),
        }
        environment = _environment(variables | settings)
        subprocess.run([str(SAGA), "db", "upgrade"], check=True, capture_output=True, timeout=120, env=environment)
        process = self._process("coordinator", ["serve"], environment)
        server = f"http://127.0.0.1:{port}"
        _until_ready(process, f"{server}/readyz")
        return Coordinator(
            server=server,
            database=database,
            prefix=prefix,
            kafka=self.kafka,
            token_keys=TOKEN_KEYS,
            process=process,
            environment=environment,
        )

    def beside(self, first: Coordinator, **settings: str) -> Coordinator:
        """Another instance on the database and the topics of the first."""
        port = free_port()
        environment = {**first.environment, "SAGA_PORT": str(port), **settings}
        process = self._process("coordinator-beside", ["serve"], environment)
        server = f"http://127.0.0.1:{port}"
        _until_ready(process, f"{server}/readyz")
        return replace(first, server=server, process=process, environment=environment)

    def participants(self, count: int = 1, *, prefix: str = "", static: bool = False) -> ParticipantProcesses:
        """Instances of support/booking, under topic names of their own or a coordinator's.

        `static`: they keep their partitions when they are killed and started again.
        """
        database, prefix = self._database(), prefix or _prefix()
        environment = _environment(
            {
                "BOOKING_DATABASE_URL": database.url,
                "SAGA_KAFKA_BOOTSTRAP_SERVERS": self.kafka,
                "SAGA_TOPIC_PREFIX": prefix,
                "PYTHONPATH": os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]),
            }
        )
        started = []
        for number in range(count):
            port = free_port()
            target = ["participant", "run", "support.booking.service:booking", "--health-port", str(port)]
            target += ["--instance", f"booking-{number}"] if static else []
            started.append((self._process(f"booking-{number}", target, environment), port))
        for process, port in started:
            _until_ready(process, f"http://127.0.0.1:{port}/readyz")
        instances = tuple(process for process, _ in started)
        health = tuple(f"http://127.0.0.1:{port}" for _, port in started)
        return ParticipantProcesses(
            database=database, prefix=prefix, kafka=self.kafka, instances=instances, health=health, environment=environment
        )

    def shop(self, prefix: str, *names: str) -> dict[str, ParticipantProcesses]:
        """These of the demo's participants by name, one instance each on a coordinator's topics."""
        started = {}
        for name in names:
            port, database = free_port(), self._database()
            variables = {
                f"SAGA_{name.upper()}_DATABASE_URL": database.url,
                "SAGA_KAFKA_BOOTSTRAP_SERVERS": self.kafka,
                "SAGA_TOPIC_PREFIX": prefix,
            }
            environment = _environment(variables)
            target = ["participant", "run", f"saga_demo.{name}:{name}", "--health-port", str(port)]
            started[name] = ParticipantProcesses(
                database=database,
                prefix=prefix,
                kafka=self.kafka,
                instances=(self._process(name, target, environment),),
                health=(f"http://127.0.0.1:{port}",),
                environment=environment,
            )
        for one in started.values():
            _until_ready(one.instances[0], f"{one.health[0]}/readyz")
        return started

    def _database(self) -> Database:
        name = f"wire_{uuid.uuid4().hex[:16]}"
        url = self.postgres.create_database(name)
        self.ended.callback(self.postgres.drop_database, name)
        return Database(url)

    def _process(self, name: str, arguments: list[str], environment: Mapping[str, str]) -> ServerProcess:
        process = ServerProcess(name, [str(SAGA), *arguments], log=self.directory / f"{name}.log", stop_signal=signal.SIGTERM)
        process.start(environment=environment)
        self.ended.callback(process.stop, grace_s=STOP_LIMIT_S)
        return process


@contextmanager
def wire_services(kafka: str, postgres: Postgres, directory: Path) -> Iterator[WireServices]:
    with ExitStack() as ended:
        yield WireServices(kafka=kafka, postgres=postgres, directory=directory, ended=ended)


def _prefix() -> str:
    return f"w{uuid.uuid4().hex[:8]}."


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    """Ours without any setting of the system under test."""
    return {name: value for name, value in os.environ.items() if not name.startswith("SAGA_")} | dict(more)


def _until_ready(process: ServerProcess, url: str) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + READY_LIMIT_S
    while time.monotonic() < deadline:
        if not process.running:
            raise process.failure("ended before it was ready")
        try:
            with opener.open(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise process.failure(f"was not ready after {READY_LIMIT_S} s")
