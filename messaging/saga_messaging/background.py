"""What every background loop needs to wait well: growing pauses, and waiting for an event or the
clock, whichever is first."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from saga_messaging.clock import Clock


def backoff(attempt: int, *, first_s: float, cap_s: float, jitter: float) -> float:
    """The pause after a failure: doubling up to a cap, spread by up to a quarter down.

    Args:
        attempt: Which failed attempt it was, from 1.
        first_s: The pause after the first.
        cap_s: The longest pause.
        jitter: From 0 to 1: how much of the quarter is taken off.
    """
    doubled = min(cap_s, first_s * 2.0 ** min(attempt - 1, 30))
    return doubled * (1.0 - 0.25 * jitter)


async def happened(event: asyncio.Event, clock: Clock, timeout_s: float) -> bool:
    """Wait for the event, at most `timeout_s` by this clock; whether it happened."""
    if event.is_set():
        return True
    if timeout_s <= 0:
        await asyncio.sleep(0)
        return event.is_set()
    waits = (asyncio.ensure_future(event.wait()), asyncio.ensure_future(clock.sleep(timeout_s)))
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
    return event.is_set()


async def until(event: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Lets `work` go on until the event, then cancels it and returns once it has ended.

    Raises what `work` raises.
    """
    working, signalled = asyncio.ensure_future(work), asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait((working, signalled), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in (working, signalled):
            each.cancel()
        await asyncio.gather(working, signalled, return_exceptions=True)
    if not working.cancelled():
        working.result()
