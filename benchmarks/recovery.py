"""kill -9 of the coordinator in the middle of much work, and a start at once: until the last of its
sagas has ended."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import Final

from dialects import Ours
from holding import Held
from load import Load, going_on, warm
from pace import ClosedLoop
from system import Bench, System

IN_FLIGHT: Final = 1024
SESSION_TIMEOUT_S: Final = 10.0
"""Kafka gives a dead member's partitions to its successor after so long (`session_timeout_ms`)."""
MARGIN_S: Final = 10.0
PATIENCE_S: Final = 120.0


async def run(bench: Bench, system: System, warm_up_s: float, in_flight: int = IN_FLIGHT) -> list[Held]:
    pace = ClosedLoop(in_flight)
    load = Load(system.kafka, Ours(system.topic_prefix), pace)
    async with warm(load, warm_up_s) as running:
        pace.in_flight = 0  # no more are started
        os.kill(system.coordinator, signal.SIGKILL)
        began, left = time.perf_counter(), load.open
        await asyncio.to_thread(bench.coordinator, system.environ)
        started_s = time.perf_counter() - began
        while load.open and time.perf_counter() - began < PATIENCE_S:
            await going_on(running, 0.05)
        took_s = None if load.open else time.perf_counter() - began
    print(
        f"recovery: {left} in flight; started again after {started_s:.1f} s, all ended after {took_s or PATIENCE_S:.1f} s",
        flush=True,
    )
    return [Held(f"kill -9 at {in_flight} in flight: until all have ended", took_s, SESSION_TIMEOUT_S + MARGIN_S, "s")]
