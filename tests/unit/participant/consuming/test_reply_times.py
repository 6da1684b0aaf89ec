"""What a reply says of its participant's time: when its command was begun, and how long the handler
alone took."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from saga_messaging.memory import MemoryBroker
from saga_participant import Participant
from saga_participant.delivery import command_path, execution
from saga_participant.delivery.barrier_transaction import BarrierTransaction
from saga_participant.delivery.transaction_result import TransactionResult
from saga_participant.outcomes import Unavailable
from saga_schemas.headers import ReplyHeaders
from saga_schemas.outcomes import Kind, Outcome
from support.till.shop import SCHEMAS, Take, Taken, Told, make_till
from support.till.wire import REPLIES, command, new_saga, records, replies, send, with_header

T0 = 1_700_000_000_000_000


class ClockByHand:
    """Shows what a test says; who sleeps sleeps as long as ever."""

    def __init__(self) -> None:
        self.unix_s, self.up_s = T0 / 1e6, 1_000.0

    def monotonic_s(self) -> float:
        return self.up_s

    def unix_us(self) -> int:
        return round(self.unix_s * 1e6)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def move(self, seconds: float) -> None:
        self.unix_s += seconds
        self.up_s += seconds


def times(reply: ReplyHeaders) -> tuple[Outcome, int | None, int | None]:
    """Its outcome, when it was begun since T0, and how long the handler took."""
    return reply.outcome, None if reply.taken_at_us is None else reply.taken_at_us - T0, reply.handler_us


def takes(told: Told, clock: ClockByHand, seconds: float) -> None:
    async def meanwhile() -> None:
        clock.move(seconds)

    told.during = meanwhile


async def test_a_reply_has_the_time_of_its_delivery_and_a_remembered_one_has_no_handler() -> None:
    broker, clock, (till, told), saga = MemoryBroker(), ClockByHand(), make_till(), new_saga()
    takes(told, clock, 2.5)
    async with till.served(broker, clock=clock):
        await send(broker, command(saga))
        (first,) = await replies(broker, 1)
        clock.move(7)
        await send(broker, command(saga, attempt=2), command(saga, Kind.RESOLVE))
        _, again, resolved = await replies(broker, 3)
        await send(broker, command(saga, Kind.COMPENSATION))
        *_, undone = await replies(broker, 4)

    assert times(first) == (Outcome.SUCCEEDED, 0, 2_500_000)
    assert first.time_us == T0 + 2_500_000, "the reply was made when the handler had ended"
    assert times(again) == (Outcome.SUCCEEDED, 9_500_000, None)
    assert times(resolved) == (Outcome.SUCCEEDED, 9_500_000, None)
    assert times(undone) == (Outcome.UNDONE, 9_500_000, 0)


async def test_a_command_is_begun_when_the_one_of_its_saga_before_it_has_ended() -> None:
    broker, clock, (till, told), saga = MemoryBroker(), ClockByHand(), make_till(), new_saga()
    takes(told, clock, 3)
    async with till.served(broker, clock=clock):
        await send(broker, command(saga), command(saga, Kind.COMPENSATION))
        first, second = await replies(broker, 2)

    assert (times(first), times(second)) == ((Outcome.SUCCEEDED, 0, 3_000_000), (Outcome.UNDONE, 3_000_000, 0))


async def test_a_clock_that_is_set_meanwhile_does_not_lengthen_the_handler() -> None:
    broker, clock, (till, told) = MemoryBroker(), ClockByHand(), make_till()

    async def set_back() -> None:
        clock.unix_s -= 3_600
        clock.up_s += 0.25

    told.during = set_back
    async with till.served(broker, clock=clock):
        await send(broker, command())
        (reply,) = await replies(broker, 1)
    assert times(reply) == (Outcome.SUCCEEDED, 0, 250_000)


@pytest.mark.parametrize(("mode", "outcome"), [("reject", Outcome.REJECTED), ("fail", Outcome.FAILED), ("break", Outcome.FAILED)])
async def test_a_handlers_no_counts_once_though_its_command_is_served_again(mode: str, outcome: Outcome) -> None:
    broker, clock, (till, told) = MemoryBroker(), ClockByHand(), make_till()
    takes(told, clock, 2)
    async with till.served(broker, clock=clock):
        await send(broker, command(mode=mode))
        (reply,) = await replies(broker, 1)
    assert times(reply) == (outcome, 0, 2_000_000)


async def test_a_command_that_is_served_again_when_the_database_is_back_was_begun_once(monkeypatch: pytest.MonkeyPatch) -> None:
    broker, clock, (till, told) = MemoryBroker(), ClockByHand(), make_till()
    takes(told, clock, 2)
    serve, away = command_path.serve, [True]

    async def and_then_it_is_away(tx: BarrierTransaction) -> TransactionResult:
        served = await serve(tx)
        if away:
            away.pop()
            clock.move(30)
            raise Unavailable("the database went away")
        return served

    monkeypatch.setattr(execution, "serve", and_then_it_is_away)
    async with till.served(broker, clock=clock):
        await send(broker, command())
        (reply,) = await replies(broker, 1)
    assert times(reply) == (Outcome.SUCCEEDED, 0, 4_000_000), "two runs of the handler"


async def test_a_handler_that_works_elsewhere_is_timed_alone() -> None:
    broker, clock = MemoryBroker(), ClockByHand()
    till = Participant("till", database="sqlite+aiosqlite://", schemas=SCHEMAS)

    @till.action(external=True)
    async def take(command: Take) -> Taken:
        clock.move(1.5)
        return Taken(receipt="r-1")

    async with till.served(broker, clock=clock):
        await send(broker, command())
        (reply,) = await replies(broker, 1)
    assert times(reply) == (Outcome.SUCCEEDED, 0, 1_500_000)


async def test_what_no_handler_serves_is_begun_too() -> None:
    broker, clock, (till, _) = MemoryBroker(), ClockByHand(), make_till()
    async with till.served(broker, clock=clock):
        await send(broker, with_header(command(), "ce_type", b"till.Nothing"))
        await send(broker, with_header(command(), "ce_sagaprotocol", b"2"))
        found = [dict(record.headers) for record in await records(broker, REPLIES, 2)]
    assert {each["ce_sagaoutcome"] for each in found} == {b"UNSUPPORTED"}
    assert {each["ce_sagatakentime"] for each in found} == {b"2023-11-14T22:13:20.000000Z"}
    assert not any("ce_sagahandlerus" in each for each in found)


async def test_accepted_work_is_begun_at_its_acceptance_and_its_later_answer_says_nothing() -> None:
    broker, clock, (till, told) = MemoryBroker(), ClockByHand(), make_till()
    async with till.served(broker, clock=clock):
        await send(broker, command(mode="accept"))
        await replies(broker, 1)
        clock.move(60)
        async with till.answering(told.steps[-1].ref) as (_, answer):
            answer(Taken(receipt="r-1"))
        accepted, ended = await replies(broker, 2)
    assert times(accepted) == (Outcome.IN_PROGRESS, 0, 0)
    assert times(ended) == (Outcome.SUCCEEDED, None, None)


async def test_an_answer_to_a_command_that_waited_has_no_time_of_the_one_that_ended_the_work() -> None:
    """The compensation waits; the action that is asked again ends the work, and both are
    answered."""
    broker, clock, (till, told), saga = MemoryBroker(), ClockByHand(), make_till(), new_saga()
    told.lease = timedelta(0)
    takes(told, clock, 4)
    told.modes = ["accept", "accept", ""]
    async with till.served(broker, clock=clock):
        await send(broker, command(saga))
        await replies(broker, 1)
        await send(broker, command(saga, Kind.COMPENSATION))
        await replies(broker, 2)
        await send(broker, command(saga, attempt=2))
        heard = {(reply.kind, reply.outcome): times(reply)[1:] for reply in await replies(broker, 4)}
    assert heard[Kind.COMPENSATION, Outcome.UNDONE] == (None, None)
    assert heard[Kind.ACTION, Outcome.FENCED] == (0, 4_000_000)
