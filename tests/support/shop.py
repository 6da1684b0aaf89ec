"""The demo's shop as a fleet of processes on a real Kafka and PostgreSQL: coordinators, and
instances of each participant.

Everything is started by the public commands; the definition is registered by them as well. Each
participant has its own database.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
import subprocess
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import saga_demo
from saga_cli.dev.process import free_port
from support.processes import SAGA, SagaProcess, clean_environ, ended_by_themselves

PARTICIPANTS = ("inventory", "payment", "shipping")
DEMO = Path(saga_demo.__file__).parent
COMMAND_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """The running fleet."""

    coordinators: tuple[SagaProcess, ...]
    participants: tuple[SagaProcess, ...]
    servers: tuple[str, ...]
    """HTTP address of each coordinator."""
    database: str
    """The coordinators' store."""
    ledgers: Mapping[str, str]
    """Database of each participant, by name."""
    kafka: str
    topic_prefix: str
    environ: Mapping[str, str]

    @property
    def processes(self) -> tuple[SagaProcess, ...]:
        return self.coordinators + self.participants

    def instances(self, participant: str) -> tuple[SagaProcess, ...]:
        return tuple(process for process in self.participants if process.name.startswith(participant))

    async def command(self, *arguments: str) -> str:
        """Run `saga …` to its end; what it printed."""
        return await asyncio.to_thread(_run, arguments, self.environ)

    async def register(self, definition: Path = DEMO / "order.saga.yaml", *, name: str = "order") -> None:
        await self.command("def", "register", str(definition), "--schemas", str(DEMO / "schemas"))
        await self.command("def", "activate", name, "1")

    async def start(self, *processes: SagaProcess) -> None:
        """Start these (all by default) and wait until each is ready."""
        chosen = processes or self.processes
        for process in chosen:
            await process.start()
        await asyncio.gather(*(process.ready() for process in chosen))

    async def kill(self, *processes: SagaProcess) -> None:
        """`kill -9` of these (all by default)."""
        await asyncio.gather(*(process.kill() for process in processes or self.processes))

    def assert_alive(self) -> None:
        assert not (dead := ended_by_themselves(self.processes)), dead

    def tails(self) -> str:
        return "\n".join(process.tail() for process in self.processes)


@asynccontextmanager
async def opened(
    folder: Path,
    *,
    kafka: str,
    new_database: Callable[[str], str],
    coordinators: int = 2,
    instances: int | Mapping[str, int] = 2,
    topic_prefix: str = "",
    settings: Mapping[str, str] | None = None,
    payment: Path | None = None,
) -> AsyncIterator[Shop]:
    """A shop whose processes are made but not started; all end with the block.

    `new_database` makes one by name and gives its URL. `instances` may differ by participant.
    `payment` is a program that takes the place of the demo's payment.
    """
    databases = {name: new_database(name) for name in ("coordinator", *PARTICIPANTS)}
    ports = [free_port() for _ in range(coordinators)]
    environ = clean_environ() | {
        "SAGA_KAFKA_BOOTSTRAP_SERVERS": kafka,
        "SAGA_TOPIC_PREFIX": topic_prefix,
        "SAGA_DATABASE_URL": databases["coordinator"],
        "SAGA_TOKEN_KEYS": "1:" + base64.b64encode(secrets.token_bytes(32)).decode(),
        "SAGA_SERVER": f"http://127.0.0.1:{ports[0]}",
        **{f"SAGA_{name.upper()}_DATABASE_URL": databases[name] for name in PARTICIPANTS},
        **(settings or {}),
    }
    await asyncio.to_thread(_run, ("db", "upgrade"), environ)
    shop = Shop(
        coordinators=tuple(_coordinator(number, port, environ, folder) for number, port in enumerate(ports, 1)),
        participants=tuple(
            _participant(name, number, environ, folder, payment if name == "payment" else None)
            for name in PARTICIPANTS
            for number in range(1, (instances if isinstance(instances, int) else instances[name]) + 1)
        ),
        servers=tuple(f"http://127.0.0.1:{port}" for port in ports),
        database=databases["coordinator"],
        ledgers={name: databases[name] for name in PARTICIPANTS},
        kafka=kafka,
        topic_prefix=topic_prefix,
        environ=environ,
    )
    try:
        yield shop
    except BaseException:
        print(shop.tails())
        raise
    finally:
        await asyncio.gather(*(process.stop() for process in shop.processes if process.running), return_exceptions=True)


def _coordinator(number: int, port: int, environ: Mapping[str, str], folder: Path) -> SagaProcess:
    ready = f"http://127.0.0.1:{port}/readyz"
    return SagaProcess(f"coordinator-{number}", "serve", "--port", str(port), environ=environ, folder=folder, ready_url=ready)


def _participant(name: str, number: int, environ: Mapping[str, str], folder: Path, program: Path | None) -> SagaProcess:
    port = free_port()
    ready = f"http://127.0.0.1:{port}/readyz"
    if program is not None:
        own = {**environ, "PAYMENT_HEALTH_PORT": str(port)}
        return SagaProcess(f"{name}-{number}", environ=own, folder=folder, ready_url=ready, program=str(program))
    command = ("participant", "run", f"saga_demo.{name}:{name}", "--health-port", str(port))
    return SagaProcess(f"{name}-{number}", *command, environ=environ, folder=folder, ready_url=ready)


def _run(arguments: tuple[str, ...], environ: Mapping[str, str]) -> str:
    done = subprocess.run(
        [SAGA, *arguments], env=dict(environ), capture_output=True, text=True, timeout=COMMAND_LIMIT_S, check=False
    )
    assert done.returncode == 0, f"saga {' '.join(arguments)} ended {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout
