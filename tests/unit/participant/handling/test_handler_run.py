"""A run of a handler ends within its bounds, and touches nobody else's task."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar
from typing import Any

import pytest

from saga_participant.handling import handler_run
from saga_participant.handling.handler_run import RUNNING, HandlerRuns, RunResult

PATIENCE_S = 30.0


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handler_run, "END_LIMIT_S", 0.05)
    monkeypatch.setattr(handler_run, "CLOSED_LIMIT_S", 0.05)


@pytest.fixture
async def runs() -> AsyncIterator[HandlerRuns]:
    yield HandlerRuns()
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling(), "a handler cancelled whoever called it"


async def run(runs: HandlerRuns, function: Callable[[], Any], limit_s: float = PATIENCE_S) -> RunResult:
    async with asyncio.timeout(PATIENCE_S):
        return await runs.run(function, {}, limit_s, None)


async def test_what_it_returns_and_what_it_raises_come_back(runs: HandlerRuns) -> None:
    async def give() -> int:
        return 7

    async def leave() -> None:
        raise SystemExit(3)

    assert await run(runs, give) == RunResult(value=7)
    assert isinstance((await run(runs, leave)).error, SystemExit)


async def test_a_handler_that_cancels_its_own_task_cancels_nobody_else(runs: HandlerRuns) -> None:
    async def cancel() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    async def cancel_and_return() -> int:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        return 7

    for handler in (cancel, cancel_and_return):
        ran = await run(runs, handler)
        assert isinstance(ran.error, asyncio.CancelledError)
        assert not ran.late


async def test_a_handler_that_hangs_is_late(runs: HandlerRuns) -> None:
    async def shielded() -> None:
        await asyncio.shield(asyncio.Event().wait())

    for handler in (asyncio.Event().wait, shielded):
        ran = await run(runs, handler, 0)
        assert ran.late
        assert not ran.left


async def test_a_handler_that_swallows_its_cancellation_is_closed(runs: HandlerRuns) -> None:
    closed = asyncio.Event()

    async def deaf() -> None:
        try:
            while True:
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.Event().wait()
        finally:
            closed.set()

    ran = await run(runs, deaf, 0)
    assert ran.late
    assert not ran.left
    assert closed.is_set()


async def test_a_handler_that_survives_everything_is_left_behind_and_counted(runs: HandlerRuns) -> None:
    over = asyncio.Event()

    async def immortal() -> None:
        while not over.is_set():
            with contextlib.suppress(BaseException):
                await over.wait()

    ran = await run(runs, immortal, 0)
    assert ran.late
    assert ran.left
    assert (runs.left_behind, len(runs.left)) == (1, 1)
    over.set()
    async with asyncio.timeout(PATIENCE_S):
        while runs.left:  # noqa: ASYNC110  # the set tells nobody
            await asyncio.sleep(0)
    assert runs.left_behind == 1


async def test_whoever_waits_for_it_is_cancelled_with_it(runs: HandlerRuns) -> None:
    begun, cleaned_up = asyncio.Event(), asyncio.Event()

    async def handler() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cleaned_up.set()

    worker = asyncio.ensure_future(run(runs, handler))
    await begun.wait()
    worker.cancel()
    with pytest.raises(asyncio.CancelledError):
        await worker
    assert cleaned_up.is_set()


async def test_one_that_is_cancelled_before_it_begins_never_begins(runs: HandlerRuns) -> None:
    async def handler() -> None:
        raise AssertionError

    worker = asyncio.ensure_future(run(runs, handler))
    await asyncio.sleep(0)
    worker.cancel()
    with pytest.raises(asyncio.CancelledError):
        await worker


async def test_what_it_sets_in_its_context_stays_there_and_its_tasks_know_whose_they_are(runs: HandlerRuns) -> None:
    mine: ContextVar[str] = ContextVar("mine", default="nobody's")

    async def handler() -> tuple[object, object]:
        mine.set("the handler's")
        return RUNNING.get(), await asyncio.ensure_future(look())

    async def look() -> object:
        return RUNNING.get()

    own, childs = (await run(runs, handler)).value
    assert own is not None
    assert own is childs
    assert (mine.get(), RUNNING.get()) == ("nobody's", None)
