"""A timer loop asks the database for itself only while a saga is open."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, cast

import pytest

from saga_coordinator.loops.lookout import AT_REST_S, Lookout
from saga_coordinator.loops.timer_loop import TimerLoop
from saga_coordinator.store.look import Look
from saga_coordinator.telemetry.instruments import Instruments
from saga_messaging.background import end
from support.hand_clock import HandClock, settle

NOTHING_OPEN = Look(now_us=1, next_due_us=None, inbox=False, outbox=False, letters=False, spans=False, registered="", control={})


class Asked:
    """A store that counts what it is asked."""

    def __init__(self) -> None:
        self.found, self.due_in_s = NOTHING_OPEN, 60.0
        self.looks = self.asked = 0

    async def look(self, _tenant: str, _scopes: frozenset[str]) -> Look:
        self.looks += 1
        return self.found

    async def earliest_due_in_s(self) -> float | None:
        self.asked += 1
        return None if self.found is NOTHING_OPEN else self.due_in_s


class Bench:
    def __init__(self) -> None:
        self.clock, self.store, nobody = HandClock(), Asked(), cast(Any, None)
        self.lookout = Lookout(cast(Any, self.store), "default", frozenset(), self.clock)
        self.loop = TimerLoop(
            store=cast(Any, self.store),
            lookout=self.lookout,
            committer=nobody,
            loader=nobody,
            events=nobody,
            envelopes=nobody,
            payloads=nobody,
            catch_up_requests=nobody,
            liveness=nobody,
            clock=self.clock,
            instruments=Instruments(),
            batch_sagas=10,
        )

    async def seconds(self, count: float) -> None:
        for _ in range(int(count * 10)):
            await self.clock.move(0.1)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    running = asyncio.create_task(made.loop.run())
    await settle()
    yield made
    await end((running,))


async def test_while_nothing_is_open_it_only_waits_for_looks(bench: Bench) -> None:
    await bench.seconds(20)
    assert bench.store.asked == 0
    assert bench.store.looks <= 20 / AT_REST_S + 1


async def test_an_open_saga_makes_it_look_four_times_a_second_until_it_has_ended(bench: Bench) -> None:
    bench.store.found = replace(NOTHING_OPEN, next_due_us=60_000_000)
    bench.lookout.stir()
    await bench.seconds(0.5)
    assert bench.store.asked >= 1, "a commit of this instance is seen at once"
    before = bench.store.asked
    await bench.seconds(3)
    assert 3 * 3 <= bench.store.asked - before <= 3 * 4
    bench.store.found = NOTHING_OPEN
    await bench.seconds(1)
    before = bench.store.asked
    await bench.seconds(10)
    assert bench.store.asked == before


async def test_what_was_left_for_a_saga_ends_the_rest_too(bench: Bench) -> None:
    bench.store.found = replace(NOTHING_OPEN, inbox=True)
    await bench.seconds(AT_REST_S + 0.5)
    assert bench.store.asked >= 1
