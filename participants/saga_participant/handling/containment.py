"""SystemExit and KeyboardInterrupt in a task that a handler started: they end that task, and not
the process.

asyncio lets both go through a task and out of its loop: the process ends, with the status a library
chose, often 0. So, while a participant is being served, every task that is started under a handler
gets its coroutine wrapped; whoever awaits the task gets HandlerTaskExited. All other tasks are made
as before.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Generator, Iterator
from typing import Any
from weakref import WeakKeyDictionary

from saga_participant.handling.handler_run import RUNNING

_Factory = Callable[..., "asyncio.Future[Any]"]


class HandlerTaskExited(Exception):  # reads like the fact it is
    """A task that a handler had started raised SystemExit or KeyboardInterrupt."""


@contextlib.contextmanager
def contained() -> Iterator[None]:
    """In the running loop, for as long as the block runs. Several may overlap in any order."""
    loop = asyncio.get_running_loop()
    _users[loop] = _users.get(loop, 0) + 1
    if _users[loop] == 1:
        _before[loop] = loop.get_task_factory()
        loop.set_task_factory(_factory(_before[loop]))
    try:
        yield
    finally:
        _users[loop] -= 1
        if not _users[loop]:
            before = _before.pop(loop)
            if getattr(loop.get_task_factory(), "is_the_participants", False):  # else somebody put theirs in front of it
                loop.set_task_factory(before)


_users: WeakKeyDictionary[asyncio.AbstractEventLoop, int] = WeakKeyDictionary()
_before: WeakKeyDictionary[asyncio.AbstractEventLoop, Any] = WeakKeyDictionary()


def _factory(before: _Factory | None) -> Any:
    def make(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Future[Any]:
        if RUNNING.get() is not None:
            coroutine = _Contained(coroutine)
        if before is not None:
            return before(loop, coroutine, **options)
        return asyncio.Task(coroutine, loop=loop, **options)

    make.is_the_participants = True  # type: ignore[attr-defined]
    return make


class _Contained(Coroutine[Any, Any, Any]):
    """The coroutine, but for the two."""

    __slots__ = ("_coroutine",)

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._coroutine = coroutine

    def send(self, value: Any) -> Any:
        try:
            return self._coroutine.send(value)
        except (SystemExit, KeyboardInterrupt) as error:
            raise HandlerTaskExited(type(error).__name__) from error

    def throw(self, *error: Any) -> Any:
        try:
            return self._coroutine.throw(*error)
        except (SystemExit, KeyboardInterrupt) as exited:
            raise HandlerTaskExited(type(exited).__name__) from exited

    def close(self) -> None:
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._coroutine.__await__()

    def __getattr__(self, name: str) -> Any:  # cr_frame and its like, for who looks at a task's stack
        return getattr(self._coroutine, name)
