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
import statistics
import time
from dataclasses import dataclass

from dialects import Ours
from load import Load, going_on, percentile, warm
from measuring import cpu_s, rss_mb
from pace import ClosedLoop
from system import Bench, System, running_system

WARM_UP_S = 90.0
"""Once a system: the broker's JVM compiles what is hot during its first minutes, which is not the
work measured."""
AGAIN_WARM_UP_S = 5.0
"""Of each further round on a warm system."""
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


async def measure(system: System, in_flight: int, seconds: float, warm_up_s: float) -> Round:
    load = Load(system.kafka, Ours(system.topic_prefix), ClosedLoop(in_flight))
    async with warm(load, warm_up_s) as running:
        done, began = load.done, time.perf_counter()
        cpu, own, coordinator = system.cpu_s(), system.own_cpu_s(), cpu_s(system.coordinator)
        load.forget()
        await going_on(running, seconds)
        elapsed, sagas = time.perf_counter() - began, load.done - done
        return Round(
            sagas_per_s=sagas / elapsed,
            cpu_ms=(system.cpu_s() - cpu) * 1000 / max(sagas, 1),
            own_cpu_ms=(system.own_cpu_s() - own) * 1000 / max(sagas, 1),
            coordinator_cpu_ms=(cpu_s(system.coordinator) - coordinator) * 1000 / max(sagas, 1),
            coordinator_rss_mb=rss_mb(system.coordinator),
            latencies_ms=sorted(load.latencies_ms),
        )


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
                f"RSS {one.coordinator_rss_mb:.0f} MB, latency ms p50 {percentile(one.latencies_ms, 0.5):.0f} "
                f"p95 {percentile(one.latencies_ms, 0.95):.0f} p99 {percentile(one.latencies_ms, 0.99):.0f}",
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
