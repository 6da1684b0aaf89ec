"""What an instance says while sagas recover after a restore."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

from structlog.testing import capture_logs

from saga_coordinator.loops.lookout import Lookout
from saga_coordinator.loops.recovery_watch import COUNT_EVERY_S, RecoveryWatch
from saga_coordinator.store.look import Look
from saga_coordinator.telemetry.instruments import Instruments
from support.hand_clock import HandClock
from support.moves import value


def a_look(**told: str) -> Look:
    control = {"recovery": told} if told else {}
    return Look(now_us=1, next_due_us=None, inbox=False, outbox=False, letters=False, spans=False, registered="", control=control)


@dataclass
class Recovery:
    """A store whose sagas recover."""

    waits: dict[str, int] = field(default_factory=dict)
    counted: int = 0
    ended: list[int] = field(default_factory=list)

    async def recovering(self) -> dict[str, int]:
        self.counted += 1
        return self.waits

    async def end_recovery(self, _tenant: str, incarnation: int) -> bool:
        self.ended.append(incarnation)
        return self.ended.count(incarnation) == 1


class Bench:
    def __init__(self) -> None:
        self.clock, self.instruments, self.store = HandClock(), Instruments(), Recovery()
        store = cast(Any, self.store)
        self.lookout = Lookout(store, "default", frozenset(), self.clock)
        self.watch = RecoveryWatch(
            store=store, lookout=self.lookout, tenant="default", incarnation=3, clock=self.clock, instruments=self.instruments
        )

    async def look(self, **told: str) -> None:
        self.lookout.latest = a_look(**told)
        await self.watch.look(self.lookout.latest)

    def gauge(self, **labels: str) -> float | None:
        name = "saga_recovering_unanswered_sagas" if "participant" in labels else "saga_recovering_sagas"
        return value(self.instruments.registry, name, **labels)


async def test_at_rest_nothing_is_counted() -> None:
    bench = Bench()
    await bench.look()
    await bench.look(incarnation="9", answered="9")
    assert (bench.store.counted, bench.watch.recovering) == (0, None)
    assert (bench.gauge(stage="to_ask"), bench.gauge(stage="asked")) == (0, 0)


async def test_the_incarnation_follows_the_store_and_never_falls() -> None:
    bench = Bench()
    assert bench.watch.incarnation() == 3
    for told, known in (({"incarnation": "9"}, 9), ({}, 9), ({"incarnation": "7"}, 9), ({"incarnation": "x"}, 9)):
        bench.lookout.latest = a_look(**told)
        assert bench.watch.incarnation() == known


async def test_it_counts_now_and_then_and_says_once_when_all_have_answered() -> None:
    bench = Bench()
    bench.store.waits = {"": 2, "payment": 1, "inventory,payment": 1}
    with capture_logs() as logs:
        await bench.look(incarnation="9")
        await bench.look(incarnation="9")
        assert bench.store.counted == 1
        assert (bench.gauge(stage="to_ask"), bench.gauge(stage="asked")) == (2, 2)
        assert (bench.gauge(participant="payment"), bench.gauge(participant="inventory")) == (2, 1)
        bench.store.waits = {}
        for _ in range(3):
            bench.clock.now_s += COUNT_EVERY_S
            await bench.look(incarnation="9", sagas="4")
    assert [(entry["event"], entry["sagas"]) for entry in logs] == [("recovery_goes_on", 4), ("recovery_ended", 4)]
    assert bench.gauge(participant="payment") in (0, None)
    await bench.look(incarnation="9", answered="9")
    assert bench.watch.recovering is None
