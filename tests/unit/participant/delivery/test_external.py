"""Handlers that work elsewhere: prepared in the row, called outside any transaction, recorded if
the row still waits for it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from saga_participant import AnswerRefused, InProgress, Participant, Rejected, Step
from saga_participant.testing import Outcome, ParticipantTester
from support.till.shop import SCHEMAS, GiveBack, Take, Taken, reply_or_silence


class Bank:
    """Somebody else, who does a thing once for each idempotency key."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.error: BaseException | None = None
        self.answer: Any = None
        self.meanwhile: Any = None

    async def call(self, step: Step) -> None:
        self.keys.append(step.idempotency_key)
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            await meanwhile()
        if self.error is not None:
            error, self.error = self.error, None
            raise error


def make_gateway() -> tuple[Participant, Bank]:
    gateway, bank = Participant("gateway", database="sqlite+aiosqlite://", schemas=SCHEMAS), Bank()

    @gateway.action(external=True)
    async def take(command: Take, step: Step) -> Taken | InProgress:
        await bank.call(step)
        return bank.answer or Taken(receipt=f"bank-{step.run}")

    @gateway.compensation(external=True)
    async def give_back(command: GiveBack, taken: Taken, step: Step) -> None:
        await bank.call(step)

    return gateway, bank


TAKE, GIVE_BACK = Take(amount=1), GiveBack(amount=1)


async def outcome_of(reply: Any) -> Outcome | None:
    found = await reply_or_silence(reply)
    return None if found is None else found.outcome


async def test_it_is_called_once_and_its_reply_is_remembered() -> None:
    gateway, bank = make_gateway()
    async with ParticipantTester(gateway) as tester:
        first, again = await tester.action("pay", TAKE), await tester.redeliver()
        assert first is not None
        assert again is not None
        assert (first.outcome, first.value, again.value) == (Outcome.SUCCEEDED, {"receipt": "bank-1"}, {"receipt": "bank-1"})
        assert bank.keys == [f"{tester.saga_id}/pay/action/1"]
        assert await outcome_of(tester.compensation("pay", GIVE_BACK)) is Outcome.UNDONE
        assert await outcome_of(tester.redeliver()) is Outcome.UNDONE
        assert bank.keys[1:] == [f"{tester.saga_id}/pay/compensation/1"]


@pytest.mark.parametrize("error", [ConnectionError(), SystemExit(1), TimeoutError(), TypeError("no Rejected")])
async def test_an_exception_means_that_nobody_knows_so_nothing_is_said_and_the_next_command_tries_again(
    error: BaseException,
) -> None:
    gateway, bank = make_gateway()
    async with ParticipantTester(gateway) as tester:
        bank.error = error
        assert await reply_or_silence(tester.action("pay", TAKE)) is None
        assert await outcome_of(tester.redeliver()) is Outcome.SUCCEEDED
        assert len(set(bank.keys)) == 1, "the same key, so the bank does it once"


async def test_after_an_exception_a_resolve_finds_out_by_asking_again_with_the_same_key() -> None:
    gateway, bank = make_gateway()
    async with ParticipantTester(gateway) as tester:
        bank.error = ConnectionError()
        assert await reply_or_silence(tester.action("pay", TAKE)) is None
        assert await outcome_of(tester.resolve("pay")) is Outcome.SUCCEEDED
        assert len(set(bank.keys)) == 1


async def test_a_rejection_by_the_other_side_is_remembered() -> None:
    gateway, bank = make_gateway()
    async with ParticipantTester(gateway) as tester:
        bank.error = Rejected("no_funds")
        assert await outcome_of(tester.action("pay", TAKE)) is Outcome.REJECTED
        assert await outcome_of(tester.redeliver()) is Outcome.REJECTED
        assert await outcome_of(tester.compensation("pay", GIVE_BACK)) is Outcome.NOTHING_TO_UNDO
        assert len(bank.keys) == 1


async def test_while_it_is_being_called_every_other_command_hears_in_progress() -> None:
    gateway, bank = make_gateway()
    heard: list[Outcome | None] = []
    async with ParticipantTester(gateway) as tester:

        async def others() -> None:
            heard.append(await outcome_of(tester.redeliver()))
            heard.append(await outcome_of(tester.resolve("pay")))

        bank.meanwhile = others
        assert await outcome_of(tester.action("pay", TAKE)) is Outcome.SUCCEEDED
        assert heard == [Outcome.IN_PROGRESS, Outcome.IN_PROGRESS]
        assert len(bank.keys) == 1


async def test_a_wish_to_undo_that_comes_during_the_call_is_fulfilled_at_its_end() -> None:
    gateway, bank = make_gateway()
    async with ParticipantTester(gateway) as tester:

        async def wish() -> None:
            assert await outcome_of(tester.compensation("pay", GIVE_BACK)) is Outcome.IN_PROGRESS

        bank.meanwhile = wish
        await tester.action("pay", TAKE)
        assert [key.split("/")[2] for key in bank.keys] == ["action", "compensation"]
        assert Outcome.UNDONE in [reply.outcome for reply in tester.replies], "the compensation is answered too"
        assert await outcome_of(tester.compensation("pay", GIVE_BACK)) is Outcome.UNDONE
        assert len(bank.keys) == 2


