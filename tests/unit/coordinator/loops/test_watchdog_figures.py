"""The gauges' own cost, and that an instance in trouble says so."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from saga_coordinator.loops.lookout import Lookout
from saga_coordinator.loops.watchdog import EVERY_S, FIGURES_PAUSE, Presence, Watchdog
from saga_coordinator.store.look import Look
from saga_coordinator.store.port import Figures, StoreError
from saga_coordinator.telemetry.instruments import Instruments
from saga_coordinator.traces.sampling import Sampling
from saga_messaging.background import end
from saga_schemas.topics import Topics
from support.hand_clock import HandClock
from support.moves import figures, value

AT_REST = Look(now_us=1, next_due_us=None, inbox=False, outbox=False, letters=False, spans=False, registered="", control={})


class SlowFigures:
    """A store whose figures take their time, or fail."""

    def __init__(self, clock: HandClock) -> None:
        self.clock, self.takes_s, self.asked = clock, 0.0, 0
        self.away = False

    async def look(self, _tenant: str, _scopes: frozenset[str]) -> Look:
        return AT_REST

    async def forget_instances(self) -> None: ...

    async def figures(self) -> Figures:
        self.asked += 1
        self.clock.now_s += self.takes_s
        if self.away:
            raise StoreError("no route")
        return figures({}, {})


class Bench:
    def __init__(self) -> None:
        self.clock, self.instruments = HandClock(), Instruments()
        self.store = SlowFigures(self.clock)
        nobody: Any = None
        self.readers = [SimpleNamespace(problems=list[str]())]
        self.watchdog = Watchdog(
            store=cast(Any, self.store),
            lookout=Lookout(cast(Any, self.store), "default", frozenset(), self.clock),
            broker=nobody,
            definitions=nobody,
            topics=Topics(),
            instruments=self.instruments,
            sampling=Sampling(0.0),
            clock=self.clock,
            presence=Presence(name="~test", given=False, roles=()),
            reply_group="r",
            start_group="s",
            readers=cast(Any, self.readers),
            key_agreement=nobody,
        )

    async def rounds(self, count: int) -> None:
        for _ in range(count):
            await self.watchdog._try("figures", self.watchdog._figures)
            self.clock.now_s += EVERY_S


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def test_cheap_figures_are_read_every_round(bench: Bench) -> None:
    bench.store.takes_s = 0.01
    await bench.rounds(10)

    assert bench.store.asked == 10
    assert value(bench.instruments.registry, "saga_outbox_rows") == 5


async def test_figures_that_take_long_are_read_less_often(bench: Bench) -> None:
    bench.store.takes_s = 2.0
    began = bench.clock.now_s
    await bench.rounds(100)

    share = bench.store.asked * bench.store.takes_s / (bench.clock.now_s - began)
    assert 0.5 / FIGURES_PAUSE < share <= 1.2 / FIGURES_PAUSE


async def test_trouble_shows_while_it_lasts(bench: Bench) -> None:
    bench.store.away = True
    await bench.rounds(1)
    assert value(bench.instruments.registry, "saga_watchdog_trouble", what="figures") == 1
    bench.store.away = False
    await bench.rounds(1)
    assert value(bench.instruments.registry, "saga_watchdog_trouble", what="figures") == 0


async def test_a_partition_that_stands_still_makes_the_instance_unready_and_shows() -> None:
    watched = Bench()
    told = ["saga.start/0 is not read on although there are records"]
    for problems in ([], told, []):
        watched.readers[0].problems = problems
        await watched.watchdog._try("reading", watched.watchdog._reading)
        assert dict(watched.watchdog.problems) == ({"reading": told[0]} if problems else {})
        shown = watched.instruments.registry.get_sample_value("saga_watchdog_trouble", {"what": "reading"})
        assert shown == float(bool(problems))


async def test_an_instance_stays_known_while_kafka_answers_nothing() -> None:
    """What asks Kafka waits for as long as that takes; the name and the keys are said all the
    same."""
    bench, renewed, said = Bench(), asyncio.Event(), asyncio.Event()

    async def for_ever() -> None:
        await asyncio.Event().wait()

    async def noted(event: asyncio.Event) -> None:
        event.set()

    bench.watchdog.ensure_topics = for_ever  # type: ignore[method-assign]
    bench.watchdog._refresh_definitions = for_ever  # type: ignore[method-assign]
    bench.watchdog._renew_instance = lambda: noted(renewed)  # type: ignore[method-assign]
    bench.watchdog._key_agreement = cast(Any, SimpleNamespace(say=lambda _: noted(said), compare=lambda _: None))
    running = asyncio.create_task(bench.watchdog.run())
    try:
        async with asyncio.timeout(60):
            await renewed.wait()
            await said.wait()
    finally:
        await end((running,))
