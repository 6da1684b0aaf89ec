"""The `order` saga through a whole system: reserve, charge, ship; one in ten is rejected at ship and compensated.

Real Kafka and PostgreSQL (fsync on), one coordinator and three participants, each a process started by the public command. The load
generator writes to `saga.start` and keeps so many sagas in flight by reading `saga.events`. A saga is done when its final state is stored
and announced. CPU is that of all processes, broker and database included, the load generator apart.

    .venv/bin/python benchmarks/orders.py --in-flight 64 --seconds 20 --rounds 3
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from measuring import cpu_s, rss_mb

import saga_demo
from saga_cli.dev.kafka import KafkaService
from saga_cli.dev.postgres import PostgresService
from saga_cli.dev.process import free_port
from saga_messaging.broker import Outgoing
from saga_messaging.kafka import KafkaBroker
from saga_messaging.settings import KafkaSettings
from saga_schemas.catalog import Catalog
from saga_schemas.codec import encode
from saga_schemas.envelopes import StartHeaders
from saga_schemas.files import read_schemas
from saga_schemas.records import SagaEvent, read_own

PARTICIPANTS = ("inventory", "payment", "shipping")
SAGA = str(Path(sys.executable).parent / "saga")
DEMO = Path(saga_demo.__file__).parent
WARM_UP_S = 30.0
"""The broker's JVM compiles what is hot during the first half minute: that is not the work measured."""
PATIENCE_S = 60.0


@dataclass(frozen=True)
class System:
    """The processes under measure."""

    kafka: str
    server: str
    coordinator: int
    others: tuple[int, ...]

    def cpu_s(self) -> float:
        return cpu_s(self.coordinator) + sum(cpu_s(pid) for pid in self.others)


@dataclass(frozen=True)
class Round:
    sagas_per_s: float
    cpu_ms: float
    coordinator_cpu_ms: float
    coordinator_rss_mb: float
    latencies_ms: list[float]


class Load:
    """Keeps `in_flight` sagas going and counts those that end."""

    def __init__(self, system: System, in_flight: int) -> None:
        self._broker = KafkaBroker(KafkaSettings(bootstrap_servers=system.kafka, client_id="load"))
        self.in_flight = in_flight
        self._schema = Catalog(read_schemas(DEMO / "schemas")).latest("shop.PlaceOrder")
        self._open: dict[str, float] = {}
        self._next = 0
        self._run = secrets.token_hex(4)
        self.done = 0
        self.latencies_ms: list[float] = []
        self.phases: dict[str, int] = {}

    async def run(self, started: asyncio.Event) -> None:
        consumer, producer = self._broker.consumer(group=f"load-{self._run}"), self._broker.producer()
        await self._broker.start()
        await consumer.start()
        await producer.start()
        try:
            await consumer.subscribe(["saga.events"])
            await self._at_the_end(consumer)
            started.set()
            while True:
                await self._top_up(producer)
                for record in await consumer.poll(timeout_s=0.5, max_records=2000):
                    self._heard(read_own(record.value or b"", SagaEvent))
                self._forget_lost()
        finally:
            await consumer.stop()
            await producer.stop()
            await self._broker.stop()

    async def _at_the_end(self, consumer: Any) -> None:
        while not consumer.awaiting_seek():
            await consumer.poll(timeout_s=0.2, max_records=1)
        positions = consumer.awaiting_seek()
        for position, end in (await consumer.end_offsets(positions)).items():
            consumer.seek(position, end)

    async def _top_up(self, producer: Any) -> None:
        starts = [self._start() for _ in range(self.in_flight - len(self._open))]
        if starts:
            errors = [error for error in await producer.send_all(starts, timeout_s=10) if error is not None]
            assert not errors, errors[0]

    def _start(self) -> Outgoing:
        key = f"{self._run}-{self._next}"
        self._next += 1
        self._open[key] = time.perf_counter()
        value = {
            "order_id": key,
            "customer": "c-1",
            "account": f"a-{self._next % 1000}",
            "sku": f"sku-{self._next % 100}",
            "quantity": 1,
            "total": 1250,
            "carrier": None if self._next % 10 == 0 else "ups",
            "address": "1 Main Street",
            "faults": [],
        }
        headers = StartHeaders(
            message_id=key,
            source="/benchmark",
            record="shop.PlaceOrder",
            tenant="default",
            definition="order",
            time_us=time.time_ns() // 1000,
        )
        assert self._schema is not None
        return Outgoing(topic="saga.start", key=key.encode(), value=encode(self._schema, value), headers=headers.encode())

    def _heard(self, event: SagaEvent) -> None:
        if event.event != "finished" or event.business_key is None:
            return
        began = self._open.pop(event.business_key, None)
        if began is not None:
            self.done += 1
            self.latencies_ms.append((time.perf_counter() - began) * 1000)
            self.phases[event.phase] = self.phases.get(event.phase, 0) + 1

    def _forget_lost(self) -> None:
        late = [key for key, began in self._open.items() if time.perf_counter() - began > PATIENCE_S]
        if late:
            raise SystemExit(f"{len(late)} sagas did not end in {PATIENCE_S:.0f} s, first {late[0]}")