async def test_an_undo_that_ends_in_an_exception_is_not_said_to_have_failed() -> None:
    gateway, bank = make_gateway()
    async with ParticipantTester(gateway) as tester:
        await tester.action("pay", TAKE)
        bank.error = ConnectionError()
        assert await reply_or_silence(tester.compensation("pay", GIVE_BACK)) is None
        assert await outcome_of(tester.redeliver()) is Outcome.UNDONE
        assert bank.keys[1] == bank.keys[2]


async def test_two_undos_at_once_call_the_other_side_once() -> None:
    gateway, bank = make_gateway()
    async with ParticipantTester(gateway) as tester:
        await tester.action("pay", TAKE)

        async def second() -> None:
            assert await outcome_of(tester.redeliver()) is Outcome.IN_PROGRESS

        bank.meanwhile = second
        assert await outcome_of(tester.compensation("pay", GIVE_BACK)) is Outcome.UNDONE
        assert len(bank.keys) == 2


async def test_while_it_is_being_undone_its_row_learns_a_newer_incarnation() -> None:
    gateway, bank = make_gateway()
    async with ParticipantTester(gateway) as tester:
        await tester.action("pay", TAKE)

        async def restored() -> None:
            assert await outcome_of(tester.compensation("pay", GIVE_BACK, incarnation=2)) is Outcome.IN_PROGRESS
            assert await reply_or_silence(tester.resolve("pay", incarnation=1)) is None

        bank.meanwhile = restored
        await tester.compensation("pay", GIVE_BACK)
        assert await reply_or_silence(tester.action("pay", TAKE, run=2, incarnation=1)) is None
        assert len(bank.keys) == 2


async def test_an_undo_the_other_side_refuses_leaves_the_effect() -> None:
    gateway, bank = make_gateway()
    async with ParticipantTester(gateway) as tester:
        await tester.action("pay", TAKE)
        bank.error = Rejected("too_late")
        assert await outcome_of(tester.compensation("pay", GIVE_BACK)) is Outcome.REJECTED
        assert await outcome_of(tester.resolve("pay")) is Outcome.SUCCEEDED


async def test_it_may_be_answered_later() -> None:
    gateway, bank = make_gateway()
    async with ParticipantTester(gateway) as tester:
        bank.answer = InProgress("the bank calls back")
        reply = await tester.action("pay", TAKE)
        assert reply is not None
        assert (reply.outcome, reply.seq) == (Outcome.IN_PROGRESS, 1)
        ref = f"{tester.saga_id}/pay/1"
        async with gateway.answering(ref) as (_, answer):
            answer(Taken(receipt="called-back"))
        again = await tester.redeliver()
        assert again is not None
        assert again.value == {"receipt": "called-back"}
        with pytest.raises(AnswerRefused):
            async with gateway.answering(ref):
                pass


async def test_an_answer_that_comes_while_it_is_called_wins_and_the_call_says_what_the_row_says() -> None:
    gateway, bank = make_gateway()
    async with ParticipantTester(gateway) as tester:

        async def callback() -> None:
            async with gateway.answering(f"{tester.saga_id}/pay/1") as (_, answer):
                answer(Taken(receipt="first"))

        bank.meanwhile = callback
        reply = await tester.action("pay", TAKE)
        assert reply is not None
        assert reply.value == {"receipt": "first"}


async def test_being_stopped_during_the_call_leaves_the_row_accepted() -> None:
    gateway, bank = make_gateway()
    async with ParticipantTester(gateway) as tester:
        called = asyncio.Event()

        async def hang() -> None:
            called.set()
            await asyncio.Event().wait()

        bank.meanwhile = hang
        asking = asyncio.ensure_future(tester.action("pay", TAKE))
        await called.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert await outcome_of(tester.redeliver()) is Outcome.IN_PROGRESS


async def test_who_gives_an_error_to_a_handler_goes_on() -> None:
    """As every client does that works off calls in one task: it catches the error, puts it into the
    caller's future, and takes the next."""
    gateway, bank = make_gateway()
    calls: asyncio.Queue[asyncio.Future[None]] = asyncio.Queue()

    async def works_off() -> None:
        while True:
            call = await calls.get()
            try:
                if len(bank.keys) == 1:
                    raise ConnectionResetError
                call.set_result(None)
            except ConnectionResetError as error:
                call.set_exception(error)

    async def through_it() -> None:
        call = asyncio.get_running_loop().create_future()
        calls.put_nowait(call)
        await call

    client = asyncio.create_task(works_off())
    async with ParticipantTester(gateway) as tester, asyncio.timeout(30):
        bank.meanwhile = through_it
        assert await reply_or_silence(tester.action("pay", TAKE)) is None, "nobody knows"
        bank.meanwhile = through_it
        assert await outcome_of(tester.redeliver()) is Outcome.SUCCEEDED
    client.cancel()
    with pytest.raises(asyncio.CancelledError):
        await client
