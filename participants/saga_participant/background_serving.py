"""A participant served beside an application: begun before its block, left gracefully, and heard of
when it ends by itself. And one that is the whole process: left by a signal.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Final

from saga_participant.telemetry.health import end_reason

Serve = Callable[[asyncio.Event, Callable[[], None]], Coroutine[Any, Any, None]]
"""Serves until the event is set; calls the function once it serves, or once it has to wait for what
is not up yet.
"""
_LOG: Final = logging.getLogger("saga_participant")


@contextlib.asynccontextmanager
async def in_background(name: str, serve: Serve) -> AsyncIterator[None]:
    """Serving for as long as the block runs.

    Raises before the block what kept it from starting, and at its end what it ended with.
    """
    stop, begun = asyncio.Event(), asyncio.Event()
    serving = asyncio.ensure_future(serve(stop, begun.set))
    beginning = asyncio.ensure_future(begun.wait())
    try:
        await asyncio.wait((serving, beginning), return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()
        serving.add_done_callback(lambda ended: _say_ended(name, ended))
        yield
    finally:
        beginning.cancel()
        stop.set()
        await serving


@contextlib.contextmanager
def set_by_signals() -> Iterator[asyncio.Event]:
    """An event that SIGINT and SIGTERM set, for as long as the block runs."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def _say_ended(name: str, serving: asyncio.Future[None]) -> None:
    if not serving.cancelled() and (error := serving.exception()) is not None:
        _LOG.error("%s: serving ended: %s", name, end_reason(error))
