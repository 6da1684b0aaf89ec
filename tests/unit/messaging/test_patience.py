"""A start waits for what is not up yet, says so, and for nothing that is configured wrongly; driven
by hand."""

from __future__ import annotations

import asyncio
import logging

import pytest

from saga_messaging.broker import AccessRefused, BrokerError
from saga_messaging.patience import SAY_EVERY_S, Patience, StoppedWaiting, kafka_may_come
from support.hand_clock import HandClock, settle


class Late:
    """Fails so many times, each time with what it is told."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.tries = 0

    async def __call__(self) -> str:
        self.tries += 1
        if self.errors:
            raise self.errors.pop(0)
        return "up"


async def forward(clock: HandClock, task: asyncio.Task[str], limit_s: float) -> None:
    """Time goes on until the task is done, or for so long."""
    until_s = clock.now_s + limit_s
    await settle()
    while not task.done() and clock.now_s < until_s:
        await clock.move(0.5)


def waiting(patience: Patience, attempt: Late, **more: float) -> asyncio.Task[str]:
    return asyncio.create_task(patience.wait_for("Kafka", attempt, passing=kafka_may_come, **more))


async def test_what_comes_up_in_time_is_waited_for_and_said() -> None:
    clock, began = HandClock(), asyncio.Event()
    patience = Patience(120, clock=clock, waiting=began.set)
    task = waiting(patience, Late(*[BrokerError("refused")] * 20))
    await settle()
    assert began.is_set()
    assert patience.reason == "Kafka: refused"
    await forward(clock, task, 120)
    assert task.result() == "up"
    assert patience.reason == ""


async def test_what_is_there_at_once_is_not_said_to_be_waited_for() -> None:
    began = asyncio.Event()
    patience = Patience(120, clock=HandClock(), waiting=began.set)
    assert await waiting(patience, Late()) == "up"
    assert not began.is_set()


async def test_when_the_time_is_over_the_last_error_is_raised() -> None:
    clock = HandClock()
    task = waiting(Patience(30, clock=clock), Late(*[BrokerError("refused")] * 1000))
    await forward(clock, task, 29)
    assert not task.done()
    await forward(clock, task, 5)
    with pytest.raises(BrokerError, match="refused"):
        task.result()


async def test_without_patience_the_first_error_ends_it() -> None:
    late = Late(BrokerError("refused"))
    with pytest.raises(BrokerError):
        await waiting(Patience(0, clock=HandClock()), late)
    assert late.tries == 1


async def test_a_wait_of_its_own_may_be_shorter_than_the_whole() -> None:
    clock = HandClock()
    task = waiting(Patience(120, clock=clock), Late(*[BrokerError("held")] * 1000), at_most_s=10)
    await forward(clock, task, 12)
    assert isinstance(task.exception(), BrokerError)


@pytest.mark.parametrize("error", [AccessRefused("the login is refused"), ValueError("a bug")])
async def test_what_does_not_pass_by_itself_is_raised_at_once(error: Exception) -> None:
    late = Late(error)
    with pytest.raises(type(error)):
        await waiting(Patience(120, clock=HandClock()), late)
    assert late.tries == 1


async def test_a_stop_ends_the_wait_between_two_attempts_and_within_one() -> None:
    for attempt in (Late(*[BrokerError("refused")] * 1000), asyncio.Event().wait):
        stop = asyncio.Event()
        patience = Patience(120, clock=HandClock(), stop=stop)
        task = asyncio.create_task(patience.wait_for("Kafka", attempt, passing=kafka_may_come))
        await settle()
        assert not task.done()
        stop.set()
        with pytest.raises(StoppedWaiting):
            await task


async def test_an_attempt_that_takes_long_is_said_and_not_cut_short() -> None:
    clock, done = HandClock(), asyncio.Event()
    patience = Patience(5, clock=clock)

    async def slow() -> str:
        await done.wait()
        return "up"

    task = asyncio.create_task(patience.wait_for("the database", slow, passing=kafka_may_come))
    await forward(clock, task, 60)
    assert patience.reason == "the database: no answer yet"
    done.set()
    assert await task == "up"


async def test_the_line_is_repeated_now_and_then_and_when_the_reason_changes(caplog: pytest.LogCaptureFixture) -> None:
    clock = HandClock()
    errors = [BrokerError("refused")] * 18 + [BrokerError("no controller")] * 2
    with caplog.at_level(logging.INFO, logger="saga_messaging.start"):
        task = waiting(Patience(120, clock=clock), Late(*errors))
        began_s = clock.now_s
        await forward(clock, task, 120)
    said = [record.getMessage() for record in caplog.records]
    of_one_reason = [line for line in said if "refused" in line]
    assert 2 <= len(of_one_reason) <= 1 + (clock.now_s - began_s) / SAY_EVERY_S
    assert sum("no controller" in line for line in said) == 1
    assert said[-1].startswith("Kafka is there")
