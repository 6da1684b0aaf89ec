"""A participant served beside an application: begun before its block, left gracefully, and heard of
when it ends by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
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


def _say_ended(name: str, serving: asyncio.Future[None]) -> None:
    if not serving.cancelled() and (error := serving.exception()) is not None:
        _LOG.error("%s: serving ended: %s", name, end_reason(error))
