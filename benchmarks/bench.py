"""The coordinator beside the floor: an order of three steps, one in ten rejected at the last and
compensated, on a real Kafka and a real PostgreSQL with fsync.

Closed loops at 1, 16, 64, 256 and 1,024 sagas in flight, in rounds: in each the systems take turns
at every number in flight. A cell that other processes or machines spoilt is measured again. CPU is
that of all processes, broker and database included, the load generator apart.

    make bench                                      twenty minutes; exits 0 if every bar is met
    .venv/bin/python benchmarks/bench.py --short    two minutes
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg
from bars import BARS, FLOOR, LEAN, OURS, judged
from cells import Cell, Measured, measure
from dialects import Floor, Ours
from floor import COORDINATOR_TABLES, PARTICIPANT_TABLES
from floor_messages import PARTITIONS
from system import Bench, System

from saga_messaging.kafka import KafkaBroker
from saga_messaging.settings import KafkaSettings

LEVELS: Final = (1, 16, 64, 256, 1024)
WARM_IN_FLIGHT: Final = 256
AGAIN: Final = 2
"""How often a spoilt cell is measured again."""


@dataclass(frozen=True)
class Plan:
    levels: Sequence[int]
    rounds: int
    seconds: float
    warm_up_s: float
    """Of each system, once: the broker's JVM compiles what is hot during its first minutes."""
    again_warm_up_s: float = 3.0

    def cells(self, turn: int) -> Iterator[tuple[str, int]]:
        """In the order of this round: who comes first changes."""
        for in_flight in self.levels:
            systems = (OURS, LEAN if in_flight == 1 else FLOOR)
            for name in systems if turn % 2 == 0 else systems[::-1]:
                yield name, in_flight


FULL: Final = Plan(levels=LEVELS, rounds=3, seconds=15, warm_up_s=60)
SHORT: Final = Plan(levels=(1, 64), rounds=1, seconds=8, warm_up_s=12)


async def run(plan: Plan) -> list[dict[tuple[str, int], Cell]]:
    with Bench() as bench:
        watcher = await asyncpg.connect(bench.postgres.url.replace("+asyncpg", ""))
        try:
            systems = {
                OURS: _ours(bench, bench.system(), watcher),
                FLOOR: await _floor(bench, watcher, lean=False),
                LEAN: await _floor(bench, watcher, lean=True),
            }
            for system in systems.values():
                await measure(system, WARM_IN_FLIGHT, 1.0, plan.warm_up_s)
            found: list[dict[tuple[str, int], Cell]] = []
            for turn in range(plan.rounds):
                found.append({})
                for name, in_flight in plan.cells(turn):
                    found[-1][name, in_flight] = await _unspoilt(systems[name], in_flight, plan)
            return found
        finally:
            await watcher.close()


async def _unspoilt(system: Measured, in_flight: int, plan: Plan) -> Cell:
    for left in range(AGAIN, -1, -1):
        cell = await measure(system, in_flight, plan.seconds, plan.again_warm_up_s)
        print(line(cell), flush=True)
        if not cell.spoilt or not left:
            break
    return cell


def line(cell: Cell) -> str:
    groups = " ".join(f"{name} {spent:.2f}" for name, spent in cell.cpu_ms.items())
    spoilt = f"   spoilt: foreign {cell.foreign:.0%}, steal {cell.steal:.0%}" if cell.spoilt else ""
    return (
        f"{cell.system:17} {cell.in_flight:5}  {cell.sagas_per_s:7.1f}/s  p50 {cell.p50_ms:7.1f}  p95 {cell.p95_ms:7.1f}  "
        f"p99 {cell.p99_ms:7.1f} ms   CPU {cell.cpu_ms_in_all:6.2f} ms ({groups})   commits {cell.commits:5.2f}  "
        f"fsyncs {cell.fsyncs:5.2f}  WAL {cell.wal_bytes:6.0f}  Kafka {cell.kafka_bytes:6.0f} bytes{spoilt}"
    )


def _ours(bench: Bench, system: System, watcher: Any) -> Measured:
    groups = {"coordinator": (system.coordinator,), "participants": system.participants} | bench.services
    return Measured(OURS, Ours(system.topic_prefix), groups, system.kafka, bench.kafka.directory, watcher)


async def _floor(bench: Bench, watcher: Any, *, lean: bool) -> Measured:
    prefix = "lean." if lean else "floor."
    databases = {role: bench.plain_database(prefix.rstrip(".") + role) for role in ("coordinator", "participants")}
    for role, tables in (("coordinator", COORDINATOR_TABLES), ("participants", PARTICIPANT_TABLES)):
        connection = await asyncpg.connect(databases[role])
        await connection.execute(tables)
        await connection.close()
    kafka = bench.kafka.bootstrap_servers
    broker = KafkaBroker(KafkaSettings(bootstrap_servers=kafka, partitions=PARTITIONS))
    await broker.ensure_topics([f"{prefix}{name}" for name in ("starts", "commands", "replies", "events")])
    await broker.stop()
    script = str(Path(__file__).with_name("floor.py"))
    groups = {}
    for role, database in databases.items():
        command = [sys.executable, script, role, "--kafka", kafka, "--database", database, "--prefix", prefix]
        groups[role] = (bench.start(*command, *(["--lean"] if lean else [])),)
    return Measured(LEAN if lean else FLOOR, Floor(prefix), groups | bench.services, kafka, bench.kafka.directory, watcher)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--short", action="store_true", help="fewer cells, one round")
    arguments.add_argument("--json", type=Path, metavar="FILE", help="write every cell there, too")
    given = arguments.parse_args()
    plan = SHORT if given.short else FULL
    rounds = asyncio.run(run(plan))
    found = judged(rounds, [bar for bar in BARS if bar.in_flight in plan.levels])
    if given.json:
        cells = [cell.as_json() for cells in rounds for cell in cells.values()]
        given.json.write_text(json.dumps({"cells": cells, "bars": [one.line() for one in found]}, indent=1) + "\n")
    print("\n".join(one.line() for one in found))
    sys.exit(0 if all(one.met for one in found) else 1)


if __name__ == "__main__":
    main()
