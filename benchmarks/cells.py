"""One cell of the benchmark: one system at one number in flight, for some seconds, and what it
cost."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg
from load import Tally, going_on, percentile, warm
from measuring import cpu_s, machine_s, rss_mb
from pace import LoadFailed, Pace

MOST_FOREIGN: Final = 0.1
"""Share of the machine's work that was none of the run's, beyond which a cell is spoilt."""
MOST_STEAL: Final = 0.02
"""Share of the machine's time that another machine took, beyond which a cell is spoilt."""
SERVICES: Final = ("Kafka", "PostgreSQL")
_COUNTS: Final = """
    SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS commits,
        (SELECT sum(fsyncs)::bigint FROM pg_stat_io WHERE object = 'wal') AS fsyncs,
        (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint AS wal_bytes"""


@dataclass(frozen=True)
class Measured:
    """One system, and what is looked at while it works."""

    name: str
    load: Callable[[Pace], Tally]
    groups: Mapping[str, tuple[int, ...]]
    """Root processes by the name of their group, the services that it uses included."""
    kafka_folder: Path
    watcher: asyncpg.Connection[asyncpg.Record]


@dataclass(frozen=True)
class Look:
    """Counts at one moment."""

    at_s: float
    cpu_s: Mapping[str, float]
    own_s: float
    """CPU of the load generator."""
    run_s: float
    """CPU of the generator and of all that it has started: every system of the run."""
    busy_s: float
    steal_s: float
    commits: int
    fsyncs: int
    wal_bytes: int
    kafka_bytes: int


@dataclass(frozen=True)
class Cell:
    system: str
    in_flight: int
    """Of a closed loop; 0 for an open one."""
    offered_per_s: float | None
    """Starts a second of an open loop."""
    sagas: int
    sagas_per_s: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    cpu_ms: Mapping[str, float]
    """A saga's, by group."""
    commits: float
    fsyncs: float
    wal_bytes: float
    kafka_bytes: float
    rss_mb: Mapping[str, float]
    foreign: float
    """Share of the machine's work that was none of this run."""
    standing: float
    """Share of the machine's work that systems did which wait for their turn."""
    steal: float
    """Share of the machine's time."""
    phases: Mapping[str, int]

    @property
    def cpu_ms_in_all(self) -> float:
        return sum(self.cpu_ms.values())

    @property
    def own_rss_mb(self) -> dict[str, float]:
        """Without the services, which all systems of a run share."""
        return {name: megabytes for name, megabytes in self.rss_mb.items() if name not in SERVICES}

    @property
    def spoilt(self) -> bool:
        return self.foreign > MOST_FOREIGN or self.steal > MOST_STEAL


async def look(system: Measured) -> Look:
    counts = await system.watcher.fetchrow(_COUNTS)
    assert counts is not None
    busy_s, steal_s = machine_s()
    return Look(
        at_s=time.perf_counter(),
        cpu_s={name: sum(cpu_s(pid) for pid in pids) for name, pids in system.groups.items()},
        own_s=time.process_time(),
        run_s=cpu_s(os.getpid()),
        busy_s=busy_s,
        steal_s=steal_s,
        commits=counts["commits"],
        fsyncs=counts["fsyncs"],
        wal_bytes=counts["wal_bytes"],
        kafka_bytes=sum(file.stat().st_size for file in system.kafka_folder.rglob("*.log")),
    )


async def measure(system: Measured, pace: Pace, seconds: float, warm_up_s: float) -> Cell:
    """Load the system, and look at it while it is warm.

    Raises:
        LoadFailed: It did not do its work; the message is one line that names it.
    """
    load = system.load(pace)
    try:
        async with warm(load, warm_up_s) as running:
            before, done = await look(system), load.done
            load.forget()
            await going_on(running, seconds)
            sagas, after = load.done - done, await look(system)
    except LoadFailed as failure:
        raise LoadFailed(f"{system.name}, {pace.in_flight} in flight: {failure}") from None
    return cell_of(system, load, sagas, before, after)


def cell_of(system: Measured, load: Tally, sagas: int, before: Look, after: Look) -> Cell:
    each, took_s = max(sagas, 1), after.at_s - before.at_s
    cpu = {name: after.cpu_s[name] - before.cpu_s[name] for name in system.groups}
    busy_s, run_s = max(after.busy_s - before.busy_s, 1e-9), after.run_s - before.run_s
    standing_s = run_s - sum(cpu.values()) - (after.own_s - before.own_s)
    latencies_ms = sorted(load.latencies_ms)
    return Cell(
        system=system.name,
        in_flight=load.pace.in_flight,
        offered_per_s=load.pace.per_s,
        sagas=sagas,
        sagas_per_s=sagas / took_s,
        p50_ms=percentile(latencies_ms, 0.5),
        p95_ms=percentile(latencies_ms, 0.95),
        p99_ms=percentile(latencies_ms, 0.99),
        cpu_ms={name: spent * 1000 / each for name, spent in cpu.items()},
        commits=(after.commits - before.commits) / each,
        fsyncs=(after.fsyncs - before.fsyncs) / each,
        wal_bytes=(after.wal_bytes - before.wal_bytes) / each,
        kafka_bytes=(after.kafka_bytes - before.kafka_bytes) / each,
        rss_mb={name: max(rss_mb(pid) for pid in pids) for name, pids in system.groups.items()},
        foreign=max(0.0, 1 - run_s / busy_s),
        standing=max(0.0, standing_s / busy_s),
        steal=(after.steal_s - before.steal_s) / (took_s * (os.cpu_count() or 1)),
        phases=dict(load.phases),
    )
