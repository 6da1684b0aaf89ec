"""Commands in hand: keys side by side, order per key, and offsets that never pass an unfinished
command."""

from __future__ import annotations

import asyncio

import pytest

from saga_messaging.background import end
from saga_messaging.broker import Record, TopicPartition
from saga_participant.consuming.keyed_workers import Deferred, KeyedWorkers, OffsetTracker, uncommitted_offsets
from saga_schemas.headers.names import STEP

AT = TopicPartition("commands", 0)


def record(offset: int, key: str, step: str | None = None) -> Record:
    headers = () if step is None else ((STEP, step.encode()),)
    return Record(
        topic=AT.topic, partition=AT.partition, offset=offset, timestamp_ms=0, key=key.encode(), value=None, headers=headers
    )


class Work:
    """Begins what it is given and waits to be told to finish."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.doors: dict[int, asyncio.Event] = {}

    async def __call__(self, one: Record) -> None:
        self.begun.append(one.offset)
        await self.doors.setdefault(one.offset, asyncio.Event()).wait()

    def finish(self, offset: int) -> None:
        self.doors.setdefault(offset, asyncio.Event()).set()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_keys_run_side_by_side_and_a_key_in_order() -> None:
    work, tracker = Work(), OffsetTracker(0)
    workers = KeyedWorkers(work, workers=3, capacity=10)
    running = asyncio.ensure_future(workers.run())
    for offset, key in enumerate("abac"):
        workers.put(record(offset, key), tracker)
    await settle()
    assert work.begun == [0, 1, 3], "the second of a waits for the first"
    work.finish(1)
    await settle()
    assert tracker.finished_up_to == 0, "offset 0 is still at work"
    work.finish(0)
    await settle()
    assert work.begun == [0, 1, 3, 2]
    assert tracker.finished_up_to == 2
    work.finish(2)
    work.finish(3)
    await workers.wait_until_idle()
    assert uncommitted_offsets({AT: tracker}, {AT: 2}) == {AT: 4}
    assert uncommitted_offsets({AT: tracker}, {AT: 4}) == {}
    running.cancel()


async def test_steps_of_one_saga_run_side_by_side_and_a_step_in_order() -> None:
    work, tracker = Work(), OffsetTracker(0)
    workers = KeyedWorkers(work, workers=4, capacity=10)
    running = asyncio.ensure_future(workers.run())
    for offset, step in enumerate(["pay", "ship", "pay", None]):
        workers.put(record(offset, "a", step), tracker)
    await settle()
    assert work.begun == [0, 1, 3]
    for offset in range(4):
        work.finish(offset)
    await workers.wait_until_idle()
    assert work.begun == [0, 1, 3, 2]
    await end([running])


async def test_what_is_put_off_gives_worker_and_key_free_and_stays_unfinished_until_it_was_done() -> None:
    until: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    begun: list[int] = []

    async def work(one: Record) -> Deferred | None:
        begun.append(one.offset)
        return Deferred(until=until) if one.offset == 0 and not until.done() else None

    workers, tracker = KeyedWorkers(work, workers=1, capacity=10), OffsetTracker(0)
    running = asyncio.ensure_future(workers.run())
    for offset, key in enumerate("aab"):
        workers.put(record(offset, key), tracker)
    await settle()
    assert (begun, workers.in_hand, tracker.finished_up_to) == ([0, 2, 1], 1, 0)
    until.set_result(None)
    await workers.wait_until_idle()
    assert (begun, tracker.finished_up_to) == ([0, 2, 1, 0], 3)
    running.cancel()


async def test_no_more_is_taken_than_there_is_room_for() -> None:
    work, tracker = Work(), OffsetTracker(0)
    workers = KeyedWorkers(work, workers=1, capacity=2)
    running = asyncio.ensure_future(workers.run())
    workers.put(record(0, "a"), tracker)
    workers.put(record(1, "b"), tracker)
    assert workers.room == 0
    waiting = asyncio.ensure_future(workers.wait_for_room())
    await settle()
    assert not waiting.done()
    work.finish(0)
    await settle()
    assert waiting.done()
    assert workers.room == 1
    running.cancel()


async def test_what_is_cancelled_at_work_stays_unfinished() -> None:
    work, tracker = Work(), OffsetTracker(7)
    workers = KeyedWorkers(work, workers=1, capacity=2)
    running = asyncio.ensure_future(workers.run())
    workers.put(record(7, "a"), tracker)
    await settle()
    await end((running,))
    assert tracker.finished_up_to == 7


async def test_a_worker_and_a_key_go_on_while_replies_are_on_their_way_but_the_offset_waits_for_them() -> None:
    loop, begun, acknowledged = asyncio.get_running_loop(), list[int](), dict[int, asyncio.Future[None]]()

    async def work(one: Record) -> asyncio.Future[None]:
        begun.append(one.offset)
        return acknowledged.setdefault(one.offset, loop.create_future())

    tracker = OffsetTracker(0)
    workers = KeyedWorkers(work, workers=1, capacity=10)
    running = asyncio.ensure_future(workers.run())
    for offset, key in enumerate("aab"):
        workers.put(record(offset, key), tracker)
    await settle()
    assert (begun, workers.in_hand, tracker.finished_up_to) == ([0, 2, 1], 3, 0)
    acknowledged[0].set_result(None)
    acknowledged[2].set_result(None)
    acknowledged[1].cancel()
    await settle()
    assert (workers.in_hand, tracker.finished_up_to) == (1, 1), "a reply that was not acknowledged lets its command come again"
    running.cancel()


@pytest.mark.parametrize("error", [asyncio.CancelledError, ValueError, SystemError])
async def test_a_worker_that_ends_is_replaced_and_its_command_given_up(error: type[BaseException]) -> None:
    worked: list[int] = []

    async def work(one: Record) -> None:
        worked.append(one.offset)
        if one.offset < 3:
            raise error

    tracker = OffsetTracker(0)
    workers = KeyedWorkers(work, workers=2, capacity=10)
    running = asyncio.ensure_future(workers.run())
    for offset, key in enumerate("aabbc"):
        workers.put(record(offset, key), tracker)
    async with asyncio.timeout(30):
        await workers.wait_until_idle()
        while workers.replaced < 3:  # noqa: ASYNC110  # a count tells nobody
            await asyncio.sleep(0)
    assert sorted(worked) == [0, 1, 2, 3, 4]
    assert (workers.replaced, workers.at_work, tracker.finished_up_to) == (3, 0, 5)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
