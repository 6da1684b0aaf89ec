"""One look serves all loops that wait; at rest looks are rare until something is committed here."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from saga_coordinator.loops.lookout import AT_REST_S, AT_WORK_S, LEAST_S, Lookout, Looks
from saga_coordinator.store.look import Look
from saga_coordinator.store.port import StoreError
from support.hand_clock import HandClock, settle


class Looked:
    """A store that counts looks."""

    def __init__(self) -> None:
        self.count, self.open, self.away = 0, False, False

    async def look(self, _tenant: str, _scopes: frozenset[str]) -> Look:
        self.count += 1
        if self.away:
            raise StoreError("no route")
        return Look(
            now_us=self.count,
            next_due_us=5 if self.open else None,
            inbox=False,
            outbox=False,
            letters=False,
            spans=False,
            registered="",
            control={},
        )


class Bench:
    def __init__(self) -> None:
        self.clock, self.store = HandClock(), Looked()
        self.lookout = Lookout(cast(Any, self.store), "default", frozenset(), self.clock)

    async def first(self, looks: Looks) -> None:
        assert (await looks.next()).now_us == 1


@pytest.fixture
def bench() -> Bench:
    return Bench()


async def waiting(*looks: Looks) -> list[asyncio.Task[Look]]:
    tasks = [asyncio.create_task(each.next()) for each in looks]
    await settle()
    return tasks


@pytest.mark.parametrize(("is_open", "every_s"), [(False, AT_REST_S), (True, AT_WORK_S)], ids=["at rest", "at work"])
async def test_all_who_wait_get_the_same_look_in_its_time(bench: Bench, is_open: bool, every_s: float) -> None:
    bench.store.open = is_open
    looks = [bench.lookout.looks() for _ in range(3)]
    for each in looks:
        await bench.first(each)
    tasks = await waiting(*looks)
    await bench.clock.move(every_s - 0.01)
    assert not any(task.done() for task in tasks)
    await bench.clock.move(0.02)
    assert [task.result().now_us for task in tasks] == [2, 2, 2]


async def test_a_loop_that_was_busy_gets_the_look_that_it_missed_at_once(bench: Bench) -> None:
    busy, other = bench.lookout.looks(), bench.lookout.looks()
    await bench.first(busy)
    await bench.first(other)
    (task,) = await waiting(other)
    await bench.clock.move(AT_REST_S)
    assert task.done()
    assert (await busy.next()).now_us == 2


async def test_a_commit_ends_the_rest_but_not_more_often_than_the_least_pause(bench: Bench) -> None:
    looks = bench.lookout.looks()
    await bench.first(looks)
    (task,) = await waiting(looks)
    bench.lookout.stir()
    await settle()
    assert not task.done()
    await bench.clock.move(LEAST_S)
    assert task.result().now_us == 2
    (task,) = await waiting(looks)
    await bench.clock.move(AT_REST_S - 0.01)
    assert not task.done(), "one commit ends one rest"
    task.cancel()


async def test_commits_at_work_change_nothing(bench: Bench) -> None:
    bench.store.open = True
    looks = bench.lookout.looks()
    await bench.first(looks)
    bench.lookout.stir()
    (task,) = await waiting(looks)
    await bench.clock.move(LEAST_S * 2)
    assert not task.done()
    task.cancel()


async def test_a_store_that_is_away_is_told_to_all_once_a_round(bench: Bench) -> None:
    looks = [bench.lookout.looks() for _ in range(2)]
    for each in looks:
        await bench.first(each)
    bench.store.away = True
    tasks = await waiting(*looks)
    await bench.clock.move(AT_REST_S)
    for task in tasks:
        with pytest.raises(StoreError):
            await task
    assert bench.store.count == 2
    bench.store.away = False
    tasks = await waiting(*looks)
    await bench.clock.move(AT_WORK_S)
    assert [task.result().now_us for task in tasks] == [3, 3]


async def test_the_look_goes_on_when_who_asked_for_it_is_ended(bench: Bench) -> None:
    ended, other = bench.lookout.looks(), bench.lookout.looks()
    await bench.first(ended)
    await bench.first(other)
    asking, waits = await waiting(ended, other)
    asking.cancel()
    await settle()
    await bench.clock.move(AT_REST_S)
    assert waits.result().now_us == 2
