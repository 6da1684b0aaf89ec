"""A handler that blocks the loop is noticed."""

from __future__ import annotations

import asyncio

import pytest

from saga_participant.telemetry.metrics import Metrics
from saga_participant.telemetry.pulse import BEAT_S, watch_pulse


class SlowClock:
    """Every sleep takes as long as it is told."""

    def __init__(self, takes_s: list[float]) -> None:
        self._takes_s = takes_s
        self._now_s = 0.0
        self.done = asyncio.Event()

    def monotonic_s(self) -> float:
        return self._now_s

    def unix_us(self) -> int:
        return 0

    async def sleep(self, seconds: float) -> None:
        if not self._takes_s:
            self.done.set()
            await asyncio.Event().wait()
        self._now_s += self._takes_s.pop(0)


async def test_only_a_loop_that_stood_still_is_told(caplog: pytest.LogCaptureFixture) -> None:
    clock, metrics = SlowClock([BEAT_S, BEAT_S + 0.2, BEAT_S + 7.0]), Metrics("till")
    watching = asyncio.ensure_future(watch_pulse(clock, metrics))
    await clock.done.wait()
    watching.cancel()
    assert metrics.blocked_seconds == pytest.approx(7.0)
    assert [record.getMessage()[:40] for record in caplog.records] == ["till: the event loop stood still for 7.0 "[:40]]
