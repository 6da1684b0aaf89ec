"""One bad schedule, or one bad saga in the way of a tick, costs no other anything."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from saga_coordinator.calendar.zones import tzdata_version
from saga_coordinator.loops.hold_limit import CALM_TURNS, LONGEST_S, SHORTEST_S, HoldLimit
from saga_coordinator.loops.schedules import ASIDE_S, LEFT_S, LOOK_S, ScheduleLoop
from saga_coordinator.schedules.turn import Ending
from saga_coordinator.schedules.turns import SCHEDULES_MOST, TURN_STARTS
from saga_coordinator.store.port import StoreError
from saga_coordinator.telemetry.instruments import Instruments
from support.hand_clock import HandClock

BAD, GOOD = UUID(int=1), UUID(int=2)


class Sagas:
    """Ends sagas; one of them meets a bug."""

    def __init__(self) -> None:
        self.ended: list[UUID] = []

    async def act(self, saga_id: UUID, *_: object) -> None:
        if saga_id == BAD:
            raise ZeroDivisionError
        self.ended.append(saga_id)


class Store:
    """Schedules that are due, all the time."""

    def __init__(self, *names: str) -> None:
        self.rows = [SimpleNamespace(id=UUID(int=place), name=name, wake_at_us=0) for place, name in enumerate(names)]
        self.asked_for_ended: list[bool] = []

    async def schedules_to_turn(self, _tenant: str, *, limit: int, ended: bool) -> tuple[list[Any], int | None, int]:
        self.asked_for_ended.append(ended)
        return [row for row in self.rows[:limit] if ended or row.wake_at_us is not None], None, 0

    async def schedule_counts(self, _tenant: str) -> Any:
        return SimpleNamespace(active=0, paused=0, attention=0, overdue=0, due_since_us=None, backfills=0, now_us=0)

    async def control(self, *_: object) -> dict[str, str]:
        return {"tzdata": tzdata_version()}


class Turns:
    """Takes the turns of all but one."""

    def __init__(self) -> None:
        self.asked: list[set[str]] = []
        self.silent_s: list[float] = []

    async def run(self, rows: list[Any], _seen_at_us: int, *, limit: int, silent_s: float) -> list[Any]:
        self.asked.append({row.name for row in rows})
        self.silent_s.append(silent_s)
        return [SimpleNamespace(row=row, endings=[], begun=[]) for row in rows if row.name != "held"]


class FewAtOnce(Turns):
    """Takes as many at once as the real one does."""

    async def run(self, rows: list[Any], seen_at_us: int, *, limit: int, silent_s: float) -> list[Any]:
        return (await super().run(rows, seen_at_us, limit=limit, silent_s=silent_s))[:limit]


def loop(clock: HandClock, **parts: Any) -> ScheduleLoop:
    made: dict[str, Any] = {"store": Store(), "turns": Turns(), "operating": Sagas(), **parts}
    return ScheduleLoop(**made, tenant="default", clock=clock, instruments=Instruments())


async def test_a_saga_that_cannot_be_ended_keeps_no_other_from_its_end() -> None:
    sagas = Sagas()
    turn: Any = SimpleNamespace(
        row=SimpleNamespace(name="nightly"), endings=[Ending(saga_id=saga, how="terminate", at_us=0) for saga in (BAD, GOOD)]
    )
    await loop(HandClock(), operating=sagas)._end_others([turn])
    assert sagas.ended == [GOOD]


async def test_a_schedule_that_others_hold_is_tried_for_a_time_however_often_that_is_and_then_left_alone() -> None:
    clock, turns = HandClock(), Turns()
    one = loop(clock, store=Store("held", "free"), turns=turns)
    for _ in range(1_000):
        await one._look()
    assert turns.asked[-1] == {"held", "free"}, "no time has passed"
    clock.now_s += LEFT_S
    await one._look()
    await one._look()
    assert turns.asked[-1] == {"free"}
    clock.now_s += ASIDE_S
    await one._look()
    assert turns.asked[-1] == {"held", "free"}


async def test_one_look_is_enough_for_all_that_it_found() -> None:
    names, turns = [f"s-{n}" for n in range(2 * SCHEDULES_MOST + 1)], FewAtOnce()
    assert await loop(HandClock(), store=Store(*names), turns=turns)._look() == 0.0
    assert [len(asked) for asked in turns.asked] == [2 * SCHEDULES_MOST + 1, SCHEDULES_MOST + 1, 1]


async def test_one_that_has_ended_sagas_only_is_left_alone_as_well() -> None:
    """It comes with one look in many."""
    clock, turns, store = HandClock(), Turns(), Store("held", "free")
    store.rows[0].wake_at_us = None
    one = loop(clock, store=store, turns=turns)
    for _ in range(int(LEFT_S / LOOK_S) + 1):
        for _ in range(3):
            await one._look()
        clock.now_s += LOOK_S
    await one._look()
    assert store.asked_for_ended[-1]
    assert turns.asked[-1] == {"free"}


async def test_another_wake_up_of_a_schedule_that_others_hold_is_waited_for_anew() -> None:
    """Others take its turns, and always before this instance."""
    clock, turns, store = HandClock(), Turns(), Store("held")
    one = loop(clock, store=store, turns=turns)
    for second in range(4):
        store.rows[0].wake_at_us = second
        await one._look()
        clock.now_s += LEFT_S / 2
    assert len(turns.asked) == 4


async def test_it_looks_once_a_second_for_sagas_that_have_ended_and_as_often_as_it_likes_for_what_is_due() -> None:
    clock, store = HandClock(), Store("free")
    one = loop(clock, store=store)
    for _ in range(3):
        await one._look()
    clock.now_s += LOOK_S
    await one._look()
    assert store.asked_for_ended == [True, False, False, True]


async def test_a_look_for_what_is_due_puts_off_none_for_ended_sagas() -> None:
    clock, store = HandClock(), Store()
    one = loop(clock, store=store)
    began_s = clock.now_s
    assert await one._look() == LOOK_S
    clock.now_s += 0.75 * LOOK_S
    clock.now_s += await one._look()
    await one._look()
    assert clock.now_s == began_s + LOOK_S
    assert store.asked_for_ended == [True, False, True]


class SlowTurns(Turns):
    """So slow that the database ends those that may be silent for the shortest time only."""

    def __init__(self, clock: HandClock) -> None:
        super().__init__()
        self._clock = clock

    async def run(self, rows: list[Any], seen_at_us: int, *, limit: int, silent_s: float) -> list[Any]:
        turns = await super().run(rows, seen_at_us, limit=limit, silent_s=silent_s)
        self._clock.now_s += 1.5 * SHORTEST_S
        if silent_s < 1.5 * SHORTEST_S:
            raise StoreError("the connection was closed in the middle of an operation")
        return turns


async def test_a_machine_too_slow_for_its_turns_gets_more_time_and_takes_them() -> None:
    clock = HandClock()
    turns = SlowTurns(clock)
    one = loop(clock, store=Store("free"), turns=turns)
    with pytest.raises(StoreError):
        await one._look()
    await one._look()
    assert turns.silent_s == [SHORTEST_S, 2 * SHORTEST_S]


def test_a_turn_that_was_lost_is_tried_again_soon_and_a_database_that_is_away_less_and_less_often() -> None:
    one = loop(HandClock())
    pauses = [one._trouble(StoreError("the connection was closed in the middle of an operation")) for _ in range(10)]
    assert pauses == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10, 10]


def test_a_machine_too_slow_for_the_longest_time_takes_fewer_schedules_at_once_down_to_one() -> None:
    hold = HoldLimit()
    while hold.seconds < LONGEST_S:
        hold.failed(60.0)
    assert hold.schedules == SCHEDULES_MOST, "more time comes first"
    hold.failed(60.0)
    assert hold.schedules == SCHEDULES_MOST // 2
    for _ in range(10):
        hold.failed(60.0)
    assert hold.schedules == 1
    for _ in range(10 * CALM_TURNS):
        hold.done()
    assert hold.schedules == SCHEDULES_MOST


async def test_a_look_goes_on_with_as_many_schedules_at_once_as_the_machine_can_do() -> None:
    turns = FewAtOnce()
    one = loop(HandClock(), store=Store("a", "b", "c"), turns=turns)
    one._hold.schedules = 1
    await one._look()
    assert [len(asked) for asked in turns.asked] == [3, 2, 1]


class OneStartsAll(Turns):
    """The first schedule has as many ticks as one turn may start."""

    async def run(self, rows: list[Any], seen_at_us: int, *, limit: int, silent_s: float) -> list[Any]:
        [first, *_] = await super().run(rows, seen_at_us, limit=limit, silent_s=silent_s)
        first.begun = [None] * TURN_STARTS
        return [first]


async def test_schedules_for_which_a_turn_had_no_room_take_theirs_in_the_same_look() -> None:
    turns = OneStartsAll()
    one = loop(HandClock(), store=Store("a", "b", "c"), turns=turns)
    await one._look()
    assert turns.asked == [{"a", "b", "c"}, {"b", "c"}, {"c"}]
    assert one._left_since_s == {}, "none is left to others"


def test_the_time_for_a_turn_is_bounded_and_short_again_after_many_that_ended_well() -> None:
    hold = HoldLimit()
    for _ in range(10):
        hold.failed(60.0)
    assert hold.seconds == LONGEST_S
    hold.failed(0.1)  # the database was away: that says nothing
    for _ in range(10 * CALM_TURNS):
        hold.done()
    assert hold.seconds == SHORTEST_S


async def test_a_look_that_takes_no_turn_says_nothing_of_the_time_for_one() -> None:
    one = loop(HandClock(), store=Store("held"))
    one._hold.failed(60.0)
    for _ in range(2 * CALM_TURNS):
        await one._look()
    assert one._hold.seconds == 2 * SHORTEST_S
