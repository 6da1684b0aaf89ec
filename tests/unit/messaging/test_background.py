"""Waiting: pauses that grow within bounds, and an event against a clock driven by hand."""

from __future__ import annotations

import asyncio
import contextlib
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saga_messaging.background import backoff, end, end_one, happened, until
from saga_messaging.clock import SystemClock


def test_pauses_double_up_to_the_cap() -> None:
    assert [backoff(attempt, first_s=0.5, cap_s=3.0, jitter=0.0) for attempt in range(1, 6)] == [0.5, 1.0, 2.0, 3.0, 3.0]


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_jitter_takes_away_at_most_a_quarter(attempt: int, jitter: float) -> None:
    full = backoff(attempt, first_s=0.1, cap_s=5.0, jitter=0.0)
    assert 0.75 * full <= backoff(attempt, first_s=0.1, cap_s=5.0, jitter=jitter) <= full <= 5.0


async def test_an_event_that_happens_ends_the_wait_and_one_that_does_not_is_told() -> None:
    event = asyncio.Event()
    assert not await happened(event, SystemClock(), 0.0)
    asyncio.get_running_loop().call_soon(event.set)
    assert await happened(event, SystemClock(), 60.0)
    assert await happened(event, SystemClock(), 0.0)


async def test_work_goes_on_until_the_event_and_has_ended_then() -> None:
    event, ended = asyncio.Event(), []

    async def work() -> None:
        try:
            event.set()
            await asyncio.sleep(1_000)
        finally:
            ended.append(True)

    async with asyncio.timeout(60):
        await until(event, work())
    assert ended == [True]


async def test_work_that_ends_or_fails_before_the_event_is_not_waited_upon() -> None:
    async def fails() -> None:
        raise ValueError("mine")

    async with asyncio.timeout(60):
        await until(asyncio.Event(), asyncio.sleep(0))
        with pytest.raises(ValueError, match="mine"):
            await until(asyncio.Event(), fails())


async def test_a_cancellation_from_outside_reaches_the_work() -> None:
    event, ended = asyncio.Event(), []

    async def work() -> None:
        try:
            await asyncio.sleep(1_000)
        finally:
            ended.append(True)

    outer = asyncio.create_task(until(event, work()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    outer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await outer
    assert ended == [True]


async def deaf(times: int) -> None:
    """It swallows so many cancellations, as aiokafka does."""
    for _ in range(times):
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(1_000)
    await asyncio.sleep(1_000)


async def test_a_task_that_swallows_its_cancellation_is_cancelled_again_and_that_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fails() -> None:
        raise ValueError("mine")

    tasks = [asyncio.create_task(work) for work in (deaf(2), asyncio.sleep(1_000), asyncio.sleep(0), fails())]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    with caplog.at_level(logging.WARNING, "saga_messaging.background"):
        async with asyncio.timeout(60):
            await end(tasks, again_s=0.01)
    assert all(task.done() for task in tasks)
    assert len(caplog.messages) == 2
    assert all("deaf" in message for message in caplog.messages)


async def test_the_failure_of_one_task_that_had_failed_is_raised() -> None:
    async def fails() -> None:
        raise ValueError("mine")

    failed, going = asyncio.create_task(fails()), asyncio.create_task(asyncio.sleep(1_000))
    await asyncio.sleep(0)
    with pytest.raises(ValueError, match="mine"):
        await end_one(failed)
    await end_one(going)
    assert going.cancelled()
