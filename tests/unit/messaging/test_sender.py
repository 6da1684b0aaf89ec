"""The Sender against a broker in memory, by a clock that is moved by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from saga_messaging.background import end
from saga_messaging.broker import Outgoing
from saga_messaging.memory import MemoryBroker
from saga_messaging.sender import UNHEALTHY_AFTER, Dispatch, Sender
from support.hand_clock import HandClock, settle

TOPIC = "saga.cmd.payment"


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def broker(clock: HandClock) -> MemoryBroker:
    broker = MemoryBroker(clock, partitions=3, max_message_bytes=1_000)
    await broker.ensure_topics([TOPIC])
    return broker


@pytest.fixture
def sender(broker: MemoryBroker, clock: HandClock) -> Sender[int]:
    return Sender(broker, clock, max_rows=100, max_bytes=100_000, jitter=lambda: 0.0)


@asynccontextmanager
async def running(sender: Sender[int]) -> AsyncIterator[None]:
    loop = asyncio.create_task(sender.run())
    try:
        await settle()
        yield
        await settle()
    finally:
        await end((loop,))


def item(ticket: int, *, key: bytes = b"saga", value: bytes | None = None, topic: str = TOPIC) -> Dispatch[int]:
    record = Outgoing(topic=topic, key=key, value=value if value is not None else b"%d" % ticket, headers=())
    return Dispatch(ticket=ticket, record=record)


def values(broker: MemoryBroker) -> list[int]:
    return [int(record.value or b"") for record in broker.records(TOPIC)]


async def test_what_is_offered_is_sent_in_order_and_acknowledged(sender: Sender[int], broker: MemoryBroker) -> None:
    async with running(sender):
        assert sender.offer([item(n) for n in range(10)]) == 10
        await sender.wait_settled()
        assert sender.take_acked(4) == [0, 1, 2, 3]
        assert sender.take_acked(100) == [4, 5, 6, 7, 8, 9]
    assert values(broker) == list(range(10))
    assert (sender.sent, sender.dropped, sender.depth, sender.queued_bytes) == (10, 0, 0, 0)


async def test_a_ticket_is_known_until_its_deletion_is_known_to_have_committed(sender: Sender[int], broker: MemoryBroker) -> None:
    async with running(sender):
        sender.offer([item(1)])
        await settle()
        assert sender.offer([item(1)]) == 1  # the sweeper still sees the row
        tickets = sender.take_acked(10)
        assert sender.offer([item(1)]) == 1
        sender.give_back(tickets)  # the commit failed
        assert sender.take_acked(10) == [1]
        sender.forget([1])
        await settle()
        assert values(broker) == [1]
        sender.offer([item(1)])
    assert values(broker) == [1, 1]


async def test_a_ticket_that_was_not_taken_is_not_forgotten(sender: Sender[int]) -> None:
    async with running(sender):
        sender.offer([item(1)])
        await settle()
        sender.forget([1, 99])
        assert sender.take_acked(10) == [1]


async def test_what_does_not_fit_is_dropped_from_the_first_that_does_not_fit_on(broker: MemoryBroker, clock: HandClock) -> None:
    by_rows: Sender[int] = Sender(broker, clock, max_rows=3, max_bytes=100_000)
    assert by_rows.offer([item(n) for n in range(5)]) == 3
    assert (by_rows.depth, by_rows.dropped) == (3, 2)
    by_bytes: Sender[int] = Sender(broker, clock, max_rows=100, max_bytes=1_000)
    assert by_bytes.offer([item(0), item(1, value=b"x" * 900), item(2)]) == 1
    assert by_bytes.queued_bytes <= 1_000


async def test_what_waited_longer_than_the_window_is_dropped_and_may_be_offered_again(
    sender: Sender[int], broker: MemoryBroker, clock: HandClock
) -> None:
    sender.offer([item(1)])
    await clock.move(4)
    sender.offer([item(2)])
    await clock.move(1.5)
    async with running(sender):
        await settle()
        assert values(broker) == [2]
        assert (sender.dropped, sender.offer([item(1)])) == (1, 1)
    assert sorted(values(broker)) == [1, 2]


async def test_a_lost_acknowledgement_replaces_the_producer_and_sends_again_in_order(
    sender: Sender[int], broker: MemoryBroker, clock: HandClock
) -> None:
    broker.faults.drop_acks = 3
    async with running(sender):
        sender.offer([item(n) for n in range(5)])
        await settle()
        assert sender.take_acked(10) == [3, 4]
        await clock.move(0.1)
        assert sender.take_acked(10) == [0, 1, 2]
    assert values(broker) == [0, 1, 2, 3, 4, 0, 1, 2]
    assert sender.replaced == 1


async def test_a_lost_record_is_not_reported_as_sent(sender: Sender[int], broker: MemoryBroker, clock: HandClock) -> None:
    broker.faults.lose = 1_000
    async with running(sender):
        sender.offer([item(1)])
        for _ in range(20):
            await clock.move(1)
        assert sender.take_acked(10) == []
    assert (sender.sent, sender.dropped, sender.depth, sender.queued_bytes) == (0, 1, 0, 0)


async def test_retries_pause_longer_each_time(sender: Sender[int], broker: MemoryBroker, clock: HandClock) -> None:
    broker.faults.unreachable = True
    async with running(sender):
        for pause_s, attempts in ((0.1, 1), (0.2, 2), (0.4, 3), (0.8, 4)):
            assert sender.replaced == attempts
            await clock.move(pause_s * 0.99)
            assert sender.replaced == attempts
            await clock.move(pause_s * 0.02)


async def test_an_unhealthy_sender_drops_offers_until_the_broker_is_back(
    sender: Sender[int], broker: MemoryBroker, clock: HandClock
) -> None:
    broker.faults.unreachable = True
    async with running(sender):
        assert sender.offer([item(1)]) == 1  # one failure is no outage
        for _ in range(UNHEALTHY_AFTER):
            await clock.move(1)
        assert not sender.healthy
        assert sender.offer([item(2)]) == 0
        broker.faults.unreachable = False
        for _ in range(10):
            await clock.move(5)
        assert sender.healthy
        assert sender.offer([item(3)]) == 1
        await settle()
        assert sender.take_acked(10) == [3]


async def test_a_refused_record_stands_aside_alone(sender: Sender[int], broker: MemoryBroker) -> None:
    async with running(sender):
        sender.offer([item(1), item(2, value=b"x" * 2_000), item(3), item(4, topic="missing"), item(5)])
        await settle()
        refused = sender.take_refused()
        assert [(refusal.ticket, refusal.record.topic) for refusal in refused] == [(2, TOPIC), (4, "missing")]
        assert "larger" in refused[0].reason
        assert sender.take_acked(10) == [1, 3, 5]
        assert sender.offer([item(2)]) == 1  # taken: its owner may try again
        await settle()
        assert sender.take_acked(10) == [2]
    assert (sender.refused, sender.replaced) == (2, 0)


async def test_draining_waits_for_what_is_in_hand_and_no_longer_than_told(
    sender: Sender[int], broker: MemoryBroker, clock: HandClock
) -> None:
    assert await sender.drain(0)  # nothing in hand
    broker.faults.delay_s = 1.0
    async with running(sender):
        sender.offer([item(1)])
        drained = asyncio.create_task(sender.drain(10))
        await settle()
        assert not drained.done()
        await clock.move(1)
        assert await drained
        sender.offer([item(2)])
        too_short = asyncio.create_task(sender.drain(0.5))
        await settle()
        await clock.move(0.5)
        assert not await too_short


async def test_the_age_of_the_oldest_and_the_depth_are_told(sender: Sender[int], clock: HandClock) -> None:
    assert (sender.oldest_age_s, sender.depth) == (0.0, 0)
    sender.offer([item(1)])
    await clock.move(2)
    sender.offer([item(2)])
    assert (sender.oldest_age_s, sender.depth) == (2.0, 2)


async def test_batches_overlap_and_keep_their_order(broker: MemoryBroker, clock: HandClock) -> None:
    sender: Sender[int] = Sender(broker, clock, max_rows=10_000, max_bytes=10_000_000)
    broker.faults.delay_s = 1.0
    async with running(sender):
        sender.offer([item(n) for n in range(1_200)])
        await settle()
        await clock.move(1)  # one delay is enough for three batches: they were in flight together
        assert sender.acked == 1_200
    assert values(broker) == list(range(1_200))


async def test_a_stopped_loop_closes_its_producer(sender: Sender[int]) -> None:
    async with running(sender):
        sender.offer([item(1)])
    assert sender.sent == 1
