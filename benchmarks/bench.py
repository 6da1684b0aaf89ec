"""The coordinator beside the floor, and beside its peers if they are wanted: an order of three
steps, one in ten rejected at the last and compensated, on a real Kafka and a real PostgreSQL with
fsync.

Closed loops at 1, 16, 64, 256 and 1,024 sagas in flight, in rounds: in each the systems take turns
at every number in flight. A round ends with open loops at 60 % of the most that each system reached
in it. A cell that other processes or machines spoilt is measured again. CPU is that of all
processes, broker and database included, the load generator apart.

    make bench          twenty minutes; exits 0 if every bar is met
    make bench-peers    the same with DTM and Restate beside it; half an hour
    make bench-short    two minutes, for CI; exits 0 if nothing is far off
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path

import asyncpg
from bars import BARS, LIMITS, judged
from cells import Cell, measure
from contenders import contenders
from machine import machine
from pace import ClosedLoop, LoadFailed, Pace
from plan import FULL, PEERS_TOO, SHORT, Plan
from results import Results
from rounds import Rounds
from system import Bench


async def run(plan: Plan) -> Results:
    with Bench() as bench:
        watcher = await asyncpg.connect(bench.postgres.url.replace("+asyncpg", ""))
        try:
            systems = await contenders(bench, [row.system for row in plan.rows], watcher)
            for number, system in enumerate(systems.values()):
                warm_up_s = plan.further_warm_up_s if number else plan.warm_up_s
                print(f"warming up: {system.name}", flush=True)
                await measure(system, ClosedLoop(plan.warm_in_flight), 1.0, warm_up_s)

            async def measured(name: str, pace: Pace) -> Cell:
                cell = await measure(systems[name], pace, plan.seconds, plan.again_warm_up_s)
                print(line(cell), flush=True)
                return cell

            rounds = await Rounds(plan, measured).all()
            return Results(
                at=time.strftime("%Y-%m-%d", time.gmtime()), machine=machine(bench), seconds=plan.seconds, rounds=rounds
            )
        finally:
            await watcher.close()


def line(cell: Cell) -> str:
    groups = " ".join(f"{name} {spent:.2f}" for name, spent in cell.cpu_ms.items())
    memory = " ".join(f"{name} {megabytes:.0f}" for name, megabytes in cell.own_rss_mb.items())
    spoilt = f"   spoilt: foreign {cell.foreign:.0%}, steal {cell.steal:.0%}" if cell.spoilt else ""
    pace = f"{cell.offered_per_s:.0f}/s" if cell.offered_per_s else f"{cell.in_flight}"
    return (
        f"{cell.system:19} {pace:>6}  {cell.sagas_per_s:7.1f}/s  p50 {cell.p50_ms:7.1f}  p95 {cell.p95_ms:7.1f}  "
        f"p99 {cell.p99_ms:7.1f} ms   CPU {cell.cpu_ms_in_all:6.2f} ms ({groups})   commits {cell.commits:5.2f}  "
        f"fsyncs {cell.fsyncs:5.2f}  WAL {cell.wal_bytes:6.0f}  Kafka {cell.kafka_bytes:6.0f} bytes   RSS {memory} MB{spoilt}"
    )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--peers", action="store_true", help="DTM and Restate as well")
    arguments.add_argument("--short", action="store_true", help="fewer cells, one round, generous limits in place of the bars")
    arguments.add_argument("--seconds", type=float, help="of each cell")
    arguments.add_argument("--system", action="append", help="only this one, by its name in the table; repeat it for more")
    arguments.add_argument("--level", type=int, action="append", help="only so many in flight; repeat it for more")
    arguments.add_argument("--rounds", type=int)
    arguments.add_argument("--again", type=int, help="how often a spoilt cell is measured again")
    arguments.add_argument("--json", type=Path, metavar="FILE", help="keep every cell there")
    given = arguments.parse_args()
    plan = PEERS_TOO if given.peers else SHORT if given.short else FULL
    plan = plan.narrowed(systems=given.system, levels=given.level, seconds=given.seconds, rounds=given.rounds, again=given.again)
    print(f"{plan.minutes:.0f} minutes at most, where nothing else is at work", flush=True)
    try:
        results = asyncio.run(run(plan))
    except LoadFailed as failure:
        sys.exit(str(failure))
    if given.json:
        given.json.write_text(results.as_text())
    found = judged([each.closed for each in results.rounds], LIMITS if given.short else BARS)
    print("\n".join(one.line() for one in found))
    sys.exit(0 if all(one.met for one in found if given.peers or not one.bar.of_peers) else 1)


if __name__ == "__main__":
    main()
