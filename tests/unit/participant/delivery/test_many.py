"""Handlers for many: which commands share a call, what its time and its context are, and that alone
they are as any other handler."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from saga_participant import Participant, Step
from saga_participant.barrier.answers import Answer
from saga_participant.barrier.entry import ReceivedCommand
from saga_participant.delivery import group_transaction
from saga_participant.delivery.execution import Execution
from saga_participant.delivery.group_transaction import BUDGET_S
from saga_participant.delivery.groups import HandlerTimes
from saga_participant.handling.handler_time import HandlerTime
from saga_participant.testing import Outcome, ParticipantTester
from saga_schemas.headers import decode_command
from saga_schemas.outcomes import Kind
from saga_schemas.records import Failure, read_own
from support.hand_clock import HandClock
from support.till.groups import KnownToBeQuick
from support.till.many import Calls, make_many
from support.till.shop import GiveBack, Take, effect, effects, make_till
from support.till.wire import command

RESOLVE, UNDO = Kind.RESOLVE, Kind.COMPENSATION


class Till:
    """A till whose handlers share transactions from the first command on, by a clock of the
    test's."""

    def __init__(self, execution: Execution, calls: Calls, times: HandlerTimes) -> None:
        self.execution, self.calls = execution, calls
        self.clock = HandClock()
        execution.groups.times = times

    async def answers(self, *commands: ReceivedCommand) -> list[Answer]:
        """To commands that come at the same time, in their order."""
        served = await asyncio.gather(*(self.execution.deliver(each, 0, HandlerTime(self.clock)) for each in commands))
        return [answer for answers in served for answer in answers]

    async def serve(self, *commands: ReceivedCommand) -> list[str]:
        return [answer.outcome.value for answer in await self.answers(*commands)]

    async def effects(self) -> list[str]:
        return await effects(self.execution.database.engine)

    def takes(self, seconds: float) -> None:
        """So long a call takes from now on."""

        async def take_time(db: Any, steps: list[Step]) -> None:
            self.clock.now_s += seconds

        self.calls.on_call = take_time


@asynccontextmanager
async def running(times: HandlerTimes | None = None, **options: Any) -> AsyncIterator[Till]:
    participant, calls = make_many(**options)
    async with participant.on("sqlite+aiosqlite://") as execution:
        yield Till(execution, calls, times or KnownToBeQuick())


def received(mode: str = "", **changes: Any) -> ReceivedCommand:
    record = command(mode=mode, **changes)
    assert record.value is not None
    return ReceivedCommand(headers=decode_command(record.headers), payload=record.value)


def code_of(answer: Answer) -> str | None:
    return read_own(answer.content.payload, Failure).code


# --- alone ----------------------------------------------------------------------------------------


async def test_alone_it_is_as_any_other_handler() -> None:
    participant, calls = make_many()
    async with ParticipantTester(participant) as tester:
        taken = await tester.action("pay", Take(amount=1))
        assert (taken.outcome, taken.value) == (Outcome.SUCCEEDED, {"receipt": f"r-{tester.saga_id}"})
        assert (await tester.redeliver()).value == taken.value
        assert (await tester.resolve("pay")).value == taken.value
        assert (await tester.compensation("pay", GiveBack(amount=1))).outcome is Outcome.UNDONE
        assert (await tester.action("pay", Take(amount=1))).outcome is Outcome.FENCED
        assert calls.sizes == [1]
        assert [step.saga_id for step in calls.steps] == [tester.saga_id]
        assert await effects(tester.engine) == ["take 1", "give back 1"]


async def write_once_more(db: Any, steps: list[Step]) -> None:
    for step in steps:
        await effect(db, step, "more")


@pytest.mark.parametrize("mode", ["no", "later", "break", "reject", "type", "unfit", "short", "accept"])
async def test_alone_whatever_is_no_success_takes_back_what_was_written(mode: str) -> None:
    participant, calls = make_many()
    calls.on_call = write_once_more
    async with ParticipantTester(participant) as tester:
        said = await tester.action("pay", Take(amount=1, mode=mode))
        assert said.outcome is (Outcome.REJECTED if mode in ("no", "reject") else Outcome.FAILED)
        assert said.failure is not None
        codes = {"break": "value_error", "type": "wrong_reply_type", "accept": "wrong_reply_type", "reject": "no"}
        codes |= {"unfit": "reply_does_not_fit", "short": "wrong_reply_count"}
        assert said.failure.code == codes.get(mode, mode)
        assert await effects(tester.engine) == []


async def test_work_that_was_accepted_before_is_resumed_by_a_handler_for_many(sqlite_url: str) -> None:
    """A service that gets a handler for many has rows of the one that it had."""
    before, told = make_till(sqlite_url)
    told.lease, told.modes = timedelta(0), ["accept"]
    async with ParticipantTester(before, database=sqlite_url) as tester:
        assert (await tester.action("pay", Take(amount=1))).outcome is Outcome.IN_PROGRESS
        saga_id = tester.saga_id
    participant, calls = make_many(sqlite_url)
    async with ParticipantTester(participant, database=sqlite_url) as tester:
        tester.saga_id = saga_id
        assert (await tester.action("pay", Take(amount=1))).value == {"receipt": f"r-{saga_id}"}
        assert [(step.saga_id, step.resumed) for step in calls.steps] == [(saga_id, True)]


