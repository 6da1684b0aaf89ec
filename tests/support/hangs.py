"""What a test that hangs was waiting for, told before its time limit ends its process.

pytest-timeout shows each thread, and a test that waits in an event loop looks the same there
whatever it waits for. This names the await of every task, through all callers.
"""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_FRAMES = ("cr_frame", "gi_frame", "ag_frame")
_NEXT = ("cr_await", "gi_yieldfrom", "ag_await")


@contextmanager
def told_after(limit_s: float, name: str, output: int) -> Iterator[None]:
    """Write to that descriptor where all tasks are, if the block takes so long."""
    timer = threading.Timer(limit_s, _tell, (name, output))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _tell(name: str, output: int) -> None:
    loops = [found for found in gc.get_objects() if isinstance(found, asyncio.AbstractEventLoop) and found.is_running()]
    lines = [f"{name} hangs:"]
    for loop in loops:
        for task in asyncio.all_tasks(loop):
            lines += [f"  {task.get_name()}, cancelled {task.cancelling()} times", *awaits_of(task)]
    os.write(output, ("\n".join(lines) + "\n").encode())


def awaits_of(task: asyncio.Task[Any]) -> list[str]:
    """File and line of each coroutine, from the task's own to that which waits."""
    lines = []
    at: Any = task.get_coro()
    while at is not None:
        frame = next((getattr(at, name) for name in _FRAMES if getattr(at, name, None)), None)
        where = f"{frame.f_code.co_filename}:{frame.f_lineno}" if frame else type(at).__name__
        lines.append(f"    {where} {getattr(at, '__qualname__', '')}")
        at = next((getattr(at, name) for name in _NEXT if getattr(at, name, None)), None)
    return lines
