"""Waiting: pauses that grow within bounds, and an event against a clock driven by hand."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from saga_messaging.background import backoff, happened
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
