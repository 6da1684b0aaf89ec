"""One run of a handler: a task of its own, a time limit, and an end within bounds whatever it does.

The handler's task is not the worker's, so a handler that cancels "its" task cancels no worker, and
a cancellation of the worker is always ours. After its limit it is cancelled; where it goes on all
the same it is closed; where it survives that too it is left behind, counted, and nobody waits for
it any more. Its `db` is dead by then (guarded.py), so that it can do no more harm than keep its
memory.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context, ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

END_LIMIT_S: Final = 5.0
"""A handler that was cancelled has so long to clean up."""
CLOSED_LIMIT_S: Final = 1.0
"""And so long after it was closed."""

RUNNING: Final[ContextVar[object | None]] = ContextVar("saga_participant_running", default=None)
"""The run whose code this is: set in the handler's task, and so in every task that it starts.

None in all code of the kit's own.
"""


@dataclass(slots=True)
class RunResult:
    """What came of it."""

    value: Any = None
    error: BaseException | None = None
    """What it raised; the cancellation, where it let itself be cancelled."""
    late: bool = False
    """It was still running at its limit."""
    left: bool = False
    """It still is: it could not be ended."""


@dataclass(slots=True, eq=False)
class HandlerRuns:
    """All runs of one participant's handlers."""

    left: set[asyncio.Task[RunResult]] = field(default_factory=set)
    """Those that could not be ended, for as long as they go on."""
    left_behind: int = 0
    """How many there were."""

    async def run(
        self,
        function: Callable[..., Any],
        arguments: dict[str, Any],
        limit_s: float,
        interrupt: Callable[[], Awaitable[None]] | None,
        context: Context | None = None,
    ) -> RunResult:
        """Never raises but what cancels the caller.

        `interrupt` is called when the limit is over, before the handler is cancelled. `context`:
        the one whose copy the handler runs in. None: the caller's.
        """
        coroutine: Coroutine[Any, Any, Any] = function(**arguments)
        create = asyncio.get_running_loop().create_task
        work = _whatever_it_does(coroutine)
        task = create(work) if context is None else context.run(create, work)
        try:
            await asyncio.wait((task,), timeout=limit_s)
            if task.done():
                return _result_of(task)
            if interrupt is not None:
                await interrupt()
        except asyncio.CancelledError:  # we are being stopped
            await self._end(task, coroutine)
            raise
        await self._end(task, coroutine)
        ran = _result_of(task) if task.done() else RunResult(left=True)
        ran.late = True
        return ran

    async def _end(self, task: asyncio.Task[RunResult], coroutine: Coroutine[Any, Any, Any]) -> None:
        try:
            task.cancel()
            await asyncio.wait((task,), timeout=END_LIMIT_S)
            if not task.done():
                _close(coroutine)
                task.cancel()
                await asyncio.wait((task,), timeout=CLOSED_LIMIT_S)
        finally:
            if task.done():
                coroutine.close()  # it may never have begun
            else:
                self.left_behind += 1
                self.left.add(task)
                task.add_done_callback(self.left.discard)


async def _whatever_it_does(coroutine: Coroutine[Any, Any, Any]) -> RunResult:
    """SystemExit would go through a task and end the process; so nothing leaves this one."""
    RUNNING.set(coroutine)  # here, in the task's own context: not every factory of tasks takes one
    try:
        return RunResult(value=await coroutine)
    except BaseException as error:
        return RunResult(error=error)


def _result_of(task: asyncio.Task[RunResult]) -> RunResult:
    if task.cancelled():  # it asked for that, and was done before it came
        return RunResult(error=asyncio.CancelledError())
    return task.result()


def _close(coroutine: Coroutine[Any, Any, Any]) -> None:
    """GeneratorExit, which hardly anybody catches.

    What it raises, or that it goes on all the same, tells nobody anything.
    """
    with contextlib.suppress(BaseException):
        coroutine.close()
