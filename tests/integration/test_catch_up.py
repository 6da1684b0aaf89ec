"""Catch-up is measured beside the loop that applies replies: neither takes the other's progress for
a replaced topic."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping

import pytest

from saga_coordinator.inbound.partition_reader import PartitionReader
from saga_coordinator.loops.catch_up_loop import SCOPE, VERIFY_EVERY, CatchUpLoop, CatchUpRequests
from saga_coordinator.loops.lookout import Lookout
from saga_coordinator.store.look import Look
from saga_coordinator.store.port import First, Store, Transaction
from saga_coordinator.telemetry.instruments import Instruments
from saga_messaging.broker import BrokerError, Outgoing, TopicPartition
from saga_messaging.clock import SystemClock
from saga_messaging.memory import MemoryBroker
from saga_schemas.topics import Topics
from support.coordinators import opened
from support.hand_clock import HandClock

TOPIC = "saga.reply.one"
Ends = tuple[Mapping[TopicPartition, int], Mapping[TopicPartition, int]]


async def test_replies_applied_while_the_ends_are_read_do_not_make_it_read_again(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = MemoryBroker(partitions=1)
    async with opened(sqlite_url) as store:
        reader = PartitionReader(lambda: broker.consumer(group="g"), store, SystemClock())
        await broker.ensure_topics([TOPIC])
        await reader.start()
        await reader.follow([TOPIC])
        await reply(broker)
        assert await applied(reader, store) == [0]
        read_ends = reader.ends

        async def ends_and_then_progress(positions: Iterable[TopicPartition]) -> Ends:
            found = await read_ends(positions)
            await reply(broker)
            await applied(reader, store)
            return found

        monkeypatch.setattr(reader, "ends", ends_and_then_progress)
        requests = CatchUpRequests(store, broker, Topics(), "default")
        loop = CatchUpLoop(
            store=store, lookout=lookout_of(store), reader=reader, topics=Topics(), clock=SystemClock(), instruments=Instruments()
        )
        await requests.request(["one"])
        for _ in range(VERIFY_EVERY):
            await loop.once(await looked(store))
        monkeypatch.undo()
        await reply(broker)
        assert await applied(reader, store) == [VERIFY_EVERY + 1]  # and not all from the beginning
        await reader.stop()


async def test_a_request_that_was_edited_by_hand_holds_nothing_up(sqlite_url: str) -> None:
    broker = MemoryBroker()
    async with opened(sqlite_url) as store:
        requests = CatchUpRequests(store, broker, Topics(), "default")
        for name, value in (("one", "soon"), ("two", "-1"), ("three", "")):
            async with store.transaction() as tx:
                await tx.set_control(scope=SCOPE, tenant="default", name=name, value=value, who="a hand", why="a slip")
        assert await requests.requested() == frozenset()
        await requests.request(["one"])
        assert await requests.requested() == {"one"}


def lookout_of(store: Store) -> Lookout:
    return Lookout(store, "default", frozenset({SCOPE}), SystemClock())


async def looked(store: Store) -> Look:
    return await store.look("default", frozenset({SCOPE}))


async def reply(broker: MemoryBroker) -> None:
    producer = broker.producer()
    await producer.start()
    await producer.send_all([Outgoing(topic=TOPIC, key=b"k", value=b"v", headers=())], timeout_s=1)
    await producer.stop()


async def applied(reader: PartitionReader, store: Store, at_most: int = 100) -> list[int]:
    """Offsets of what a poll brought, after they were stored."""
    records = await reader.poll(timeout_s=1, max_records=at_most)
    advances = reader.advances(records)
    async with store.transaction() as tx:
        assert await tx.advance(advances)
    await reader.applied(advances)
    return [record.offset for record in records]


async def test_what_cannot_be_measured_is_shown_to_grow_older(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, broker, instruments = HandClock(), MemoryBroker(partitions=1), Instruments()
    async with opened(sqlite_url) as store:
        reader = PartitionReader(lambda: broker.consumer(group="g"), store, SystemClock())
        await broker.ensure_topics([TOPIC])
        await reader.start()
        await reader.follow([TOPIC])
        await reader.poll(timeout_s=1, max_records=1)
        requests = CatchUpRequests(store, broker, Topics(), "default")
        loop = CatchUpLoop(
            store=store, lookout=lookout_of(store), reader=reader, topics=Topics(), clock=clock, instruments=instruments
        )

        async def away(_: Iterable[TopicPartition]) -> Ends:
            raise BrokerError("no route")

        async def shown_after(seconds: float) -> float | None:
            await clock.move(seconds)
            with contextlib.suppress(BrokerError):
                await loop.once(await looked(store))
            loop.show_age()
            return instruments.registry.get_sample_value("saga_drained_age_seconds", {"topic": TOPIC})

        await requests.request(["one"])
        assert await shown_after(1) == 0
        assert await shown_after(30) == 0
        monkeypatch.setattr(reader, "ends", away)
        assert await shown_after(40) == 40
        monkeypatch.undo()
        assert await shown_after(1) == 0
        await reader.stop()


async def test_a_partition_whose_replies_never_cease_is_drained_all_the_same(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker, instruments = MemoryBroker(partitions=1), Instruments()
    async with opened(sqlite_url) as store:
        reader = PartitionReader(lambda: broker.consumer(group="g"), store, SystemClock())
        await broker.ensure_topics([TOPIC])
        await reader.start()
        await reader.follow([TOPIC])
        await reply(broker)
        await applied(reader, store)
        begin, left = store.transaction, [3]

        @contextlib.asynccontextmanager
        async def after_more_was_applied(first: First | None = None) -> AsyncIterator[Transaction]:
            if left[0]:
                left[0] -= 1
                with monkeypatch.context() as undone:
                    undone.setattr(store, "transaction", begin)
                    await reply(broker)
                    await applied(reader, store)
            async with begin(first) as tx:
                yield tx

        requests = CatchUpRequests(store, broker, Topics(), "default")
        loop = CatchUpLoop(
            store=store, lookout=lookout_of(store), reader=reader, topics=Topics(), clock=SystemClock(), instruments=instruments
        )
        await requests.request(["one"])
        monkeypatch.setattr(store, "transaction", after_more_was_applied)
        await loop.once(await looked(store))
        monkeypatch.undo()
        assert left == [0], "three times somebody was faster"
        assert set(await requests.caught_up()) == {"one"}
        await reader.stop()


async def test_who_never_reads_to_the_end_of_now_has_read_to_that_of_a_while_ago(sqlite_url: str) -> None:
    """Under load something always lies unread, and limits act all the same."""
    broker = MemoryBroker(partitions=1)
    async with opened(sqlite_url) as store:
        reader, requests, loop = await catch_up_loop(broker, store)
        await requests.request(["one"])
        known: list[int] = []
        for _ in range(8):
            before = await store.now_us()
            await reply(broker)
            await reply(broker)
            await loop.once(await looked(store))
            caught_up = await requests.caught_up()
            known += caught_up.values()
            assert all(at_us < before for at_us in caught_up.values()), "one of the replies is not read"
            await applied(reader, store, 1 if not known else 2)
        assert len(set(known)) >= 2
        assert known == sorted(known)
        await reader.stop()


async def test_a_partition_that_ends_with_a_marker_is_drained_once_that_is_passed(sqlite_url: str) -> None:
    broker, at = MemoryBroker(partitions=2), TopicPartition(TOPIC, 0)
    async with opened(sqlite_url) as store:
        reader, requests, loop = await catch_up_loop(broker, store)
        await reply(broker)
        await applied(reader, store)
        for number in (0, 1):  # one of them has nothing but a marker
            broker.leave_gap(TopicPartition(TOPIC, number), 2)
        await requests.request(["one"])
        await loop.once(await looked(store))
        assert not await requests.caught_up()
        await reader.poll(timeout_s=0, max_records=1)
        await reader.poll(timeout_s=0, max_records=1)
        await loop.once(await looked(store))
        assert set(await requests.caught_up()) == {"one"}
        broker.hold(at, 3)
        broker.leave_gap(at, 1)  # of a transaction that is open; what lies behind it may be a reply
        asked = await store.now_us()
        await reader.poll(timeout_s=0, max_records=1)
        await loop.once(await looked(store))
        assert (await requests.caught_up())["one"] < asked
        broker.hold(at, None)
        await reader.poll(timeout_s=0, max_records=1)
        await reader.poll(timeout_s=0, max_records=1)
        await loop.once(await looked(store))
        assert (await requests.caught_up())["one"] >= asked
        await reader.stop()


async def catch_up_loop(broker: MemoryBroker, store: Store) -> tuple[PartitionReader, CatchUpRequests, CatchUpLoop]:
    """A reader of the topic that has taken its partitions, and what measures how far it is."""
    reader = PartitionReader(lambda: broker.consumer(group="g"), store, SystemClock())
    await broker.ensure_topics([TOPIC])
    await reader.start()
    await reader.follow([TOPIC])
    requests = CatchUpRequests(store, broker, Topics(), "default")
    loop = CatchUpLoop(
        store=store, lookout=lookout_of(store), reader=reader, topics=Topics(), clock=SystemClock(), instruments=Instruments()
    )
    return reader, requests, loop
