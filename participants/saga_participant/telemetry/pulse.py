"""Notices a handler that blocks the event loop: everything in this process stands still meanwhile,
heartbeats to Kafka included.

It cannot be interrupted, not even by the handlers' time limit; so it is told, loudly, how long it
was and what to do.
"""

from __future__ import annotations

import logging
from typing import Final

from saga_messaging.clock import Clock
from saga_participant.telemetry.metrics import Metrics

BEAT_S: Final = 0.5
TOLERATED_S: Final = 1.0

_LOG: Final = logging.getLogger("saga_participant")


async def watch_pulse(clock: Clock, metrics: Metrics) -> None:
    """Until cancelled."""
    while True:
        before = clock.monotonic_s()
        await clock.sleep(BEAT_S)
        late = clock.monotonic_s() - before - BEAT_S
        if late > TOLERATED_S:
            metrics.blocked_seconds += late
            _LOG.warning(
                "%s: the event loop stood still for %.1f s: a handler blocks it (time.sleep, requests, long computing); "
                "await an asynchronous call, or use asyncio.to_thread",
                metrics.participant,
                late,
            )
