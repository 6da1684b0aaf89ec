"""A limit for one handler's call: `asyncio.timeout`, with the same meaning, at a quarter of its price.

There is one for every command, and hardly one is ever reached. It is a plain context manager, cannot be moved, and knows nothing but the
task that entered it.
"""

from __future__ import annotations

import asyncio
from types import TracebackType


class TimeLimit:
    """The block is cancelled after `seconds`, and TimeoutError comes out of it. To be entered once, inside a task."""

    __slots__ = ("_cancelling", "_seconds", "_task", "_timer", "expired")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.expired = False

    def __enter__(self) -> TimeLimit:
        task = asyncio.current_task()
        assert task is not None
        self._task, self._cancelling = task, task.cancelling()
        self._timer = task.get_loop().call_later(self._seconds, self._expire)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._timer.cancel()
        # Somebody else may have cancelled the task too: then it goes on being cancelled.
        if self.expired and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _expire(self) -> None:
        self.expired = True
        self._task.cancel()
