"""A cell of the benchmark, for tests of what is made of cells."""

from __future__ import annotations

from typing import Final

from bars import OURS
from cells import Cell

CELL: Final = Cell(
    system=OURS,
    in_flight=64,
    offered_per_s=None,
    sagas=100,
    sagas_per_s=100.0,
    p50_ms=1.0,
    p95_ms=2.0,
    p99_ms=3.0,
    cpu_ms={"coordinator": 1.0, "PostgreSQL": 0.5},
    commits=1.0,
    fsyncs=1.0,
    wal_bytes=1.0,
    kafka_bytes=1.0,
    rss_mb={"coordinator": 100.0, "participants": 60.0},
    foreign=0.0,
    standing=0.02,
    steal=0.0,
    phases={"COMPLETED": 90, "COMPENSATED": 10},
)
