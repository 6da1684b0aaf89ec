"""Records that cannot be read, on a coordinator's topics: a dead letter each, and what comes behind
them goes its way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from saga_coordinator.store.port import DeadLetter, Store
from saga_messaging.broker import Outgoing, TopicPartition
from saga_messaging.memory import MemoryBroker
from support.coordinators import opened, running, settings_for

START = "saga.start"
LIMIT_S = 30


@pytest.fixture
async def store(sqlite_url: str) -> AsyncIterator[Store]:
    async with opened(sqlite_url) as opened_store:
        yield opened_store


async def test_a_start_that_cannot_be_read_is_a_dead_letter_with_what_is_known_of_it(store: Store, sqlite_url: str) -> None:
    broker = MemoryBroker(partitions=1)
    await broker.ensure_topics([START])
    at = TopicPartition(START, 0)
    known = Outgoing(topic=START, key=b"key", value=b"known", headers=(("h", b"x"),))
    broker.append_unreadable(at, "unreadable_record", known=known)
    broker.append_to(at, known)
    broker.append_unreadable(at, "unreadable_batch", known=known, offsets=3)
    broker.append_to(at, known)
    async with running(store, broker, settings_for(sqlite_url, roles="starts")):
        letters = await dead_letters(store, 4)
        (stored,) = (await store.positions([START])).values()
        assert (stored.next_offset, stored.last_print is None) == (6, False)
    assert [(one.offset, one.reason, one.key, one.value) for one in letters] == [
        (0, "unreadable_record", b"key", b"known"),
        (1, "header_missing", b"key", b"known"),
        (2, "unreadable_batch", b"key", b"known"),
        (5, "header_missing", b"key", b"known"),
    ]
    assert letters[2].detail.startswith("offsets 2 to 4: ")


async def test_a_position_behind_what_cannot_be_read_is_taken_up_again_and_not_taken_for_another_topic(
    store: Store, sqlite_url: str
) -> None:
    broker = MemoryBroker(partitions=1)
    await broker.ensure_topics([START])
    at = TopicPartition(START, 0)
    known = Outgoing(topic=START, key=b"key", value=b"known", headers=())
    broker.append_to(at, known)
    broker.append_unreadable(at, "unreadable_batch", known=known, offsets=3)
    for count in (2, 3):
        async with running(store, broker, settings_for(sqlite_url, roles="starts")):
            letters = await dead_letters(store, count)
        broker.append_to(at, known)
    assert [one.offset for one in letters] == [0, 1, 4]


async def dead_letters(store: Store, count: int) -> list[DeadLetter]:
    """Once there are so many, in the order of their offsets."""
    async with asyncio.timeout(LIMIT_S):
        while len(found := await store.dead_letters(before=None, limit=10)) < count:  # noqa: ASYNC110  # only asking again can tell
            await asyncio.sleep(0.02)
    return sorted(found, key=lambda letter: letter.offset)
