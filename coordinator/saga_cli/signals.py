"""Signals of a long-running command.

SIGTERM stops it in order (exit 0), and so does Ctrl-C (exit 130). A second signal ends it at once.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable

from saga_cli.exits import ExitCode
from saga_cli.garbage import collect_less_often, leave_out_what_is_loaded
from saga_messaging.logs import hear_the_loop


def run_until_signal(work: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run `work` until it returns; the first SIGTERM or SIGINT sets its event.

    Args:
        work: Called with the event. It returns soon after the event is set.

    Raises:
        KeyboardInterrupt: The signal was SIGINT (Ctrl-C).
        SystemExit: A second signal came; exit code 130.
    """
    tune_garbage_collection()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        received = runner.run(_run_with_signals(work))
    if received is signal.SIGINT:
        raise KeyboardInterrupt


def tune_garbage_collection() -> None:
    """Let the garbage collector run less often, and leave out what is already loaded."""
    leave_out_what_is_loaded()
    collect_less_often()


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's loop factory, or None where uvloop is not installed.

    uvloop needs a third less CPU for work that waits on sockets. It is not available on every
    platform.
    """
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


async def _run_with_signals(work: Callable[[asyncio.Event], Awaitable[None]]) -> signal.Signals | None:
    hear_the_loop()
    stop = asyncio.Event()
    received: list[signal.Signals] = []
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        if received:
            raise SystemExit(ExitCode.INTERRUPTED)
        received.append(number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    try:
        await work(stop)
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
    return received[0] if received else None
