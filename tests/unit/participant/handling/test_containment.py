"""SystemExit in a task under a handler ends that task; outside of handlers everything is as asyncio
has it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from saga_participant.handling.containment import HandlerTaskExited, contained
from saga_participant.handling.handler_run import RUNNING, HandlerRuns, RunResult


async def leave(error: type[BaseException] = SystemExit) -> None:
    await asyncio.sleep(0)
    raise error


async def run(function: Callable[[], Any]) -> RunResult:
    with contained():
        return await HandlerRuns().run(function, {}, 30, None)


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
async def test_whoever_awaits_the_task_is_told(error: type[BaseException]) -> None:
    async def one() -> None:
        await asyncio.create_task(leave(error))

    async def several() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(leave(error))

    async def a_childs_child() -> None:
        await asyncio.gather(one(), asyncio.sleep(0))

    assert isinstance((await run(one)).error, HandlerTaskExited)
    assert isinstance((await run(a_childs_child)).error, HandlerTaskExited)
    in_a_group = (await run(several)).error
    assert isinstance(in_a_group, ExceptionGroup)
    assert isinstance(in_a_group.exceptions[0], HandlerTaskExited)


async def test_a_task_nobody_awaits_ends_alone(caplog: pytest.LogCaptureFixture) -> None:
    left: list[asyncio.Task[None]] = []

    async def handler() -> int:
        left.append(asyncio.create_task(leave()))
        return 7

    assert (await run(handler)).value == 7
    with pytest.raises(HandlerTaskExited):
        await left[0]


async def test_cancelling_naming_and_contexts_are_as_ever() -> None:
    async def handler() -> list[Any]:
        unbegun = asyncio.create_task(asyncio.sleep(0))
        unbegun.cancel()
        named = asyncio.create_task(asyncio.sleep(0, "done"), name="mine")
        return [await named, named.get_name(), await asyncio.gather(unbegun, return_exceptions=True), named.get_stack()]

    done, name, (cancelled,), _ = (await run(handler)).value
    assert (done, name) == ("done", "mine")
    assert isinstance(cancelled, asyncio.CancelledError)


async def test_another_factory_is_used_and_comes_back_whoever_ends_first() -> None:
    made: list[Any] = []

    def factory(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        made.append(coroutine)
        return asyncio.Task(coroutine, loop=loop, **options)

    loop = asyncio.get_running_loop()
    loop.set_task_factory(factory)
    try:
        first, second = contained(), contained()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert loop.get_task_factory() is not factory
        await asyncio.create_task(asyncio.sleep(0))
        second.__exit__(None, None, None)
        assert loop.get_task_factory() is factory
        assert len(made) == 1
    finally:
        loop.set_task_factory(None)


OUTSIDE = """
import asyncio
from saga_participant.handling.containment import contained
async def leave(): raise SystemExit(7)
async def main():
    with contained():
        await asyncio.create_task(leave())
asyncio.run(main())
"""


def test_outside_of_a_handler_it_ends_the_process_as_ever() -> None:
    assert subprocess.run([sys.executable, "-c", OUTSIDE], check=False, capture_output=True).returncode == 7


async def test_a_factory_that_knows_no_contexts_makes_the_handlers_tasks_too() -> None:
    loop = asyncio.get_running_loop()
    loop.set_task_factory(lambda loop, coroutine: asyncio.Task(coroutine, loop=loop))
    try:

        async def handler() -> bool:
            return RUNNING.get() is not None

        assert await run(handler) == RunResult(value=True)
        assert RUNNING.get() is None
    finally:
        loop.set_task_factory(None)
