"""A limit means what asyncio.timeout's does."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from saga_participant.handling.time_limit import TimeLimit


async def test_what_takes_too_long_is_cancelled_and_told_as_a_timeout() -> None:
    with pytest.raises(TimeoutError), TimeLimit(0) as limit:
        await asyncio.Event().wait()
    assert limit.expired
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling()


async def test_what_ends_in_time_is_left_alone() -> None:
    with TimeLimit(0) as limit:
        pass
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not limit.expired


async def test_a_block_that_ends_all_the_same_ends_without_an_error() -> None:
    with TimeLimit(0) as limit, contextlib.suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
    assert limit.expired


async def test_whoever_is_cancelled_from_outside_stays_cancelled_though_the_limit_is_over_too() -> None:
    entered = asyncio.Event()

    async def limited() -> None:
        with TimeLimit(0):
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.ensure_future(limited())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
