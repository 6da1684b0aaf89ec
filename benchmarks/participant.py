"""What one command costs a participant: CPU of its process, and of its PostgreSQL, in microseconds
a command.

Real Kafka and PostgreSQL (fsync on), and one participant process started by the public command.
Commands are written straight to its topic, so many in flight, each for a saga of its own; one is
done when its reply was read. Every one is a first one: claim, INSERT, reply.

    .venv/bin/python benchmarks/participant.py --in-flight 20 --rounds 3
        [--saga ../before/.venv/bin/saga --saga .venv/bin/saga]

Several `--saga` are measured in turn, round by round, on the same Kafka and PostgreSQL: that is how
two versions are compared. With `--many` each is measured a second time, with a handler for many
(many_handler.py). The last lines are the medians. `--idle` measures instead what a participant
without any command costs.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

from measuring import cpu_s

import saga_demo
from saga_cli.dev.kafka import KafkaService
from saga_cli.dev.postgres import PostgresService
from saga_messaging.broker import Consumer, Outgoing
from saga_messaging.kafka import KafkaBroker
from saga_messaging.settings import KafkaSettings
from saga_schemas.catalog import Catalog
from saga_schemas.codec import encode
from saga_schemas.files import read_schemas
from saga_schemas.headers import CommandHeaders
from saga_schemas.ids import command_id, saga_key, uuid7
from saga_schemas.outcomes import Kind

SAGA = str(Path(sys.executable).parent / "saga")
OF_ONE, FOR_MANY = "saga_demo.inventory:inventory", "many_handler:inventory"
HOUR_US = 3_600_000_000
WARM_UP_S = 5.0
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Round:
    """Of one participant in one round."""

    commands_per_s: float
    participant_us: float
    postgres_us: float
    kafka_us: float


@dataclass
class Subject:
    """A participant under measure; its commands go by a topic prefix of its own."""

    name: str
    prefix: str
    pid: int
    rounds: list[Round] = field(default_factory=list)


class Load:
    """Keeps `in_flight` commands going and counts the replies."""

    def __init__(self, kafka: str, prefix: str, in_flight: int) -> None:
        self._broker = KafkaBroker(KafkaSettings(bootstrap_servers=kafka, client_id="load"))
        self._commands, self._replies = f"{prefix}saga.cmd.inventory", f"{prefix}saga.reply.inventory"
        self._in_flight = in_flight
        schema = Catalog(read_schemas(Path(saga_demo.__file__).parent / "schemas")).latest("shop.ReserveStock")
        assert schema is not None
        self._record = schema.full_name
        self._value = encode(schema, {"order_id": "o-1", "sku": "sku-1", "quantity": 1, "faults": []})
        self._open: set[bytes] = set()
        self.done = 0

    async def run(self) -> None:
        consumer, producer = self._broker.consumer(group=f"load-{secrets.token_hex(4)}"), self._broker.producer()
        await consumer.start()
        await producer.start()
        try:
            await consumer.subscribe([self._replies])
            await _at_the_end(consumer)
            while True:
                commands = [self._command() for _ in range(self._in_flight - len(self._open))]
                if commands:
                    assert not any(await producer.send_all(commands, timeout_s=10))
                for record in await consumer.poll(timeout_s=0.5, max_records=2000):
                    if record.key in self._open:
                        self._open.remove(record.key)
                        self.done += 1
        finally:
            await consumer.stop()
            await producer.stop()
            await self._broker.stop()

    def _command(self) -> Outgoing:
        now_us = time.time_ns() // 1000
        saga_id = uuid7(now_us, secrets.token_bytes(10))
        headers = CommandHeaders(
            message_id=command_id(saga_id, 1, 1, 0),
            source="/saga-coordinator/benchmark",
            record=self._record,
            time_us=now_us,
            saga_id=saga_id,
            step="reserve",
            kind=Kind.ACTION,
            run=1,
            attempt=1,
            incarnation=1,
            version=1,
            tenant="default",
            definition_hash="0" * 64,
            expiry_us=now_us + HOUR_US,
            token="benchmark",
            causation_id=str(saga_id),
            traceparent=f"00-{saga_id.hex}-{saga_id.hex[16:]}-00",
        )
        key = saga_key(saga_id)
        self._open.add(key)
        return Outgoing(topic=self._commands, key=key, value=self._value, headers=headers.encode())


async def _at_the_end(consumer: Consumer) -> None:
    while not consumer.awaiting_seek():
        await consumer.poll(timeout_s=0.2, max_records=1)
    for position, end in (await consumer.end_offsets(consumer.awaiting_seek())).items():
        consumer.seek(position, end)


@dataclass(frozen=True)
class Bench:
    kafka: KafkaService
    postgres: PostgresService
    subjects: tuple[Subject, ...]

    async def measure(self, subject: Subject, in_flight: int, seconds: float) -> Round:
        load = Load(self.kafka.bootstrap_servers, subject.prefix, in_flight)
        running = asyncio.create_task(load.run())
        began = time.perf_counter()
        while load.done < 2 * in_flight or time.perf_counter() - began < WARM_UP_S:
            await self._waited(running, 0.1)
            assert time.perf_counter() - began < PATIENCE_S, "the participant does not answer"
        began, done, before = time.perf_counter(), load.done, self._cpu(subject)
        await self._waited(running, seconds)
        commands, elapsed = max(load.done - done, 1), time.perf_counter() - began
        spent = [(after - then) / commands * 1e6 for after, then in zip(self._cpu(subject), before, strict=True)]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return Round(commands / elapsed, *spent)

    async def idle(self, subject: Subject, seconds: float) -> float:
        """CPU in thousandths of a core."""
        before = cpu_s(subject.pid)
        await asyncio.sleep(seconds)
        return (cpu_s(subject.pid) - before) / seconds * 1000

    def _cpu(self, subject: Subject) -> tuple[float, float, float]:
        assert self.postgres.pid is not None
        assert self.kafka.pid is not None
        return cpu_s(subject.pid), cpu_s(self.postgres.pid), cpu_s(self.kafka.pid)

    @staticmethod
    async def _waited(running: asyncio.Task[None], seconds: float) -> None:
        await asyncio.wait({running}, timeout=seconds)
        if running.done():
            running.result()


@contextmanager
def bench(sagas: list[str], participants: list[str]) -> Iterator[Bench]:
    with ExitStack() as stack:
        kafka, postgres = stack.enter_context(KafkaService()), stack.enter_context(PostgresService())
        subjects = []
        for number, (saga, participant) in enumerate(product(sagas, participants)):
            over_tcp = postgres.create_database(f"inventory{number}")
            environ = {name: value for name, value in os.environ.items() if not name.startswith("SAGA_")} | {
                "SAGA_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
                "SAGA_TOPIC_PREFIX": f"b{number}.",
                "SAGA_INVENTORY_DATABASE_URL": postgres.socket_url(f"inventory{number}") or over_tcp,
                "SAGA_LOG_LEVEL": "warning",
                "SAGA_DEMO_LEAN": "1",
                "PYTHONPATH": str(Path(__file__).parent),
            }
            process = subprocess.Popen([saga, "participant", "run", participant], env=environ)
            stack.callback(_end, process)
            subjects.append(Subject(name=f"{saga} {participant}", prefix=f"b{number}.", pid=process.pid))
        yield Bench(kafka=kafka, postgres=postgres, subjects=tuple(subjects))


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--saga", action="append", help="the command `saga` of an installation; repeat it to compare")
    parser.add_argument("--in-flight", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--many", action="store_true")
    parser.add_argument("--idle", action="store_true")
    given = parser.parse_args()
    with bench(given.saga or [SAGA], [OF_ONE, FOR_MANY] if given.many else [OF_ONE]) as benched:
        for number in range(given.rounds):
            for subject in benched.subjects:
                if given.idle:
                    asyncio.run(asyncio.sleep(WARM_UP_S))
                    print(
                        f"{subject.name}: idle {asyncio.run(benched.idle(subject, given.seconds)):.1f} thousandths of a core",
                        flush=True,
                    )
                    continue
                subject.rounds.append(found := asyncio.run(benched.measure(subject, given.in_flight, given.seconds)))
                print(f"round {number + 1}: {_line(subject.name, found)}", flush=True)
    for subject in benched.subjects:
        if subject.rounds:
            medians = [statistics.median(values) for values in zip(*(vars(one).values() for one in subject.rounds), strict=True)]
            print(_line(subject.name, Round(*medians)))


def _line(name: str, found: Round) -> str:
    return (
        f"{found.commands_per_s:.0f} commands/s; CPU us a command: participant {found.participant_us:.0f}, "
        f"PostgreSQL {found.postgres_us:.0f} (Kafka {found.kafka_us:.0f})  {name}"
    )


if __name__ == "__main__":
    main()