async def test_one_by_one_where_that_is_asked_for() -> None:
    async with running(group=1) as till:
        assert await till.serve(*(received() for _ in range(5))) == ["SUCCEEDED"] * 5
        assert till.calls.sizes == [1] * 5


# --- in a group -----------------------------------------------------------------------------------


async def test_commands_that_come_together_share_a_call_in_their_order() -> None:
    commands = [received() for _ in range(20)]
    async with running() as till:
        assert await till.serve(*commands) == ["SUCCEEDED"] * 20
        assert till.calls.sizes == [20]
        assert [step.saga_id for step in till.calls.steps] == [each.headers.saga_id for each in commands]


async def test_only_actions_that_nobody_has_handled_share_a_call() -> None:
    done, fenced, refused, undone = (received(mode) for mode in ("", "", "no", ""))
    async with running() as till:
        await till.serve(done, refused, undone)
        await till.serve(of(fenced, kind=RESOLVE), of(undone, kind=UNDO))
        till.calls.sizes.clear()
        again = [done, received(), fenced, of(refused, run=2, mode="no"), received(kind=RESOLVE), received(), undone]
        outcomes = await till.serve(*again, received(kind=UNDO), received(expiry_us=0))
        assert outcomes[:5] == ["SUCCEEDED", "SUCCEEDED", "FENCED", "REJECTED", "FENCED"]
        assert outcomes[5:] == ["SUCCEEDED", "FENCED", "NOTHING_TO_UNDO", "EXPIRED"]
        assert sorted(till.calls.sizes) == [1, 2], "a new run finds its row, and is called by itself"
        assert await till.effects() == ["take 1", "take 1", "give back 1", "take 1", "take 1"]


def of(other: ReceivedCommand, *, mode: str = "", **changes: Any) -> ReceivedCommand:
    """Another command of its saga."""
    return received(mode, saga=other.headers.saga_id, **changes)


async def test_a_no_in_a_group_takes_nothing_back() -> None:
    """The handler says that it had no effect for that command, and nobody can see that it had."""
    no = received("no")
    async with running() as till:
        till.calls.on_call = write_once_more
        assert await till.serve(received(), no, received("later")) == ["SUCCEEDED", "REJECTED", "FAILED"]
        assert (await till.effects()).count("more 1") == 3
        assert (till.execution.groups.served, till.execution.groups.rolled_back) == (1, 0)
        assert await till.serve(no, received()) == ["REJECTED", "SUCCEEDED"]
        assert till.calls.sizes == [3, 1], "the row remembers a no"


async def test_what_failed_is_asked_again() -> None:
    later = received("later")
    async with running() as till:
        failed = (await till.answers(received(), later))[1]
        assert (failed.outcome, code_of(failed)) == (Outcome.FAILED, "later")
        assert await till.serve(of(later, attempt=2), received()) == ["SUCCEEDED"] * 2


async def test_who_cannot_be_read_is_no_part_of_a_call() -> None:
    unreadable = [replace(received(), payload=b"\xc3\x01nonsense") for _ in range(2)]
    async with running() as till:
        outcomes = await till.serve(received(), *unreadable, received(), received())
        assert outcomes == ["SUCCEEDED", "UNSUPPORTED", "UNSUPPORTED", "SUCCEEDED", "SUCCEEDED"]
        assert till.calls.sizes == [3]


@pytest.mark.parametrize("mode", ["break", "reject", "short", "type", "unfit"])
async def test_a_call_that_cannot_stand_is_made_again_for_each_alone_and_the_log_says_so(
    mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with running() as till:
        with caplog.at_level(logging.WARNING, "saga_participant"):
            outcomes = await till.serve(received(), received(mode), received(), received(kind=RESOLVE), received(kind=RESOLVE))
        assert outcomes == ["SUCCEEDED", "REJECTED" if mode == "reject" else "FAILED", "SUCCEEDED", "FENCED", "FENCED"]
        assert sorted(till.calls.sizes) == [1, 1, 1, 3]
        assert await till.effects() == ["take 1"] * 2
        assert till.execution.groups.served_commands == 2, "those of no call stay together"
    if mode == "short":
        assert "take was given 3 commands and returned a list of 2" in caplog.text
    if mode == "break":
        (told,) = [record.getMessage() for record in caplog.records if "at once" in record.getMessage()]
        assert "take failed for 3 commands at once, each is served alone: value_error at" in told
        assert "saga=" not in told, "nobody knows whose doing it is"
    assert "secret" not in caplog.text and "4111 1111" not in caplog.text


async def test_a_handler_that_changes_its_transaction_is_served_alone_from_then_on() -> None:
    times = ForgetfulOfTimes()
    async with running(times) as till:

        async def change(db: Any, steps: list[Step]) -> None:
            await db.execute(text("SELECT 1; SELECT 2" if len(steps) > 1 else "SELECT 1"))

        till.calls.on_call = change
        for _ in range(2):
            assert await till.serve(*(received() for _ in range(3))) == ["SUCCEEDED"] * 3
        assert till.calls.sizes == [3, 1, 1, 1, 1, 1, 1]
        assert len(times.alone) == 1


class ForgetfulOfTimes(KnownToBeQuick):
    """But not of who is alone."""

    def of(self, route: Any) -> float | None:
        return None if route is not None and route.handler.name in self.alone else 0.0


async def test_a_call_for_many_has_the_time_of_a_handler_in_a_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_transaction, "RUN_LIMIT_S", 0.1)
    async with running() as till:

        async def hang(db: Any, steps: list[Step]) -> None:
            if len(steps) > 1:
                await asyncio.Event().wait()

        till.calls.on_call = hang
        async with asyncio.timeout(30):
            assert await till.serve(*(received() for _ in range(5))) == ["SUCCEEDED"] * 5
        assert till.calls.sizes == [5, 1, 1, 1, 1, 1]


