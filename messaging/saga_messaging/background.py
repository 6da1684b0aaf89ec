"""What every background loop needs to wait well, and to let others go on: growing pauses, waiting
for an event or the clock, whichever is first, work in small portions, and the end of tasks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Coroutine, Iterable
from typing import Any, Final, TypeVar

from saga_messaging.clock import Clock

CANCEL_AGAIN_S: Final = 30.0
"""Longer than a client of the broker takes to close, or a handler to end, so that neither is cut
off."""
_log = logging.getLogger(__name__)

Item = TypeVar("Item")


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


async def in_portions(items: Iterable[Item], portion: int) -> AsyncIterator[Item]:
    """The items; after each portion of so many the other tasks of the process go first."""
    for place, item in enumerate(items):
        if place and place % portion == 0:
            await asyncio.sleep(0)
        yield item


async def until(event: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Lets `work` go on until the event, then cancels it and returns once it has ended.

    Raises what `work` raises.
    """
    working, signalled = asyncio.ensure_future(work), asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait((working, signalled), return_when=asyncio.FIRST_COMPLETED)
    finally:
        await end((working, signalled))
    _raise_failure_of(working)


async def end(tasks: Collection[asyncio.Future[Any]], again_s: float = CANCEL_AGAIN_S) -> None:
    """Cancels tasks, and returns once all have ended, well or badly. Raises none of their failures.

    A library below a task may swallow a cancellation: aiokafka does so while it gives partitions
    back. A task that goes on for `again_s` seconds is cancelled again, and that is logged.
    """
    going = list(tasks)
    for task in going:
        task.cancel()
    while going:
        ended, left = await asyncio.wait(going, timeout=again_s)
        for task in ended:
            if not task.cancelled():
                task.exception()  # looked at: nobody else does
        going = list(left)
        for task in going:
            _log.warning("%s goes on though it was cancelled, and is cancelled again", task)
            task.cancel()


async def end_one(task: asyncio.Future[Any]) -> None:
    """Ends a task as `end` does. Raises what it had failed with."""
    await end((task,))
    _raise_failure_of(task)


def _raise_failure_of(task: asyncio.Future[Any]) -> None:
    if not task.cancelled():
        task.result()
