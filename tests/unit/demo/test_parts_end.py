"""A demo ends even when a library below it swallows a cancellation."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from saga_cli.demo import parts


async def test_a_part_that_swallows_its_cancellation_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "STOP_LIMIT_S", 0.01)

    async def deaf() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(1000)
        await asyncio.sleep(1000)

    part = asyncio.create_task(deaf())
    await asyncio.sleep(0)
    part.cancel()
    async with asyncio.timeout(20):
        await parts._cancel_until_ended([part])
    assert part.cancelled()
