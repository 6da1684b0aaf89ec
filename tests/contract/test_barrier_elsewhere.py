"""Handlers that work elsewhere, through the real transactions: a `Failed` is an answer, any other
exception is silence."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from contract.barrier_shop import Small, Way, columns_of
from saga_participant import AnswerRefused, Failed, InProgress, Participant, Rejected, Step
from saga_participant.testing import Outcome, Reply
from saga_schemas.outcomes import Kind
from support.till.shop import HANDLES, SCHEMAS, GiveBack, Take, Taken, effect, effects, make_effects, reply_or_silence

TAKE, GIVE_BACK = Take(amount=1), GiveBack(amount=1)
DOWN = Failed("bank_down", "try later", retry_after=timedelta(seconds=7))


class Gateway:
    """Somebody else, who says what he is told to, and a participant that asks him."""

    def __init__(self, way: Way, *, fenceable: bool = False, undo_external: bool = False) -> None:
        self.keys: list[str] = []
        self.resumed: list[bool] = []
        self.says: list[Any] = []
        """What the next calls end in: an exception, an answer, or something to be done meanwhile.
        """
        self.participant = gateway = Participant("gateway", database=way.url, schemas=SCHEMAS, on_start=make_effects)
        self.tester = way.tester(gateway, database=way.url)

        @gateway.action(external=True, fenceable=fenceable)
        async def take(command: Take, step: Step) -> Taken | InProgress:
            return await self._call(step) or Taken(receipt=f"bank-{step.run}")

        async def give_back(command: GiveBack, taken: Taken, db: Any, step: Step) -> None:
            await effect(db, step, "give back")

        async def call_back(command: GiveBack, taken: Taken, step: Step) -> None:
            await self._call(step)

        give_back.__annotations__["db"] = HANDLES[way.handle]
        gateway.compensation(external=undo_external)(call_back if undo_external else give_back)

    async def _call(self, step: Step) -> Any:
        self.keys.append(step.idempotency_key)
        self.resumed.append(step.resumed)
        while self.says and callable(self.says[0]):
            meanwhile: Callable[[], Awaitable[None]] = self.says.pop(0)
            await meanwhile()
        said = self.says.pop(0) if self.says else None
        if isinstance(said, BaseException):
            raise said
        return said

    async def ask(self, kind: Kind, run: int = 1, **options: Any) -> Reply | None:
        if kind is Kind.RESOLVE:
            return await reply_or_silence(self.tester.resolve("pay", run=run, **options))
        if kind is Kind.ACTION:
            return await reply_or_silence(self.tester.action("pay", TAKE, run=run, **options))
        return await reply_or_silence(self.tester.compensation("pay", GIVE_BACK, run=run, **options))

    async def outcome(self, kind: Kind, run: int = 1, **options: Any) -> str | None:
        reply = await self.ask(kind, run, **options)
        return None if reply is None else reply.outcome.value

    async def row(self, columns: str = "state, run, incarnation") -> Any:
        found = await columns_of(self.tester.engine, str(self.tester.saga_id), columns)
        return None if found is None else tuple(found)


@pytest.fixture
async def gateway(way: Way) -> AsyncIterator[Gateway]:
    made = Gateway(way)
    async with made.tester:
        yield made


def failure_of(reply: Reply | None) -> tuple[str, str, int | None]:
    assert reply is not None
    assert reply.failure is not None
    return reply.outcome.value, reply.failure.code, reply.failure.retry_after_ms


async def test_failed_is_an_answer_with_its_code_and_its_patience_and_leaves_no_row(gateway: Gateway) -> None:
    for _ in range(3):
        gateway.says = [DOWN]
        assert failure_of(await gateway.ask(Kind.ACTION)) == ("FAILED", "bank_down", 7000)
        assert await gateway.row() is None
    assert await gateway.outcome(Kind.ACTION) == "SUCCEEDED"
    assert len(gateway.keys) == 4, "each asking called again at once"
    assert len(set(gateway.keys)) == 1
    assert gateway.resumed == [False] * 4


@pytest.mark.parametrize(("kind", "says"), [(Kind.COMPENSATION, "NOTHING_TO_UNDO"), (Kind.RESOLVE, "FENCED")])
async def test_after_failed_there_is_nothing_to_undo_and_nobody_is_called_again(gateway: Gateway, kind: Kind, says: str) -> None:
    gateway.says = [DOWN]
    await gateway.ask(Kind.ACTION)
    assert await gateway.outcome(kind) == says
    assert await gateway.outcome(Kind.ACTION) == "FENCED"
    assert len(gateway.keys) == 1


@pytest.mark.parametrize("earlier", [Kind.RESOLVE, Kind.COMPENSATION, Kind.ACTION])
async def test_failed_gives_back_the_row_that_was_there_and_what_it_remembered(gateway: Gateway, earlier: Kind) -> None:
    if earlier is Kind.RESOLVE:
        await gateway.ask(Kind.RESOLVE)  # fenced
    else:
        gateway.says = [Rejected("no_funds")] if earlier is Kind.ACTION else []
        await gateway.ask(Kind.ACTION)
        if earlier is Kind.COMPENSATION:
            await gateway.ask(Kind.COMPENSATION)  # undone
    remembered = "state, run, action_schema, action_reply, undo_schema, undo_reply"
    before = await gateway.row(remembered)
    gateway.says = [DOWN]
    assert await gateway.outcome(Kind.ACTION, 2, incarnation=2) == "FAILED"
    assert await gateway.row(remembered) == before
    assert await gateway.row("incarnation, lease_until, reply_ctx, action_command") == (2, None, None, None)
    assert await gateway.outcome(Kind.ACTION, incarnation=2) == ("REJECTED" if earlier is Kind.ACTION else "FENCED")
    assert await gateway.outcome(Kind.ACTION, 2, incarnation=1) is None


async def test_a_wish_to_undo_that_came_during_a_call_that_failed_is_answered_by_the_row_before(gateway: Gateway) -> None:
    for undone_before in (False, True):
        gateway.tester.new_saga()
        gateway.tester.replies.clear()
        if undone_before:
            await gateway.ask(Kind.ACTION)
            await gateway.ask(Kind.COMPENSATION)
        run = 2 if undone_before else 1

        async def wish(run: int = run) -> None:
            assert await gateway.outcome(Kind.COMPENSATION, run) == "IN_PROGRESS"

        gateway.says = [wish, DOWN]
        assert await gateway.outcome(Kind.ACTION, run) == "FAILED"
        told = [reply.outcome for reply in gateway.tester.replies if (reply.to.kind, reply.to.run) == (Kind.COMPENSATION, run)]
        assert told == [Outcome.IN_PROGRESS, Outcome.UNDONE if undone_before else Outcome.NOTHING_TO_UNDO]
        assert await gateway.row("state, run, undo_requested, lease_until, reply_ctx") == (
            "UNDONE" if undone_before else "FENCED", run, None, None, None,
        )  # fmt: skip
        assert await gateway.outcome(Kind.ACTION, run) == "FENCED"


async def test_after_silence_nobody_knows_so_failed_answers_and_the_work_stays_accepted(gateway: Gateway) -> None:
    gateway.says = [ConnectionError()]
    assert await gateway.outcome(Kind.ACTION) is None
    for _ in range(2):
        gateway.says = [DOWN]
        assert failure_of(await gateway.ask(Kind.ACTION)) == ("FAILED", "bank_down", 7000)
        assert (await gateway.row("state"))[0] == "ACCEPTED"
    gateway.says = [DOWN]
    assert await gateway.outcome(Kind.COMPENSATION) == "IN_PROGRESS", "the first call may have had an effect"
    assert await gateway.outcome(Kind.COMPENSATION) == "UNDONE"
    assert gateway.resumed == [False, True, True, True, True]
    assert len(set(gateway.keys)) == 1
    assert await effects(gateway.tester.engine, gateway.tester.saga_id) == ["give back 1"]


async def test_a_repeated_command_during_the_call_is_the_one_that_hears_of_the_failure(gateway: Gateway) -> None:
    heard: list[Reply | None] = []

    async def again() -> None:
        heard.append(await reply_or_silence(gateway.tester.redeliver()))

    gateway.says = [again, DOWN]
    await gateway.ask(Kind.ACTION)
    assert [reply and reply.outcome for reply in heard] == [Outcome.IN_PROGRESS]
    last = gateway.tester.replies[-1]
    assert (last.outcome, last.to.attempt) == (Outcome.FAILED, 2)


async def test_an_answer_during_the_call_wins_over_its_failure(gateway: Gateway) -> None:
    async def callback() -> None:
        async with gateway.participant.answering(f"{gateway.tester.saga_id}/pay/1") as (_, answer):
            answer(Taken(receipt="called-back"))

    gateway.says = [callback, DOWN]
    reply = await gateway.ask(Kind.ACTION)
    assert reply is not None
    assert reply.value == {"receipt": "called-back"}
    assert (await gateway.row())[0] == "DONE"


async def test_an_undo_elsewhere_that_failed_is_answered_and_called_again_when_asked_again(way: Way) -> None:
    gateway = Gateway(way, undo_external=True)
    async with gateway.tester:
        await gateway.ask(Kind.ACTION)
        gateway.says = [DOWN]
        assert failure_of(await gateway.ask(Kind.COMPENSATION, incarnation=2)) == ("FAILED", "bank_down", 7000)
        assert await gateway.row("state, run, incarnation, lease_until") == ("DONE", 1, 2, None)
        gateway.says = [ConnectionError()]
        assert await gateway.outcome(Kind.COMPENSATION, incarnation=2) is None
        assert await gateway.outcome(Kind.COMPENSATION, incarnation=2) == "UNDONE"
        assert len(gateway.keys) == 4


async def test_what_is_called_elsewhere_is_not_fenced_before_its_end_is_known(way: Way) -> None:
    gateway = Gateway(way, fenceable=True)
    async with gateway.tester:

        async def resolve() -> None:
            assert await gateway.outcome(Kind.RESOLVE) == "IN_PROGRESS", "the call may have its effect yet"

        gateway.says = [resolve]
        assert await gateway.outcome(Kind.ACTION) == "SUCCEEDED"
        gateway.tester.new_saga()
        gateway.says = [ConnectionError()]
        assert await gateway.outcome(Kind.ACTION) is None
        assert await gateway.outcome(Kind.RESOLVE) == "SUCCEEDED", "called again to find out"
        gateway.tester.new_saga()
        gateway.says = [InProgress("the bank calls back")]
        assert await gateway.outcome(Kind.ACTION) == "IN_PROGRESS"
        assert await gateway.outcome(Kind.RESOLVE) == "FENCED"
        with pytest.raises(AnswerRefused):
            async with gateway.participant.answering(f"{gateway.tester.saga_id}/pay/1") as (_, answer):
                answer(Taken(receipt="late"))


async def test_a_command_that_its_model_refuses_is_not_noted_as_a_call(way: Way) -> None:
    gateway = Participant("gateway", database=way.url, schemas=SCHEMAS, on_start=make_effects)

    @gateway.action(external=True)
    async def take(command: Small, step: Step) -> Taken:
        raise AssertionError

    async with way.tester(gateway, database=way.url) as tester:
        await tester.action("pay", Take(amount=11))
        assert await columns_of(tester.engine, str(tester.saga_id), "state") is None
        resolved = await tester.resolve("pay")
        assert resolved is not None
        assert resolved.outcome is Outcome.FENCED
