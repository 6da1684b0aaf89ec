"""What schedules cost: 10,000 at rest, and a tick beside a start over Kafka and over HTTP.

Real Kafka and PostgreSQL with fsync. Each bar is printed with its figure, met or not; it exits 0
only if all are met.

    make bench-schedules                                       some minutes
    .venv/bin/python benchmarks/schedules.py --only rest       a part
    .venv/bin/python benchmarks/schedules.py --short           a trial with smaller numbers
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import asyncpg
from bench import line
from cells import Cell, Measured, measure
from contenders import on_kafka
from dialects import Ours, OursByHttp, order
from holding import Held, ratio, report
from idle import SETTLE_S
from load import Load
from measuring import cpu_s
from pace import ASK_S, OpenLoop, Pace
from system import Bench, System

from saga_coordinator.schedules.acts import begun_row
from saga_coordinator.schedules.builder import Allow, Schedule
from saga_coordinator.schedules.document import ScheduleDocument
from saga_coordinator.schedules.program import program_of
from saga_coordinator.store.open import open_store
from saga_coordinator.store.schedule_records import ScheduleVersionRow
from saga_messaging.broker import Record

PARTS: Final = ("rest", "ticks")
AT_ONCE: Final = 1_000
"""Schedules of one transaction."""
MOST: Final = 20_000
SECOND_US: Final = 1_000_000
REST: Final = 2.0
"""Per cent of a core that schedules at rest may add."""
AS_KAFKA, AS_HTTP = 1.25, 1.0
TICK, KAFKA, HTTP = "tick", "start over Kafka", "start over HTTP"


@dataclass(frozen=True)
class Plan:
    """How many, how fast, how long."""

    at_rest: int
    rest_s: float
    per_s: int
    """Ticks and starts; each schedule ticks once a second."""
    seconds: float
    warm_up_s: float
    rounds: int


FULL: Final = Plan(at_rest=10_000, rest_s=60, per_s=50, seconds=15, warm_up_s=5, rounds=3)
SHORT: Final = Plan(at_rest=10_000, rest_s=20, per_s=30, seconds=8, warm_up_s=4, rounds=1)


async def add(url: str, schedules: Sequence[ScheduleDocument]) -> None:
    """Create them, as `saga schedule create` does."""
    store = open_store(url)
    await store.start()
    try:
        for first in range(0, len(schedules), AT_ONCE):
            async with store.transaction() as tx:
                for each in schedules[first : first + AT_ONCE]:
                    row = begun_row("default", program_of(each, {}), tx.now_us)
                    assert await tx.add_schedule(row, MOST), f"there is a schedule {row.name} already"
                    version = ScheduleVersionRow(
                        schedule_id=row.id, version=1, document=row.document, who="bench", why="bench", at_us=tx.now_us
                    )
                    await tx.add_schedule_version(version)
    finally:
        await store.stop()


# --- at rest --------------------------------------------------------------------------------------


async def rest(bench: Bench, plan: Plan) -> list[Held]:
    """Two coordinators that have nothing to do, side by side: one has schedules."""
    without, beside = bench.system(name="without"), bench.system(name="beside")
    next_year = datetime.now(UTC).year + 1
    start = f"{next_year}-01-01T00:00:00Z"
    one = Schedule("rest", definition="order", cron="30 2 1 1 *", start=start, input=_order(0)).document(
        None, {}, time.time_ns() // 1000
    )
    yearly = [one.model_copy(update={"schedule": f"rest-{number:05}"}) for number in range(plan.at_rest)]
    began_s = time.perf_counter()
    await add(beside.environ["SAGA_DATABASE_URL"], yearly)
    print(f"{plan.at_rest} schedules made in {time.perf_counter() - began_s:.0f} s", flush=True)
    await asyncio.sleep(SETTLE_S)
    before = _spent(without, beside)
    await asyncio.sleep(plan.rest_s)
    alone, with_them = (100 * (after - then) / plan.rest_s for after, then in zip(_spent(without, beside), before, strict=True))
    print(f"an idle coordinator: {alone:.2f} % of a core without schedules, {with_them:.2f} % with {plan.at_rest}", flush=True)
    return [Held(f"{plan.at_rest} schedules at rest: a coordinator more", with_them - alone, REST, "% of a core")]


def _spent(*systems: System) -> list[float]:
    return [cpu_s(system.coordinator) for system in systems]


# --- ticks ----------------------------------------------------------------------------------------


class Scheduled:
    """A pace that asks for nothing: schedules start the sagas."""

    in_flight = 0
    at_most = None

    def __init__(self, per_s: float) -> None:
        self.per_s = per_s

    def due(self, unfinished: int) -> list[float]:
        return []

    def wait_s(self) -> float:
        return ASK_S


class Ticks(Load):
    """Sagas that schedules start: their keys say when they were due."""

    def _heard(self, record: Record) -> None:
        ended = self._dialect.ended(record)
        if ended is None or "@" not in ended[0]:
            return
        late_s = time.time() - datetime.fromisoformat(ended[0].partition("@")[2]).timestamp()
        self.ended(time.perf_counter() - late_s, ended[1])


def _order(number: int) -> dict[str, Any]:
    return order("", number) | {"order_id": "${schedule.name + '@' + schedule.tick}"}


async def ticks(bench: Bench, watcher: asyncpg.Connection[asyncpg.Record], plan: Plan) -> tuple[list[Held], list[Cell]]:
    """The same sagas, as many a second, by each of three ways in turn."""
    system = bench.system()
    groups = {"coordinator": (system.coordinator,), "participants": system.participants} | bench.services
    by_kafka = on_kafka(bench, KAFKA, Ours(system.topic_prefix), groups, watcher)
    by_http = on_kafka(bench, HTTP, OursByHttp(system.topic_prefix, system.server), groups, watcher)
    events = Ours(system.topic_prefix)
    by_ticks = Measured(TICK, lambda pace: Ticks(system.kafka, events, pace), groups, bench.kafka.directory, watcher)
    cells: list[Cell] = []
    for turn in range(plan.rounds):
        for each in (by_kafka, by_http, by_ticks):
            pace: Pace = OpenLoop(plan.per_s, seed=turn + 1)
            if each is by_ticks:
                pace = Scheduled(plan.per_s)
                await add(system.environ["SAGA_DATABASE_URL"], _each_second(turn, plan))
            cells.append(await measure(each, pace, plan.seconds, plan.warm_up_s))
            print(line(cells[-1]), flush=True)
            await asyncio.sleep(ASK_S * 4)
    return _bars(cells), cells


def _each_second(turn: int, plan: Plan) -> list[ScheduleDocument]:
    """They end with the load. One in ten is rejected at ship, as of the others."""
    lasts_s = plan.warm_up_s + plan.seconds + 2
    end = datetime.fromtimestamp(int(time.time() + lasts_s), UTC)
    return [
        Schedule(
            f"tick-{turn}-{number:03}", definition="order", every="1s", end=end, overlap=Allow(100), input=_order(number)
        ).document(None, {}, time.time_ns() // 1000)
        for number in range(plan.per_s)
    ]


def _bars(cells: Sequence[Cell]) -> list[Held]:
    def cost(way: str, of: str) -> float:
        """Milliseconds of CPU a saga; the median of the rounds."""
        figures = [cell.cpu_ms_in_all if of == "all" else cell.cpu_ms[of] for cell in cells if cell.system == way]
        return statistics.median(figures)

    for way in (KAFKA, HTTP, TICK):
        print(f"{way:18} {cost(way, 'coordinator'):.2f} ms a saga of the coordinator, {cost(way, 'all'):.2f} ms of all")
    return [
        ratio(f"CPU of a {TICK}'s saga, all processes, to a {way}", cost(TICK, "all"), cost(way, "all"), at_most)
        for way, at_most in ((KAFKA, AS_KAFKA), (HTTP, AS_HTTP))
    ]


# --- the run --------------------------------------------------------------------------------------


@asynccontextmanager
async def _services() -> AsyncIterator[tuple[Bench, asyncpg.Connection[asyncpg.Record]]]:
    with Bench() as bench:
        watcher = await asyncpg.connect(bench.postgres.url.replace("+asyncpg", ""))
        try:
            yield bench, watcher
        finally:
            await watcher.close()


async def run(parts: Sequence[str], plan: Plan) -> tuple[list[Held], Mapping[str, Any]]:
    """Each part has services of its own."""
    bars: list[Held] = []
    figures: dict[str, Any] = {}
    if "rest" in parts:
        async with _services() as (bench, _):
            bars += await rest(bench, plan)
    if "ticks" in parts:
        async with _services() as (bench, watcher):
            held, cells = await ticks(bench, watcher, plan)
        bars += held
        figures["ticks"] = [{"system": cell.system, "sagas": cell.sagas, "cpu_ms": dict(cell.cpu_ms)} for cell in cells]
    return bars, figures


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--only", choices=PARTS, help="one part")
    arguments.add_argument("--short", action="store_true", help="smaller numbers, to try it")
    arguments.add_argument("--json", type=Path, metavar="FILE", help="write every figure there, too")
    given = arguments.parse_args()
    parts = PARTS if given.only is None else (given.only,)
    bars, figures = asyncio.run(run(parts, SHORT if given.short else FULL))
    if given.json:
        given.json.write_text(json.dumps({"bars": [one.as_json() for one in bars], **figures}, indent=1) + "\n")
    sys.exit(0 if report(bars) else 1)


if __name__ == "__main__":
    main()
