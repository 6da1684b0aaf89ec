"""A client of the broker closes within a limit, whatever it does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from saga_messaging.background import end
from saga_messaging.kafka.connection import bounded, stop_consumer


class Deaf:
    """A consumer whose task swallows cancellations, as aiokafka's does while it gives partitions
    back."""

    def __init__(self, times: int) -> None:
        self._coordinator: Any = None
        self._fetcher = None
        self._client = self
        self._times = times
        self.closed = False
        self.task = asyncio.create_task(self._fetch())

    async def _fetch(self) -> None:
        for _ in range(self._times):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(1_000)
        await asyncio.sleep(1_000)

    async def stop(self) -> None:
        await self.task

    async def close(self) -> None:
        self.closed = True


@pytest.fixture
async def deaf() -> AsyncIterator[Deaf]:
    client = Deaf(times=20)
    await asyncio.sleep(0)
    yield client
    await end((client.task,), again_s=0.01)


async def test_a_limit_holds_though_what_closes_swallows_its_cancellations(deaf: Deaf, caplog: pytest.LogCaptureFixture) -> None:
    async with asyncio.timeout(60):
        assert not await bounded(deaf.stop(), 0.05)
    assert not deaf.task.done()
    (told,) = caplog.messages
    assert "goes on closing" in told


async def test_what_ends_at_the_second_cancellation_is_not_left_behind() -> None:
    client = Deaf(times=1)
    await asyncio.sleep(0)
    async with asyncio.timeout(60):
        assert not await bounded(client.stop(), 0.05)
    assert client.task.done()


async def test_a_consumer_that_does_not_end_has_its_connections_closed(deaf: Deaf) -> None:
    async with asyncio.timeout(60):
        await stop_consumer(deaf, 0.05)
    assert deaf.closed


async def test_the_tasks_of_a_consumer_that_does_not_end_are_cancelled_as_often_as_it_takes(deaf: Deaf) -> None:
    coordination = Deaf(times=3).task
    deaf._coordinator = SimpleNamespace(_coordination_task=coordination)
    await asyncio.sleep(0)
    async with asyncio.timeout(60):
        await stop_consumer(deaf, 0.05)
    assert coordination.cancelled()


async def test_whether_it_closed_well_or_badly_it_has_closed() -> None:
    async def badly() -> None:
        raise OSError("gone")

    assert await bounded(asyncio.sleep(0))
    assert await bounded(badly())


async def test_who_waits_may_be_cancelled_and_so_is_the_closing() -> None:
    closing = asyncio.create_task(asyncio.sleep(1_000))
    waiting = asyncio.create_task(bounded(closing))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.wait((closing,))
    assert closing.cancelled()
