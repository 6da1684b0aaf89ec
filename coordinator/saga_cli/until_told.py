"""A long-running command: it ends in order at SIGTERM (exit 0) or Ctrl-C (exit 130), and at once when told a second time."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable

from saga_cli.exits import ExitCode
from saga_messaging.logs import hear_the_loop


def run_until_told(work: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run `work` with an event that is set when the process is told to end. Raises KeyboardInterrupt after a Ctrl-C."""
    calm_the_collector()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        told = runner.run(_watched(work))
    if told is signal.SIGINT:
        raise KeyboardInterrupt


def calm_the_collector() -> None:
    """What was imported stays for ever, and frozen records make few cycles: Python's defaults would walk them over and over."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed (not on every platform): a third less CPU for what waits on sockets."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _watched(work: Callable[[asyncio.Event], Awaitable[None]]) -> signal.Signals | None:
    hear_the_loop()
    stop = asyncio.Event()
    told: list[signal.Signals] = []
    loop = asyncio.get_running_loop()

    def tell(number: signal.Signals) -> None:
        if told:
            raise SystemExit(ExitCode.INTERRUPTED)
        told.append(number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, tell, number)
    try:
        await work(stop)
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
    return told[0] if told else None
