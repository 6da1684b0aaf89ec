"""Dead letters go to their topic as fast as the broker takes them, and what it does not take holds
up no other."""

from __future__ import annotations

import pytest

from saga_coordinator.inbound import dead_letter_relay
from saga_coordinator.inbound.dead_letter_relay import AT_ONCE, DeadLetterRelay
from saga_coordinator.inbound.dead_letters import dead_letter
from saga_coordinator.store.port import Store
from saga_messaging.broker import BrokerError, Record
from saga_messaging.memory import MemoryBroker
from saga_schemas.errors import BadMessage
from saga_schemas.topics import Topics
from support.coordinators import opened, running, settings_for
from support.hand_clock import HandClock
from support.orders import until

DLQ = Topics().dlq("replies")


async def fill(store: Store, count: int, *, value: bytes = b"v") -> None:
    async with store.transaction() as tx:
        await tx.add_dead_letters(
            [dead_letter("replies", record(offset, value), BadMessage("bad_framing"), tx.now_us) for offset in range(count)]
        )


def record(offset: int, value: bytes) -> Record:
    return Record(topic="saga.reply.one", partition=0, offset=offset, timestamp_ms=0, key=b"k", value=value, headers=())


async def left(store: Store) -> int:
    return len(await store.unrelayed_dead_letters(after=None, limit=10_000))


@pytest.fixture
async def broker() -> MemoryBroker:
    made = MemoryBroker()
    await made.ensure_topics([DLQ])
    return made


async def test_one_look_relays_all_there_are(sqlite_url: str, broker: MemoryBroker) -> None:
    async with opened(sqlite_url) as store:
        await fill(store, 12 * AT_ONCE + 7)
        await DeadLetterRelay(store, broker, Topics(), HandClock()).look()
        assert await left(store) == 0
        assert len(broker.records(DLQ)) == 12 * AT_ONCE + 7


async def test_a_look_ends_when_its_time_is_over_and_the_next_one_goes_on(
    sqlite_url: str, broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letter_relay, "LOOK_S", 0.0)
    async with opened(sqlite_url) as store:
        await fill(store, 3 * AT_ONCE)
        relay = DeadLetterRelay(store, broker, Topics(), HandClock())
        for still in (2, 1, 0):
            await relay.look()
            assert await left(store) == still * AT_ONCE


async def test_a_letter_that_is_refused_is_said_and_passed(sqlite_url: str, broker: MemoryBroker) -> None:
    broker.max_message_bytes = 1_000
    async with opened(sqlite_url) as store:
        await fill(store, 3, value=b"x" * 2_000)
        await fill(store, 3 * AT_ONCE)
        relay = DeadLetterRelay(store, broker, Topics(), HandClock())
        with pytest.raises(BrokerError):
            await relay.look()
        assert await left(store) == 3
        broker.max_message_bytes = 1_000_000
        await relay.look()
        await relay.look()
        assert await left(store) == 0


async def test_a_letter_that_its_topic_will_not_take_takes_no_instance_out_of_service(sqlite_url: str) -> None:
    broker = MemoryBroker()
    async with opened(sqlite_url) as store, running(store, broker, settings_for(sqlite_url)) as instance:
        broker.max_message_bytes = 1_000
        await fill(store, 1, value=b"x" * 2_000)
        registry = instance.coordinator.instruments.registry

        async def told() -> bool:
            return registry.get_sample_value("saga_watchdog_trouble", {"what": "dead_letters"}) == 1

        await until(told, 30, "the gauge")
        assert await instance.coordinator.ready() == []