# --- time -----------------------------------------------------------------------------------------


async def test_the_time_of_a_call_is_shared_by_its_commands() -> None:
    async with running() as till:
        till.takes(0.004)
        answers = await till.answers(*(received() for _ in range(4)), received(kind=RESOLVE))
        assert [answer.handler_us for answer in answers] == [1000] * 4 + [None]


async def test_a_handler_for_many_is_judged_by_a_commands_share() -> None:
    async with running(HandlerTimes()) as till:
        till.takes(BUDGET_S * 0.4)
        await till.serve(received())
        for size in (2, 4, 10, 20):
            till.calls.sizes.clear()
            assert await till.serve(*(received() for _ in range(size))) == ["SUCCEEDED"] * size
        assert max(till.calls.sizes) > 10, "by the time of a call there would be room for two"


async def test_nobody_of_a_call_is_left_out_though_its_time_is_over() -> None:
    async with running() as till:
        till.takes(2 * BUDGET_S)
        outcomes = await till.serve(received(), received(kind=RESOLVE), received(), received(), received(kind=RESOLVE))
        assert outcomes == ["SUCCEEDED", "FENCED", "SUCCEEDED", "SUCCEEDED", "FENCED"]
        assert till.calls.sizes == [3], "nobody was run twice"
        assert await till.effects() == ["take 1"] * 3
        groups = till.execution.groups
        assert (groups.served, groups.served_commands, groups.rolled_back) == (2, 5, 0), "the others came next"


async def test_a_call_comes_in_the_turn_of_its_first_command() -> None:
    """Else what stands before it in the queue might wait for ever."""
    async with running() as till:
        first = received()
        await till.serve(first)
        till.takes(2 * BUDGET_S)
        undo = of(first, kind=UNDO)
        assert await till.serve(undo, received(), received()) == ["UNDONE", "SUCCEEDED", "SUCCEEDED"]
        assert till.execution.groups.served_commands == 3, "the compensation did not wait for another group"


# --- the context ----------------------------------------------------------------------------------

NUMBER: ContextVar[int] = ContextVar("number")


async def test_a_call_runs_in_the_context_of_its_first_command() -> None:
    async with running() as till:
        seen: list[int] = []

        async def look(db: Any, steps: list[Step]) -> None:
            seen.append(NUMBER.get())

        till.calls.on_call = look

        async def deliver(number: int, each: ReceivedCommand) -> None:
            NUMBER.set(number)
            await till.execution.deliver(each)

        await asyncio.gather(*(deliver(n, received(kind=RESOLVE if n == 0 else Kind.ACTION)) for n in range(4)))
        assert (seen, till.calls.sizes) == ([1], [3])


# --- around it ------------------------------------------------------------------------------------


async def test_a_tester_asks_for_many_at_once() -> None:
    participant, calls = make_many()
    async with ParticipantTester(participant) as tester:
        replies = await tester.actions("pay", [Take(amount=n, mode="no" if n == 3 else "") for n in range(8)])
        assert [reply.outcome.value for reply in replies] == ["SUCCEEDED"] * 3 + ["REJECTED"] + ["SUCCEEDED"] * 4
        assert calls.sizes == [8]
        assert [reply.value.get("receipt") for reply in replies if reply.value] == [
            f"r-{reply.to.saga_id}" for reply in replies if reply.value
        ]
        assert len({reply.to.saga_id for reply in tester.replies}) == 8
        assert await tester.actions("pay", []) == []


MAKERS: list[Callable[[], tuple[Participant, Any]]] = [make_many, make_till]


def test_a_commands_contract_is_that_of_a_handler_of_one() -> None:
    documents = [make()[0].asyncapi() for make in MAKERS]
    assert documents[0] == documents[1]
