"""The horizon loop: when it raises and announces, what it does about trouble, and what it shows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from saga_coordinator.definitions import lint
from saga_coordinator.definitions.horizon import HorizonTerms
from saga_coordinator.horizon.raising import EXCEPTIONS, Round
from saga_coordinator.loops.horizon import BUG, LOOK_S, STORE, HorizonLoop
from saga_coordinator.store.horizon_port import ParticipantMemory, StoredHorizon
from saga_coordinator.store.port import DefinitionRow, StoreError
from saga_coordinator.telemetry.instruments import Instruments
from saga_messaging.background import end
from saga_messaging.broker import BrokerError
from saga_schemas.horizon import Horizon
from support.definition_rows import definition_row
from support.hand_clock import HandClock
from unit.coordinator.definitions.spoil import SOUND, trip_catalog

TERMS = HorizonTerms(restore_window_ms=0, clock_skew_ms=0, interval_ms=600_000)
LAG_MS = 50_000
PARTICIPANTS = ["bank", "cars", "post", "rooms"]
NOTHING = StoredHorizon(starts_from_ms=0, horizon=Horizon(), stored_at_us=0, announced_at_us=None, recovering=False)


class World:
    """Store, definitions, raising and announcer of a loop, by a hand-moved clock."""

    def __init__(self, clock: HandClock) -> None:
        self.clock = clock
        self.stored = NOTHING
        self.rounds = 0
        self.becomes: Round | Exception = Round(held_by=None)
        self.announced: list[tuple[float, int, Sequence[str]]] = []
        self.fails: Mapping[str, str] | Exception = {}
        self.memories: dict[str, ParticipantMemory] = {}
        self.sagas = True

    async def now_us(self) -> int:
        return self.clock.unix_us()

    async def horizon(self, tenant: str) -> StoredHorizon:
        return self.stored

    async def any_saga_below(self, below_ms: int) -> bool:
        return self.sagas

    async def note_announced(self) -> None:
        self.stored = replace(self.stored, announced_at_us=await self.now_us())

    async def participant_memories(self) -> dict[str, ParticipantMemory]:
        return self.memories

    async def lag_ms(self) -> int:
        return LAG_MS

    async def round(self) -> Round:
        self.rounds += 1
        if isinstance(self.becomes, Exception):
            raise self.becomes
        if self.becomes.held_by is None:
            below = Horizon(below_ms=await self.now_us() // 1000 - LAG_MS)
            self.stored = replace(self.stored, horizon=below)
        if self.becomes.held_by in (None, EXCEPTIONS):
            self.stored = replace(self.stored, stored_at_us=await self.now_us())
        return self.becomes

    async def announce(self, horizon: Horizon, participants: Sequence[str], now_us: int) -> Mapping[str, str]:
        if isinstance(self.fails, Exception):
            raise self.fails
        self.announced.append((self.clock.now_s, horizon.below_ms, participants))
        return self.fails

    async def participants(self) -> frozenset[str]:
        return frozenset(("cars", "bank"))

    def rows(self) -> list[DefinitionRow]:
        document = lint(SOUND, "trip", trip_catalog()).required().canonical
        return [definition_row("trip", document)]


class Bench:
    def __init__(self) -> None:
        self.clock = HandClock()
        self.world = World(self.clock)
        self.instruments = Instruments()
        world: Any = self.world
        self.loop = HorizonLoop(
            store=world,
            definitions=world,
            raising=world,
            announcer=world,
            terms=TERMS,
            tenant="default",
            clock=self.clock,
            instruments=self.instruments,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[World]:
        task = asyncio.create_task(self.loop.run())
        try:
            await self.clock.move(0)
            yield self.world
        finally:
            await end([task])

    async def minutes(self, count: int) -> None:
        for _ in range(count):
            await self.clock.move(LOOK_S)

    def value(self, name: str, **labels: str) -> float | None:
        return self.instruments.registry.get_sample_value(name, labels)


async def test_it_announces_at_once_and_then_once_an_interval_to_all_that_definitions_name() -> None:
    bench = Bench()
    async with bench.running() as world:
        await bench.minutes(25)
        times = [at_s for at_s, _, _ in world.announced]
        assert [at_s - times[0] for at_s in times] == [0, 600, 1_200]
        assert [participants for _, _, participants in world.announced] == [PARTICIPANTS] * 3
        assert [below_ms for _, below_ms, _ in world.announced] == [int(at_s * 1000) - LAG_MS for at_s in times]
        assert bench.value("saga_announcements_total", kind="horizon", outcome="sent") == 12
        assert bench.value("saga_horizon_late_seconds") == 300


async def test_what_another_instance_has_just_announced_is_left_at_that() -> None:
    bench = Bench()
    async with bench.running() as world:
        for _ in range(20):
            world.stored = replace(world.stored, stored_at_us=await world.now_us())
            await world.note_announced()
            await bench.minutes(1)
        assert (world.rounds, len(world.announced)) == (1, 1)
        later_us = await world.now_us() + 10**12  # by a clock that was set back since
        world.stored = replace(world.stored, stored_at_us=later_us, announced_at_us=later_us)
        await bench.minutes(1)
        assert (world.rounds, len(world.announced)) == (2, 2)


async def test_a_store_whose_sagas_are_all_young_says_nothing_and_asks_for_no_answer() -> None:
    bench = Bench()
    bench.world.sagas = False
    async with bench.running() as world:
        await bench.minutes(25)
        assert (world.rounds, world.announced) == (3, [])
        assert bench.value("saga_participant_horizon_silent", participant="bank") is None
        world.sagas = True
        await bench.minutes(1)
        assert len(world.announced) == 1
        world.sagas = False  # they were removed since
        await bench.minutes(10)
        assert len(world.announced) == 2


async def test_while_a_restore_is_dealt_with_nothing_is_announced() -> None:
    bench = Bench()
    bench.world.stored = replace(NOTHING, horizon=Horizon(below_ms=7), recovering=True)
    bench.world.becomes = Round(held_by="recovery", why="wait")
    async with bench.running() as world:
        await bench.minutes(3)
        assert (world.announced, world.rounds) == ([], 4)
        assert bench.value("saga_horizon_held", why="recovery") == 1
        world.stored, world.becomes = replace(world.stored, recovering=False), Round(held_by=None)
        await bench.minutes(1)
        assert len(world.announced) == 1
        assert bench.value("saga_horizon_held", why="recovery") is None


async def test_a_horizon_that_is_held_back_is_announced_and_its_reason_told_once() -> None:
    bench = Bench()
    bench.world.stored = replace(NOTHING, horizon=Horizon(below_ms=7))
    bench.world.becomes = Round(held_by=EXCEPTIONS, why="too many")
    with capture_logs() as told:
        async with bench.running() as world:
            await bench.minutes(21)
            assert [below_ms for _, below_ms, _ in world.announced] == [7, 7, 7]
            assert bench.value("saga_horizon_held", why=EXCEPTIONS) == 1
            world.becomes = Round(held_by=None)
            await bench.minutes(10)
    assert [(line["event"], line.get("why"), line.get("advice")) for line in told] == [
        ("horizon_held", EXCEPTIONS, "too many"),
        ("horizon_goes_on", None, None),
    ]


@pytest.mark.parametrize(("error", "held_by"), [(StoreError("no route"), STORE), (AssertionError("a payload"), BUG)])
async def test_no_trouble_ends_it(error: Exception, held_by: str) -> None:
    bench = Bench()
    bench.world.becomes = error
    with capture_logs() as told:
        async with bench.running() as world:
            await bench.minutes(3)
            assert world.rounds == 4
            assert bench.value("saga_horizon_held", why=held_by) == 1
            assert bench.value("saga_loop_failures_total", loop="horizon") == (4 if held_by == BUG else 0)
            world.becomes = Round(held_by=None)
            await bench.minutes(1)
            assert len(world.announced) == 1
    held = [line["event"] for line in told if line["event"] != "horizon_failed"]
    assert held == ["horizon_held", "horizon_goes_on"]
    assert "a payload" not in str([line.get("advice") for line in told])


async def test_what_kafka_does_not_take_is_said_again_with_the_next_look() -> None:
    bench = Bench()
    bench.world.fails = BrokerError("away")
    with capture_logs() as told:
        async with bench.running() as world:
            await bench.minutes(3)
            assert bench.value("saga_announcements_total", kind="horizon", outcome="failed") == 16
            assert world.stored.announced_at_us is None
            world.fails = {"cars": "no such topic"}
            await bench.minutes(1)
            assert world.stored.announced_at_us is not None, "the others were told"
            assert bench.value("saga_announcements_total", kind="horizon", outcome="sent") == 3
    assert [line["error"] for line in told if line["event"] == "horizon_not_announced"] == ["away", "cars: no such topic"]


async def test_who_has_not_answered_for_long_is_shown_of_those_whose_answers_are_read() -> None:
    bench = Bench()
    bench.world.memories["cars"] = ParticipantMemory(participant="cars", below_ms=1, heard_at_us=bench.clock.unix_us())
    async with bench.running():
        silent = {name: bench.value("saga_participant_horizon_silent", participant=name) for name in PARTICIPANTS}
        assert silent == {"bank": 1, "cars": 0, "post": None, "rooms": None}
        await bench.minutes(61)
        assert bench.value("saga_participant_horizon_silent", participant="cars") == 1
