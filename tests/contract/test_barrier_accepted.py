"""Work that was accepted and ends later, through the real transactions: answers, wishes to undo,
leases."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from contract.barrier_shop import Shop, Way
from saga_participant import AnswerRefused, Rejected
from saga_participant.testing import Outcome
from saga_schemas.outcomes import Kind
from support.till.shop import Take, Taken, make_till


async def accepted(shop: Shop, run: int = 1) -> str:
    await shop.ask(Kind.ACTION, run, "accept")
    return shop.told.steps[-1].ref


async def test_an_answer_given_later_is_the_reply_from_then_on(shop: Shop) -> None:
    ref = await accepted(shop)
    async with shop.till.answering(ref) as (_, answer):
        answer(Taken(receipt="r-late"))
    again = await shop.ask(Kind.ACTION)
    assert again is not None
    assert (again.outcome, again.value) == (Outcome.SUCCEEDED, {"receipt": "r-late"})
    with pytest.raises(AnswerRefused):
        async with shop.till.answering(ref) as (_, answer):
            answer(Taken(receipt="r-twice"))


async def test_a_later_rejection_takes_back_what_its_block_did(shop: Shop) -> None:
    ref = await accepted(shop)
    async with shop.till.answering(ref) as (db, answer):
        statement = f"INSERT INTO effects (saga_id, step, kind, run) VALUES ('{shop.tester.saga_id}', 'pay', 'take', 1)"
        await db.execute(statement if shop.handle == "asyncpg" else text(statement))
        answer(Rejected("no", "after all"))
    assert await shop.row() == ("REJECTED", 1)
    assert await shop.effects() == []


async def test_an_answer_loses_against_a_newer_run_and_a_foreign_reference(shop: Shop) -> None:
    ref = await accepted(shop, run=2)
    older = ref.removesuffix("2") + "1"
    for lost in (older, "nonsense", ref.replace("/pay/", "/other/")):
        with pytest.raises(AnswerRefused):
            async with shop.till.answering(lost) as (_, answer):
                answer(Taken(receipt="r-1"))
    assert await shop.row() == ("ACCEPTED", 2)


async def test_an_answering_block_that_raises_or_forgets_to_answer_changes_nothing(shop: Shop) -> None:
    ref = await accepted(shop)
    with pytest.raises(ZeroDivisionError):
        async with shop.till.answering(ref):
            raise ZeroDivisionError
    with pytest.raises(RuntimeError, match="without calling answer"):
        async with shop.till.answering(ref):
            pass
    with pytest.raises(TypeError, match="Taken"):
        async with shop.till.answering(ref) as (_, answer):
            answer(Take(amount=1))
    assert await shop.row() == ("ACCEPTED", 1)


async def test_a_wish_to_undo_is_fulfilled_by_the_end_of_the_action(shop: Shop) -> None:
    ref = await accepted(shop)
    assert await shop.says(Kind.COMPENSATION) == "IN_PROGRESS"
    async with shop.till.answering(ref) as (_, answer):
        answer(Taken(receipt="r-late"))
    assert await shop.row() == ("UNDONE", 1)
    assert await shop.effects() == ["give back 1"]
    assert await shop.says(Kind.COMPENSATION) == "UNDONE"
    assert await shop.says(Kind.ACTION) == "FENCED"


async def test_a_wish_to_undo_that_cannot_be_fulfilled_leaves_the_effect_done(shop: Shop) -> None:
    for mode in ("break", "sql"):
        shop.tester.new_saga()
        ref = await accepted(shop)
        await shop.ask(Kind.COMPENSATION, mode=mode)
        async with shop.till.answering(ref) as (_, answer):
            answer(Taken(receipt="r-late"))
        assert (await shop.row(), await shop.effects()) == (("DONE", 1), []), mode
        assert await shop.says(Kind.COMPENSATION) == "UNDONE"


async def test_a_wish_to_undo_what_is_rejected_in_the_end_finds_nothing_to_undo(shop: Shop) -> None:
    ref = await accepted(shop)
    await shop.ask(Kind.COMPENSATION, run=2)
    async with shop.till.answering(ref) as (_, answer):
        answer(Rejected("no"))
    assert (await shop.row(), await shop.effects()) == (("FENCED", 2), [])
    assert await shop.says(Kind.COMPENSATION, run=2) == "NOTHING_TO_UNDO"


RESUMED = [
    (Kind.ACTION, "", "SUCCEEDED", "DONE", ["take 1"]),
    (Kind.ACTION, "reject", "REJECTED", "REJECTED", []),
    (Kind.ACTION, "break", "IN_PROGRESS", "ACCEPTED", []),
    (Kind.ACTION, "accept", "IN_PROGRESS", "ACCEPTED", []),
    (Kind.ACTION, "fail", "FAILED", "ACCEPTED", []),
    (Kind.RESOLVE, "fail", "IN_PROGRESS", "ACCEPTED", []),
    (Kind.COMPENSATION, "fail", "IN_PROGRESS", "ACCEPTED", []),
    (Kind.RESOLVE, "", "SUCCEEDED", "DONE", ["take 1"]),
    (Kind.RESOLVE, "reject", "REJECTED", "REJECTED", []),
    (Kind.COMPENSATION, "", "UNDONE", "UNDONE", ["take 1", "give back 1"]),
    (Kind.COMPENSATION, "reject", "NOTHING_TO_UNDO", "FENCED", []),
    (Kind.COMPENSATION, "break", "IN_PROGRESS", "ACCEPTED", []),
]


async def test_work_whose_lease_is_over_is_resumed_by_any_command(shop: Shop) -> None:
    shop.told.lease = timedelta(0)
    for kind, mode, says, row, written in RESUMED:
        shop.tester.new_saga()
        await accepted(shop)
        shop.told.modes = [mode]
        assert await shop.says(kind) == says, (kind, mode)
        assert shop.told.steps[-1].resumed or kind is Kind.COMPENSATION
        assert (await shop.row(), await shop.effects()) == ((row, 1), written), (kind, mode)


async def test_a_resumed_action_whose_undo_fails_stays_done_and_says_so(shop: Shop) -> None:
    shop.told.lease = timedelta(0)
    for mode in ("break", "sql"):
        shop.tester.new_saga()
        await accepted(shop)
        shop.told.modes = ["", mode]
        assert await shop.says(Kind.COMPENSATION) == "FAILED"
        assert (await shop.row(), await shop.effects()) == (("DONE", 1), ["take 1"]), mode
        assert await shop.says(Kind.COMPENSATION) == "UNDONE"


async def test_each_acceptance_has_a_higher_number(shop: Shop) -> None:
    shop.told.lease = timedelta(0)
    numbers = []
    for _ in range(3):
        reply = await shop.ask(Kind.ACTION, mode="accept")
        assert reply is not None
        numbers.append(reply.seq)
        shop.told.modes = ["accept"]
    assert numbers == [1, 2, 3]


async def test_accepted_work_that_may_be_called_off_is_fenced_by_resolve(way: Way) -> None:
    till, told = make_till(way.url, handle=way.handle, fenceable=True)
    async with way.tester(till, database=way.url) as tester:
        await tester.action("pay", Take(amount=1, mode="accept"))
        reply = await tester.resolve("pay")
        assert reply is not None
        assert reply.outcome is Outcome.FENCED
        with pytest.raises(AnswerRefused):
            async with till.answering(told.steps[0].ref) as (_, answer):
                answer(Taken(receipt="r-1"))
