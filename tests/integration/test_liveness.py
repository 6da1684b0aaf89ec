"""The grace of a limit counts only time in which a coordinator lived and could send: an outage of
everything turns no saga back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from uuid import UUID

import pytest

from saga_coordinator.loops import liveness, lookout
from saga_coordinator.loops.liveness import Liveness
from saga_coordinator.loops.lookout import Lookout
from saga_coordinator.store.look import Look
from saga_coordinator.store.port import Store
from saga_coordinator.telemetry.instruments import Instruments
from saga_messaging.background import end
from saga_messaging.clock import SystemClock
from saga_messaging.memory import MemoryBroker
from support.coordinators import closed, opened, register, running, saga_of, settings_for, start
from support.scripted import ScriptedParticipant, catalog_of, eventually

SAGAS = 10
GRACE_S = 2.0
DEFINITION = """
saga: limited
version: 1
input: t.Input
steps:
  - {name: one, participant: one, command: t.Do, compensation: none, timeout: {step: 1s, reask: 1s}}
  - {name: two, participant: one, command: t.Do, compensation: none}
"""


async def probed_or_over(store: Store, ids: list[UUID], after: int) -> bool:
    """Each saga was probed later than that, or has gone back."""
    sagas = [await saga_of(store, saga_id) for saga_id in ids]
    return all(saga.phase != "RUNNING" or (saga.steps["one"].probed_at_us or 0) > after for saga in sagas)


async def test_participants_that_come_back_after_the_coordinators_are_in_time(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "LAPSE_US", 1_500_000)
    broker = MemoryBroker()
    async with opened(sqlite_url) as store:
        await register(store, DEFINITION, catalog_of("t.Input", "t.Do"))
        async with running(store, broker, settings_for(sqlite_url)) as instance:
            ids = [await start(instance, "limited", {"id": str(n)}) for n in range(SAGAS)]
            await eventually(lambda: probed_or_over(store, ids, 0))
        down_at = await store.now_us()
        await asyncio.sleep(GRACE_S + 0.5)  # everything is down for longer than the grace
        async with running(store, broker, settings_for(sqlite_url)) as instance:
            await eventually(lambda: probed_or_over(store, ids, down_at))
            answering = asyncio.create_task(ScriptedParticipant(broker, "one").run())
            assert {await closed(instance, saga_id) for saga_id in ids} == {"COMPLETED"}
            await end([answering])


async def test_a_probe_that_could_not_leave_proves_nothing(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(liveness, "LAPSE_US", 1_500_000)
    broker = MemoryBroker()
    async with opened(sqlite_url) as store:
        await register(store, DEFINITION, catalog_of("t.Input", "t.Do"))
        async with running(store, broker, settings_for(sqlite_url)) as instance:
            ids = [await start(instance, "limited", {"id": str(n)}) for n in range(SAGAS)]
            broker.faults.unreachable = True
            await asyncio.sleep(1 + GRACE_S + 1)  # the limit passes, and more than a grace
            back_at = await store.now_us()
            broker.faults.unreachable = False
            await eventually(lambda: probed_or_over(store, ids, back_at))
            answering = asyncio.create_task(ScriptedParticipant(broker, "one").run())
            assert {await closed(instance, saga_id) for saga_id in ids} == {"COMPLETED"}
            await end([answering])


def life_of(
    store: Store, broker: MemoryBroker, sends: Callable[[], bool] = lambda: True, instruments: Instruments | None = None
) -> Liveness:
    return Liveness(
        store=store,
        lookout=lookout_of(store),
        broker=broker,
        sends=sends,
        tenant="default",
        who="test",
        instruments=instruments or Instruments(),
    )


def lookout_of(store: Store) -> Lookout:
    return Lookout(store, "default", frozenset({liveness.SCOPE}), SystemClock())


async def looked(store: Store) -> Look:
    return await store.look("default", frozenset({liveness.SCOPE}))


async def nobody_for(store: Store, seconds: float) -> None:
    """As if the last beat of anybody were so old."""
    async with store.transaction() as tx:
        seen = str(tx.now_us - int(seconds * 1e6))
        await tx.set_control(scope=liveness.SCOPE, tenant="default", name="seen_at", value=seen, who="test", why="time went on")


async def test_a_life_is_shared_by_all_who_beat_and_ends_with_the_last(sqlite_url: str) -> None:
    broker = MemoryBroker()
    async with opened(sqlite_url) as store:
        first, second = life_of(store, broker), life_of(store, broker)
        assert first.seen_at_us is None
        await first.beat(look := await looked(store))
        assert first.seen_at_us == look.now_us
        began = first.since_us(await store.now_us())
        assert began is not None
        await nobody_for(store, 4)
        await second.beat(await looked(store))
        assert second.since_us(await store.now_us()) == began, "four seconds are no lapse"
        await nobody_for(store, 60)
        await second.beat(await looked(store))
        again = second.since_us(await store.now_us())
        assert again is not None
        assert again > began
        await first.beat(await looked(store))
        assert first.since_us(await store.now_us()) == again


async def test_beats_that_fail_by_a_bug_are_counted_and_named_until_they_go_again(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookout, "AT_REST_S", 0.0)
    instruments = Instruments()

    async def bug(*_: object, **named: object) -> dict[str, str]:
        raise ValueError("a bug")

    async with opened(sqlite_url) as store:
        note = store.note
        monkeypatch.setattr(store, "note", bug)
        mine = life_of(store, MemoryBroker(), instruments=instruments)
        beating = asyncio.create_task(mine.run())
        await eventually(lambda: named(instruments, True))
        assert (instruments.registry.get_sample_value("saga_loop_failures_total", {"loop": liveness.LOOP}) or 0) >= 3
        assert "ValueError" in instruments.loops.stuck()[liveness.LOOP]
        monkeypatch.setattr(store, "note", note)
        await eventually(lambda: named(instruments, False))
        await end([beating])


async def named(instruments: Instruments, wanted: bool) -> bool:
    return (liveness.LOOP in instruments.loops.stuck()) is wanted


@pytest.mark.parametrize(("name", "value"), [("seen_at", "today"), ("alive_since", ""), ("alive_since", "9" * 18)])
async def test_a_beat_that_was_edited_by_hand_begins_a_new_life(sqlite_url: str, name: str, value: str) -> None:
    async with opened(sqlite_url) as store:
        await life_of(store, MemoryBroker()).beat(await looked(store))
        async with store.transaction() as tx:
            await tx.set_control(scope=liveness.SCOPE, tenant="default", name=name, value=value, who="a hand", why="a slip")
        before = await store.now_us()
        mine = life_of(store, MemoryBroker())
        await mine.beat(await looked(store))
        since_us = mine.since_us(await store.now_us())
        assert since_us is not None
        assert before <= since_us <= await store.now_us()


async def test_who_has_not_beaten_for_long_knows_nothing(sqlite_url: str) -> None:
    async with opened(sqlite_url) as store:
        mine = life_of(store, MemoryBroker())
        assert mine.since_us(await store.now_us()) is None
        await mine.beat(await looked(store))
        assert mine.since_us(await store.now_us() + liveness.LAPSE_US + 1) is None, "as after it was suspended"


@pytest.mark.parametrize("how", ["broker", "sender"])
async def test_who_cannot_send_does_not_live(sqlite_url: str, how: str) -> None:
    broker = MemoryBroker()
    async with opened(sqlite_url) as store:
        mine = life_of(store, broker, lambda: how != "sender")
        broker.faults.unreachable = how == "broker"
        beating = asyncio.create_task(mine.run())
        await asyncio.sleep(0)
        await eventually(lambda: _says_trouble(mine))
        assert await store.control(liveness.SCOPE, "default") == {}
        assert mine.since_us(await store.now_us()) is None
        await end([beating])


async def _says_trouble(mine: Liveness) -> bool:
    return bool(mine.trouble)
