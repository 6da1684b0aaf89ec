"""Replies on their way: alone at once, together while more are about to come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from saga_messaging.background import end_one
from saga_messaging.broker import BrokerError, Outgoing
from saga_messaging.clock import SystemClock
from saga_messaging.memory import MemoryBroker, MemoryProducer
from saga_participant.consuming import reply_sender
from saga_participant.consuming.reply_sender import ReplySender
from saga_participant.telemetry.metrics import Metrics
from support.hand_clock import HandClock


class Counted(MemoryBroker):
    """Notes how many records each request carried."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[int] = []

    def producer(self) -> MemoryProducer:
        made, requests = super().producer(), self.requests
        send_all = made.send_all

        async def counted(records: Sequence[Outgoing], *, timeout_s: float) -> list[BrokerError | None]:
            requests.append(len(records))
            return await send_all(records, timeout_s=timeout_s)

        made.send_all = counted  # type: ignore[method-assign]
        return made


@asynccontextmanager
async def sending(broker: Counted, at_work: int) -> AsyncIterator[ReplySender]:
    await broker.ensure_topics(["replies"])
    sender = ReplySender(broker, SystemClock(), Metrics("p"))
    sender.at_work = lambda: at_work
    running = asyncio.create_task(sender.run())
    yield sender
    await end_one(running)


def reply(number: int) -> list[Outgoing]:
    return [Outgoing(topic="replies", key=b"k", value=b"%d" % number, headers=())]


async def both_sent(sender: ReplySender) -> None:
    """The second is ready a moment after the first."""
    first = sender.send(reply(1))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    second = sender.send(reply(2))
    assert first is not None
    assert second is not None
    async with asyncio.timeout(20):
        await asyncio.gather(first, second)


async def test_while_another_command_is_at_work_its_reply_is_waited_for() -> None:
    broker = Counted()
    async with sending(broker, at_work=2) as sender:
        await both_sent(sender)
    assert broker.requests == [2]


async def test_alone_a_reply_goes_at_once() -> None:
    broker = Counted()
    async with sending(broker, at_work=1) as sender:
        slept: list[float] = []
        sender.clock = _Watched(slept)
        await both_sent(sender)
    assert broker.requests == [1, 1]
    assert slept == []


class _Watched(SystemClock):
    def __init__(self, slept: list[float]) -> None:
        self._slept = slept

    async def sleep(self, seconds: float) -> None:
        self._slept.append(seconds)
        await super().sleep(seconds)


async def test_once_the_last_one_at_work_has_replied_nothing_is_waited_for() -> None:
    broker, clock = Counted(), HandClock()  # whose time stands still
    async with sending(broker, at_work=2) as sender:
        sender.clock = clock
        await both_sent(sender)
    assert broker.requests == [2]


async def test_a_command_that_takes_long_keeps_nobody_elses_reply() -> None:
    broker = Counted()
    async with sending(broker, at_work=5) as sender:
        sent = sender.send(reply(1))
        assert sent is not None
        async with asyncio.timeout(20):
            await sent
    assert broker.requests == [1]
    assert reply_sender.GATHER_S < 0.01


async def test_whoever_waits_is_told_when_sending_ends_in_the_middle_of_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = asyncio.Event()

    async def never(records: Sequence[Outgoing], *, timeout_s: float) -> list[BrokerError | None]:
        asked.set()
        answer: asyncio.Future[list[BrokerError | None]] = asyncio.get_running_loop().create_future()
        return await answer

    broker = Counted()
    producer = broker.producer()
    monkeypatch.setattr(producer, "send_all", never)
    monkeypatch.setattr(broker, "producer", lambda: producer)
    async with asyncio.timeout(20):
        async with sending(broker, at_work=0) as sender:
            sent = sender.send(reply(1))
            assert sent is not None
            await asked.wait()
        assert sent.cancelled()
