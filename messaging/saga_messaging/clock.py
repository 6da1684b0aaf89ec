"""The clock port: how loops wait and how long things took. Decisions about sagas never use it (they
use the database's clock)."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Time for loops."""

    def monotonic_s(self) -> float:
        """Seconds of a clock that also runs while the machine is suspended."""
        ...

    def unix_us(self) -> int:
        """Wall time in microseconds since 1970, for `ce_time` and ids only."""
        ...

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's clock."""

    def monotonic_s(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()

    def unix_us(self) -> int:
        return time.time_ns() // 1000

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
