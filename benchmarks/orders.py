"""The `order` saga through a whole system: reserve, charge, ship; one in ten is rejected at ship
and compensated.

The load generator writes to `saga.start` and keeps so many sagas in flight by reading
`saga.events`. A saga is done when its final state is stored and announced. CPU is that of all
processes, broker and database included, the load generator (and a Jaeger) apart.

    .venv/bin/python benchmarks/orders.py --in-flight 64 --seconds 20 --rounds 3
    .venv/bin/python benchmarks/orders.py --in-flight 64 --tracing 100%             with tracing
    .venv/bin/python benchmarks/orders.py --in-flight 64 --tracing 1% --pairs 5   what tracing costs
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import statistics
import time
from dataclasses import dataclass
from typing import Any

from measuring import cpu_s, rss_mb
from system import DEMO, Bench, System, running_system

from saga_messaging.broker import Outgoing
from saga_messaging.kafka import KafkaBroker
from saga_messaging.settings import KafkaSettings
from saga_schemas.catalog import Catalog
from saga_schemas.codec import encode
from saga_schemas.files import read_schemas
from saga_schemas.headers import StartHeaders
from saga_schemas.records import SagaEvent, read_own
from saga_schemas.topics import Topics

WARM_UP_S = 90.0
"""Once a system: the broker's JVM compiles what is hot during its first minutes, which is not the
work measured."""
AGAIN_WARM_UP_S = 5.0
"""Of each further round on a warm system."""
PATIENCE_S = 60.0
TRACING = {"off": 0.0, "1%": 0.01, "100%": 1.0}


@dataclass(frozen=True)
class Round:
    sagas_per_s: float
    cpu_ms: float
    coordinator_cpu_ms: float
    own_cpu_ms: float
    """Of coordinator and participants."""
    coordinator_rss_mb: float
    latencies_ms: list[float]


class Load:
    """Keeps `in_flight` sagas going and counts those that end."""

    def __init__(self, system: System, in_flight: int) -> None:
        self._broker = KafkaBroker(KafkaSettings(bootstrap_servers=system.kafka, client_id="load"))
        self._topics = Topics(system.topic_prefix)
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
            await consumer.subscribe([self._topics.events])
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
        return Outgoing(topic=self._topics.start, key=key.encode(), value=encode(self._schema, value), headers=headers.encode())

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


async def measure(system: System, in_flight: int, seconds: float, warm_up_s: float) -> Round:
    load = Load(system, in_flight)
    started = asyncio.Event()
    running = asyncio.create_task(load.run(started))
    ready = asyncio.create_task(started.wait())
    await asyncio.wait({running, ready}, return_when=asyncio.FIRST_COMPLETED)
    await _warmed_up(load, running, warm_up_s)
    done, began = load.done, time.perf_counter()
    cpu, own, coordinator = system.cpu_s(), system.own_cpu_s(), cpu_s(system.coordinator)
    load.latencies_ms.clear()
    await asyncio.wait({running}, timeout=seconds)
    if running.done():
        running.result()
    elapsed, sagas = time.perf_counter() - began, load.done - done
    result = Round(
        sagas_per_s=sagas / elapsed,
        cpu_ms=(system.cpu_s() - cpu) * 1000 / max(sagas, 1),
        own_cpu_ms=(system.own_cpu_s() - own) * 1000 / max(sagas, 1),
        coordinator_cpu_ms=(cpu_s(system.coordinator) - coordinator) * 1000 / max(sagas, 1),
        coordinator_rss_mb=rss_mb(system.coordinator),
        latencies_ms=sorted(load.latencies_ms),
    )
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return result


async def _warmed_up(load: Load, running: asyncio.Task[None], warm_up_s: float) -> None:
    """Every part has started and worked for a while."""
    began = time.perf_counter()
    while load.done < 2 * load.in_flight or time.perf_counter() - began < warm_up_s:
        await asyncio.sleep(0.1)
        if running.done():
            running.result()
        if time.perf_counter() - began > warm_up_s + PATIENCE_S:
            raise SystemExit(f"only {load.done} sagas ended in {warm_up_s + PATIENCE_S:.0f} s")


def _percentile(values: list[float], part: float) -> float:
    return values[min(int(len(values) * part), len(values) - 1)] if values else float("nan")


def rounds(given: argparse.Namespace) -> None:
    """So many rounds on one system; the median closes."""
    found: list[Round] = []
    with running_system(TRACING[given.tracing]) as system:
        for number in range(given.rounds):
            warm_up_s = AGAIN_WARM_UP_S if number else WARM_UP_S
            one = asyncio.run(measure(system, given.in_flight, given.seconds, warm_up_s))
            found.append(one)
            print(
                f"round {number + 1}: {one.sagas_per_s:.0f} sagas/s, CPU-ms {one.cpu_ms:.2f} in all, "
                f"{one.coordinator_cpu_ms:.2f} coordinator, "
                f"RSS {one.coordinator_rss_mb:.0f} MB, latency ms p50 {_percentile(one.latencies_ms, 0.5):.0f} "
                f"p95 {_percentile(one.latencies_ms, 0.95):.0f} p99 {_percentile(one.latencies_ms, 0.99):.0f}",
                flush=True,
            )
    print(
        f"{statistics.median(r.sagas_per_s for r in found):.0f} sagas/s  {statistics.median(r.cpu_ms for r in found):.2f} CPU-ms"
    )


def pairs(given: argparse.Namespace) -> None:
    """Two systems on the same services, one traced and one not, loaded in turn; the median of the
    ratios closes."""
    ratios: list[float] = []
    with Bench() as bench:
        off, on = bench.system(0.0, name="off"), bench.system(TRACING[given.tracing], name="on")
        for system in (off, on):  # everything is warm, the broker above all
            asyncio.run(measure(system, given.in_flight, 1.0, WARM_UP_S / 4))
        for number in range(given.pairs):
            turn = (off, on) if number % 2 == 0 else (on, off)
            cost = {id(each): asyncio.run(measure(each, given.in_flight, given.seconds, AGAIN_WARM_UP_S)) for each in turn}
            without, traced = cost[id(off)].own_cpu_ms, cost[id(on)].own_cpu_ms
            ratios.append(traced / without)
            print(
                f"pair {number + 1}: coordinator and participants {without:.2f} CPU-ms a saga untraced, {traced:.2f} traced: "
                f"{100 * (traced / without - 1):+.1f} %",
                flush=True,
            )
    print(f"tracing {given.tracing} costs {100 * (statistics.median(ratios) - 1):+.1f} % of CPU, median of {given.pairs} pairs")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--in-flight", type=int, default=64)
    arguments.add_argument("--seconds", type=float, default=20.0)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--tracing", choices=TRACING, default="off", help="share of the sagas that are traced")
    arguments.add_argument("--pairs", type=int, default=0, help="compare --tracing with none, in so many pairs")
    given = arguments.parse_args()
    if given.pairs and given.tracing == "off":
        arguments.error("--pairs compares tracing with none: give --tracing 1% or 100% as well")
    pairs(given) if given.pairs else rounds(given)


if __name__ == "__main__":
    main()
