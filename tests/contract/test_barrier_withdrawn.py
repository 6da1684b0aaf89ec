"""Accepted work that is called off, and the handler that is called then, through the real
transactions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from contract.barrier_shop import WAYS, Shop, Small, Way, columns_of
from saga_participant import AnswerRefused, InProgress, Participant, Rejected, Step
from saga_participant.delivery.execution import MAX_LOSSES
from saga_participant.outcomes import SessionLost
from saga_participant.testing import Outcome
from saga_schemas.outcomes import Kind
from support.till.shop import (
    HANDLES,
    SCHEMAS,
    GiveBack,
    Take,
    Taken,
    effect,
    effects,
    make_effects,
    make_till,
    misbehave,
    reply_or_silence,
    write,
)

A, C, Z = Kind.ACTION, Kind.COMPENSATION, Kind.RESOLVE
POSTGRESQL = [way for way in WAYS if way.startswith("postgresql")]


class Wary(Shop):
    """A till that is told when its work is called off."""

    def __init__(self, way: Way, *, fenceable: bool = True) -> None:
        self.database, self.handle = way.url, way.handle
        self.till, self.told = make_till(way.url, handle=way.handle, fenceable=fenceable, handler_limit_s=60.0)
        self.tester = way.tester(self.till, database=way.url)
        self.steps: list[Step] = []
        self.mode = ""
        self.on_db: Callable[[Any], Awaitable[None]] | None = None

        async def withdrawn(command: Take, db: Any, step: Step) -> Any:
            assert command.mode == "accept"
            self.steps.append(step)
            await effect(db, step, "withdraw")
            if self.on_db is not None:
                await self.on_db(db)
            await misbehave(self.mode, db)
            return InProgress("later") if self.mode == "in progress" else None

        withdrawn.__annotations__ |= {"db": HANDLES[way.handle], "return": None}
        self.till.withdrawn(withdrawn)

    async def accepted(self, run: int = 1) -> Step:
        assert await self.says(A, run, "accept") == "IN_PROGRESS"
        return self.told.steps[-1]

    async def columns(self, columns: str) -> tuple[Any, ...]:
        return tuple(await columns_of(self.tester.engine, str(self.tester.saga_id), columns))


@pytest.fixture
async def wary(way: Way) -> AsyncIterator[Wary]:
    made = Wary(way)
    async with made.tester:
        yield made


async def test_it_is_called_in_the_transaction_that_calls_the_work_off(wary: Wary) -> None:
    for kind, run, says in ((Z, 1, "FENCED"), (Z, 2, "FENCED"), (C, 1, "NOTHING_TO_UNDO"), (C, 2, "NOTHING_TO_UNDO")):
        wary.tester.new_saga()
        accepted = await wary.accepted()
        assert await wary.says(kind, run, incarnation=3) == says
        assert wary.steps[-1] == accepted, "with the step, the run and the ref that accepted it"
        assert await wary.effects() == ["withdraw 1"]
        columns = "state, run, incarnation, undo_requested, lease_until, reply_ctx, action_command"
        assert await wary.columns(columns) == ("FENCED", run, 3, None, None, None, None)
        reply = await wary.tester.redeliver() if kind is C else await wary.ask(kind, run, incarnation=3)
        assert reply is not None
        assert reply.outcome.value == says, "and again"
        assert await wary.says(A, run, incarnation=3) == "FENCED"
        assert await wary.effects() == ["withdraw 1"], "once"
        with pytest.raises(AnswerRefused):
            async with wary.till.answering(accepted.ref) as (_, answer):
                answer(Taken(receipt="late"))
        with pytest.raises(AnswerRefused):
            await wary.till.progress(accepted.ref, "3 of 5")


STAYS = ["reject", "fail", "break", "exit", "cancel", "sql", "commit", "commit by text", "in progress"]


@pytest.mark.parametrize("mode", STAYS)
async def test_when_it_does_not_return_the_work_stays_accepted_and_it_is_called_again(
    wary: Wary, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "saga_participant")
    accepted = await wary.accepted()
    wary.mode = mode
    for kind, wish in ((Z, None), (C, 1), (C, 1), (Z, 1)):
        caplog.clear()
        assert await wary.says(kind, incarnation=2) == "IN_PROGRESS", (kind, mode)
        assert await wary.columns("state, run, incarnation, undo_requested") == ("ACCEPTED", 1, 2, wish)
        assert any("it stays accepted" in record.getMessage() for record in caplog.records)
        assert "4111 1111" not in caplog.text
        assert ("returned InProgress, not None" in caplog.text) == (mode == "in progress")
    assert await wary.effects() == [], "nothing that it did stays"
    assert len(wary.steps) == 4
    async with wary.till.answering(accepted.ref) as (_, answer):
        answer(Taken(receipt="r-late"))
    assert (await wary.row(), await wary.effects()) == (("UNDONE", 1), ["give back 1"]), "the wish was noted"


async def test_after_its_time_limit_the_work_stays_accepted(wary: Wary) -> None:
    await wary.accepted()
    wary.mode, wary.tester._running.calls.limit_s = "hang", 0.1
    assert await wary.says(Z) == "IN_PROGRESS"
    assert await wary.says(C) == "IN_PROGRESS"
    assert (await wary.row(), await wary.effects(), len(wary.steps)) == (("ACCEPTED", 1), [], 2)
    wary.mode, wary.tester._running.calls.limit_s = "", 60.0
    assert await wary.says(C) == "NOTHING_TO_UNDO"
    assert (await wary.row(), await wary.effects()) == (("FENCED", 1), ["withdraw 1"])


@pytest.mark.parametrize("way", POSTGRESQL, indirect=True)
async def test_a_statement_that_failed_and_was_caught_keeps_the_work_accepted_where_it_ends_the_transaction(wary: Wary) -> None:
    await wary.accepted()
    wary.mode = "sql, caught"
    assert [await wary.says(Z), await wary.says(C)] == ["IN_PROGRESS", "IN_PROGRESS"]
    assert await wary.columns("state, undo_requested") == ("ACCEPTED", 1)
    assert (await wary.effects(), len(wary.steps)) == ([], 2)


@pytest.mark.parametrize("way", POSTGRESQL, indirect=True)
async def test_when_the_commit_refuses_what_it_did_the_work_stays_accepted(wary: Wary) -> None:
    async with wary.tester.engine.begin() as connection:
        await connection.execute(text("CREATE TABLE IF NOT EXISTS once (n INTEGER PRIMARY KEY)"))
        await connection.execute(
            text("CREATE TABLE IF NOT EXISTS at_the_end (n INTEGER REFERENCES once DEFERRABLE INITIALLY DEFERRED)")
        )
    wary.on_db = lambda db: write(db, "INSERT INTO at_the_end VALUES (7)")
    await wary.accepted()
    assert await wary.says(Z, incarnation=2) == "IN_PROGRESS"
    assert await wary.says(C, incarnation=2) == "IN_PROGRESS"
    assert await wary.columns("state, run, incarnation, undo_requested") == ("ACCEPTED", 1, 2, 1)
    assert (await wary.effects(), len(wary.steps)) == ([], 2)


@pytest.mark.parametrize("way", POSTGRESQL, indirect=True)
async def test_when_it_loses_its_session_again_and_again_the_work_stays_accepted(wary: Wary) -> None:
    await wary.accepted()
    wary.on_db = lambda db: write(db, "SELECT pg_terminate_backend(pg_backend_pid())")
    for kind in (Z, C):
        with pytest.raises(SessionLost):
            await wary.ask(kind)
        assert wary.tester._last is not None
        (answer,) = await wary.tester._running.deliver(wary.tester._last, MAX_LOSSES)
        assert answer.outcome is Outcome.IN_PROGRESS
        assert not answer.repeated
    assert await wary.columns("state, undo_requested") == ("ACCEPTED", 1)
    assert (await wary.effects(), len(wary.steps)) == ([], 4)
    wary.on_db = None
    assert await wary.says(C) == "NOTHING_TO_UNDO"


async def test_a_handler_that_ends_the_transaction_is_answered_by_silence(wary: Wary) -> None:
    await wary.accepted()
    for mode in ("commit past the guard", "rollback past the guard"):
        wary.mode = mode
        for kind in (Z, C):
            assert await wary.says(kind) is None
            assert await wary.columns("state, undo_requested") == ("ACCEPTED", None)


async def test_an_answer_and_a_compensation_at_the_same_time_leave_one_of_two_ends(wary: Wary) -> None:
    async def answered(ref: str) -> bool:
        try:
            async with wary.till.answering(ref) as (_, answer):
                answer(Taken(receipt="r-late"))
        except AnswerRefused:
            return False
        return True

    for late in range(6):
        wary.tester.new_saga()
        answering, compensation = answered((await wary.accepted()).ref), wary.says(C)
        if late % 2:
            says, kept = await asyncio.gather(compensation, answering)
        else:
            kept, says = await asyncio.gather(answering, compensation)
        expected = ("UNDONE", ["give back 1"]) if kept else ("NOTHING_TO_UNDO", ["withdraw 1"])
        assert (says, await wary.effects()) == expected


async def test_where_its_model_refuses_the_command_all_is_as_if_it_had_failed(way: Way) -> None:
    till, told = make_till(way.url, handle=way.handle, fenceable=True)

    @till.withdrawn
    async def withdrawn(command: Small) -> None:
        raise AssertionError

    async with way.tester(till, database=way.url) as tester:
        await tester.action("pay", Take(amount=11, mode="accept"))
        for reply in (await tester.resolve("pay"), await tester.compensation("pay", GiveBack(amount=11))):
            assert reply is not None
            assert reply.outcome is Outcome.IN_PROGRESS
        async with till.answering(told.steps[0].ref) as (_, answer):
            answer(Taken(receipt="r-late"))
        assert await effects(tester.engine, tester.saga_id) == ["give back 1"]


async def test_who_may_not_call_the_work_off_does_not_have_it_called(wary: Wary) -> None:
    await wary.accepted(run=2)
    assert await wary.says(A, 2) == "IN_PROGRESS"
    assert await wary.says(A, 3) == "IN_PROGRESS"
    for kind in (C, Z):
        assert await wary.says(kind, 1) == "IN_PROGRESS", "of an older run"
    assert await wary.columns("state, run, undo_requested") == ("ACCEPTED", 2, None)
    assert await wary.says(Z, 2, incarnation=2) == "FENCED"
    wary.tester.new_saga()
    await wary.ask(A, mode="accept", incarnation=2)
    assert await wary.says(C, incarnation=1) is None, "of an older incarnation"
    assert len(wary.steps) == 1


async def test_resolve_does_not_call_it_where_it_may_not_fence_but_a_compensation_does(way: Way) -> None:
    wary = Wary(way, fenceable=False)
    async with wary.tester:
        await wary.accepted()
        assert await wary.says(Z) == "IN_PROGRESS"
        assert wary.steps == []
        assert await wary.says(C) == "NOTHING_TO_UNDO"
        assert (await wary.row(), await wary.effects()) == (("FENCED", 1), ["withdraw 1"])


async def test_work_that_has_ended_is_not_called_off(wary: Wary) -> None:
    for said, resolved, undone in (
        (Taken(receipt="r-1"), "SUCCEEDED", "UNDONE"),
        (Rejected("no"), "REJECTED", "NOTHING_TO_UNDO"),
    ):
        wary.tester.new_saga()
        accepted = await wary.accepted()
        async with wary.till.answering(accepted.ref) as (_, answer):
            answer(said)
        assert [await wary.says(Z), await wary.says(C)] == [resolved, undone]
    assert wary.steps == []


async def test_what_is_called_off_is_not_resumed_and_what_stays_accepted_is(wary: Wary) -> None:
    wary.told.lease = timedelta(0)
    for kind, says in ((Z, "FENCED"), (C, "NOTHING_TO_UNDO")):
        wary.tester.new_saga()
        await wary.accepted()
        taken = len(wary.told.steps)
        assert await wary.says(kind) == says
        assert len(wary.told.steps) == taken
    wary.mode = "reject"
    for kind, says, written in ((Z, "SUCCEEDED", ["take 1"]), (C, "UNDONE", ["take 1", "give back 1"])):
        wary.tester.new_saga()
        await wary.accepted()
        wary.told.modes = [""]
        assert await wary.says(kind) == says
        assert await wary.effects() == written


async def test_a_newer_compensation_hears_of_it_too_when_an_older_one_comes_late(wary: Wary) -> None:
    await wary.accepted()
    wary.mode = "fail"
    await wary.ask(C)
    older = wary.tester._last
    newer = await wary.tester.redeliver()
    assert older is not None
    assert newer is not None
    wary.mode = ""
    wary.tester.replies.clear()
    late = await wary.tester.deliver(older)
    assert late is not None
    assert late.outcome is Outcome.NOTHING_TO_UNDO
    assert {reply.to.attempt: reply.outcome for reply in wary.tester.replies} == {
        1: Outcome.NOTHING_TO_UNDO,
        2: Outcome.NOTHING_TO_UNDO,
    }
    assert await wary.effects() == ["withdraw 1"]


async def test_work_elsewhere_is_called_off_only_when_no_call_is_under_way(way: Way) -> None:
    gateway = Participant("gateway", database=way.url, schemas=SCHEMAS, on_start=make_effects)
    says: list[Any] = []
    told: list[str] = []

    @gateway.action(external=True, fenceable=True)
    async def take(command: Take, step: Step) -> Taken | InProgress:
        said = says.pop(0)
        if callable(said):
            await said()
            return Taken(receipt="r-1")
        if isinstance(said, Exception):
            raise said
        return InProgress("the bank calls back", lease=timedelta(hours=1))

    @gateway.compensation(external=True)
    async def give_back(command: GiveBack) -> None:
        told.append("given back")

    async def withdrawn(command: Take, db: Any, step: Step) -> None:
        told.append("withdrawn")
        await effect(db, step, "withdraw")

    withdrawn.__annotations__["db"] = HANDLES[way.handle]
    gateway.withdrawn(withdrawn)

    async with way.tester(gateway, database=way.url) as tester:

        async def asked(kind: Kind) -> str | None:
            undo = tester.compensation("pay", GiveBack(amount=1))
            asking = tester.action("pay", Take(amount=1)) if kind is A else tester.resolve("pay") if kind is Z else undo
            reply = await reply_or_silence(asking)
            if kind is not C:
                undo.close()
            return None if reply is None else reply.outcome.value

        async def meanwhile() -> None:
            assert [await asked(Z), await asked(C)] == ["IN_PROGRESS", "IN_PROGRESS"], "the call may have its effect yet"

        says[:] = [meanwhile]
        await asked(A)
        assert told == ["given back"], "as wished, at the end of the action"
        tester.new_saga()
        says[:] = [ConnectionError(), ConnectionError()]
        assert [await asked(A), await asked(Z)] == [None, None], "nobody knows what came of the call: it is made again"
        for kind, outcome in ((Z, "FENCED"), (C, "NOTHING_TO_UNDO")):
            tester.new_saga()
            told.clear()
            says[:] = [None]
            assert [await asked(A), await asked(kind)] == ["IN_PROGRESS", outcome]
            assert (told, await effects(tester.engine, tester.saga_id)) == (["withdrawn"], ["withdraw 1"])
