"""A clock that a test moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from saga_messaging.background import end


class HandClock:
    """Time that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now_s = 1_000.0
        self._sleepers: list[tuple[float, asyncio.Event]] = []

    def monotonic_s(self) -> float:
        return self.now_s

    def unix_us(self) -> int:
        return int(self.now_s * 1e6)

    async def sleep(self, seconds: float) -> None:
        awake = asyncio.Event()
        self._sleepers.append((self.now_s + seconds, awake))
        await awake.wait()

    async def move(self, seconds: float) -> None:
        self.now_s += seconds
        for due_s, awake in self._sleepers:
            if due_s <= self.now_s:
                awake.set()
        self._sleepers = [(due_s, awake) for due_s, awake in self._sleepers if not awake.is_set()]
        await settle()


async def settle() -> None:
    """Let everything run that can run without time going on."""
    for _ in range(50):
        await asyncio.sleep(0)


@asynccontextmanager
async def going(loop: Coroutine[Any, Any, None], clock: HandClock) -> AsyncIterator[None]:
    """A loop, until the block ends; at its beginning it has come to its first wait."""
    task = asyncio.create_task(loop)
    try:
        await clock.move(0)
        yield
    finally:
        await end([task])
