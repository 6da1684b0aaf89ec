"""Tasks that are cancelled at each of their moments, while nobody collects garbage."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

MOMENTS = 20


async def cancelled_at_each_moment(
    work: Callable[[asyncio.Event], Coroutine[Any, Any, None]], then: Callable[[], Awaitable[None]]
) -> None:
    """Cancel `work` so many turns of the loop after it has set its event, and do `then`; again and
    again, each time one turn later. What the error's traceback holds is kept all the while."""
    begun = asyncio.Event()
    gc.disable()
    try:
        for turns in range(MOMENTS):
            begun.clear()
            task = asyncio.create_task(work(begun))
            await begun.wait()
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled(), repr(task)
            await then()
    finally:
        gc.enable()