async def measure(system: System, in_flight: int, seconds: float) -> Round:
    load = Load(system, in_flight)
    started = asyncio.Event()
    running = asyncio.create_task(load.run(started))
    ready = asyncio.create_task(started.wait())
    await asyncio.wait({running, ready}, return_when=asyncio.FIRST_COMPLETED)
    await _warmed_up(load, running)
    done, cpu, own, began = load.done, system.cpu_s(), cpu_s(system.coordinator), time.perf_counter()
    load.latencies_ms.clear()
    await asyncio.wait({running}, timeout=seconds)
    if running.done():
        running.result()
    elapsed, sagas = time.perf_counter() - began, load.done - done
    result = Round(
        sagas_per_s=sagas / elapsed,
        cpu_ms=(system.cpu_s() - cpu) * 1000 / max(sagas, 1),
        coordinator_cpu_ms=(cpu_s(system.coordinator) - own) * 1000 / max(sagas, 1),
        coordinator_rss_mb=rss_mb(system.coordinator),
        latencies_ms=sorted(load.latencies_ms),
    )
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return result


async def _warmed_up(load: Load, running: asyncio.Task[None]) -> None:
    """Every part has started and worked for a while."""
    began = time.perf_counter()
    while load.done < 2 * load.in_flight or time.perf_counter() - began < WARM_UP_S:
        await asyncio.sleep(0.1)
        if running.done():
            running.result()
        if time.perf_counter() - began > PATIENCE_S:
            raise SystemExit(f"only {load.done} sagas ended in {PATIENCE_S:.0f} s")


@contextmanager
def running_system() -> Iterator[System]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="saga-bench-")))
        kafka, postgres = stack.enter_context(KafkaService()), stack.enter_context(PostgresService())
        port = free_port()
        environ = {name: value for name, value in os.environ.items() if not name.startswith("SAGA_")} | {
            "SAGA_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "SAGA_DATABASE_URL": _database(postgres, "coordinator"),
            "SAGA_TOKEN_KEYS": "1:" + base64.b64encode(secrets.token_bytes(32)).decode(),
            "SAGA_SERVER": f"http://127.0.0.1:{port}",
            "SAGA_LOG_LEVEL": "warning",
            "SAGA_DEMO_LEAN": "1",
        }
        subprocess.run([SAGA, "db", "upgrade"], env=environ, check=True, stdout=subprocess.DEVNULL)
        coordinator = _start(stack, folder, environ, "serve", "--port", str(port))
        _wait_ready(f"http://127.0.0.1:{port}/readyz")
        for command in (("def", "register", str(DEMO / "order.saga.yaml")), ("def", "activate", "order", "1")):
            subprocess.run([SAGA, *command], env=environ, check=True, stdout=subprocess.DEVNULL)
        others = [kafka.pid, postgres.pid]
        for name in PARTICIPANTS:
            own = environ | {f"SAGA_{name.upper()}_DATABASE_URL": _database(postgres, name)}
            others.append(_start(stack, folder, own, "participant", "run", f"saga_demo.{name}:{name}"))
        yield System(kafka=kafka.bootstrap_servers, server=environ["SAGA_SERVER"], coordinator=coordinator, others=tuple(others))


def _database(postgres: PostgresService, name: str) -> str:
    """A new database, by the Unix socket where its path allows."""
    over_tcp = postgres.create_database(name)
    return postgres.socket_url(name) or over_tcp


def _start(stack: ExitStack, folder: Path, environ: dict[str, str], *command: str) -> int:
    log = stack.enter_context((folder / f"{command[-1].replace(':', '_')}.log").open("wb"))
    process = subprocess.Popen([SAGA, *command], env=environ, stdout=log, stderr=subprocess.STDOUT)
    stack.callback(_end, process, Path(log.name))
    return process.pid


def _end(process: subprocess.Popen[bytes], log: Path) -> None:
    if process.poll() is not None:
        print(f"{log.name} ended by itself with {process.returncode}:\n{log.read_text()[-2000:]}", file=sys.stderr)
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()


def _wait_ready(url: str) -> None:
    for _ in range(150):
        try:
            if httpx.get(url, timeout=2).status_code < 500:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    raise SystemExit(f"{url} did not answer in 30 s")


def _percentile(values: list[float], part: float) -> float:
    return values[min(int(len(values) * part), len(values) - 1)] if values else float("nan")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--in-flight", type=int, default=64)
    arguments.add_argument("--seconds", type=float, default=20.0)
    arguments.add_argument("--rounds", type=int, default=3)
    given = arguments.parse_args()
    rounds: list[Round] = []
    with running_system() as system:
        for number in range(given.rounds):
            found = asyncio.run(measure(system, given.in_flight, given.seconds))
            rounds.append(found)
            print(
                f"round {number + 1}: {found.sagas_per_s:.0f} sagas/s, CPU-ms {found.cpu_ms:.2f} in all, "
                f"{found.coordinator_cpu_ms:.2f} coordinator, "
                f"RSS {found.coordinator_rss_mb:.0f} MB, latency ms p50 {_percentile(found.latencies_ms, 0.5):.0f} "
                f"p95 {_percentile(found.latencies_ms, 0.95):.0f} p99 {_percentile(found.latencies_ms, 0.99):.0f}"
            )
    print(
        f"{statistics.median(r.sagas_per_s for r in rounds):.0f} sagas/s  {statistics.median(r.cpu_ms for r in rounds):.2f} CPU-ms"
    )


if __name__ == "__main__":
    main()
