"""The barrier through its real transactions, on SQLite and on PostgreSQL: with SQLAlchemy's
connection, its session, and bare asyncpg.

Every cell of the table; what a handler may do wrong (B19); the same command to two instances at
once.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import BaseModel
from sqlalchemy import text

from contract.barrier_shop import Shop, Way
from saga_participant import Participant, Step
from saga_participant.outcomes import Unavailable
from saga_participant.testing import Outcome, ParticipantTester, Reply
from saga_schemas.outcomes import Kind, RowState
from saga_schemas.times import FIRST_US, LAST_US
from support.till.cells import TABLE, Cell, name_of
from support.till.shop import (
    HANDLES,
    SCHEMAS,
    GiveBack,
    Take,
    effect,
    effects,
    make_effects,
    make_till,
    past_the_guard,
    reply_or_silence,
)

END_ALL_OTHERS = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()"""
LIMITS = ("idle_in_transaction_session_timeout", "lock_timeout")
GIVE_BACK = GiveBack(amount=1)


async def bring_to(shop: Shop, state: RowState | None, run: int) -> None:
    """A row in this state and run, as commands bring it there."""
    match state:
        case None:
            return
        case RowState.ACCEPTED:
            await shop.ask(Kind.ACTION, run, "accept")
        case RowState.DONE:
            await shop.ask(Kind.ACTION, run)
        case RowState.REJECTED:
            await shop.ask(Kind.ACTION, run, "reject")
        case RowState.FENCED:
            await shop.ask(Kind.RESOLVE, run)
        case RowState.UNDONE:
            await shop.ask(Kind.ACTION, run)
            await shop.ask(Kind.COMPENSATION, run)
    assert await shop.row() == (state.value, run)


async def test_every_cell_of_the_table(shop: Shop) -> None:
    for cell in TABLE:
        shop.tester.new_saga()
        await bring_to(shop, cell.row, 5)
        before = await shop.effects()
        run = {"<": 4, "=": 5, ">": 6}.get(cell.when, 5)
        reply = await shop.ask(cell.kind, run, expired=cell.when == "expired")
        assert reply is not None, name_of(cell)
        check_reply(cell, reply, run)
        check_row(cell, await shop.row(), run)
        assert await shop.effects() == before + written_by(cell, run), name_of(cell)


def check_reply(cell: Cell, reply: Reply, run: int) -> None:
    expected = {"run it": "SUCCEEDED", "undo it": "UNDONE"}.get(cell.says, cell.says)
    assert reply.outcome.value == expected, name_of(cell)
    assert (reply.to.kind, reply.to.run) == (cell.kind, run), "headers are the command's"
    assert reply.row_run == (5 if cell.row is RowState.DONE and cell.when == "<" else None), name_of(cell)
    if expected == "SUCCEEDED" and cell.kind is not Kind.COMPENSATION:
        assert reply.value["receipt"] == ("r-5" if cell.row is RowState.DONE else f"r-{run}"), name_of(cell)


def check_row(cell: Cell, row: tuple[str, int] | None, run: int) -> None:
    if cell.says == "run it":
        assert row == ("DONE", run), name_of(cell)
    elif cell.says == "undo it":
        assert row == ("UNDONE", run), name_of(cell)
    elif cell.becomes is None:
        assert row is None, name_of(cell)
    else:
        assert row == (cell.becomes.value, run if cell.run == "command" else 5), name_of(cell)


def written_by(cell: Cell, run: int) -> list[str]:
    return {"run it": [f"take {run}"], "undo it": [f"give back {run}"]}.get(cell.says, [])


async def test_a_command_of_an_older_incarnation_is_refused_in_silence(shop: Shop) -> None:
    await shop.ask(Kind.ACTION, incarnation=2)
    for kind in Kind:
        assert await shop.says(kind, incarnation=1) is None
    assert await shop.effects() == ["take 1"]
    assert await shop.says(Kind.COMPENSATION, incarnation=2) == "UNDONE"


ENDINGS = ["", "reject", "fail", "break", "wrong type", "accept", "sql"]


async def test_whatever_comes_of_a_command_its_row_learns_the_incarnation_and_refuses_older_ones(shop: Shop) -> None:
    for cell in TABLE:
        if cell.row is None:
            continue
        for mode in ENDINGS if cell.says in ("run it", "undo it") else [""]:
            shop.tester.new_saga()
            await bring_to(shop, cell.row, 5)
            run = {"<": 4, "=": 5, ">": 6}[cell.when]
            assert await shop.ask(cell.kind, run, mode, incarnation=2) is not None, (name_of(cell), mode)
            assert await shop.incarnation() == 2, (name_of(cell), mode)
            await refuses_the_older_incarnation(shop, run, (name_of(cell), mode))


async def test_a_resumed_action_lets_its_row_learn_the_incarnation_however_it_ends(shop: Shop) -> None:
    shop.told.lease = timedelta(0)
    for kind in Kind:
        for mode in ENDINGS:
            shop.tester.new_saga()
            await shop.ask(Kind.ACTION, 5, "accept")
            shop.told.modes = [mode]
            assert await shop.ask(kind, 5, incarnation=2) is not None, (kind, mode)
            assert await shop.incarnation() == 2, (kind, mode)
            shop.told.modes = []
            await refuses_the_older_incarnation(shop, 5, (kind, mode))


async def refuses_the_older_incarnation(shop: Shop, run: int, case: object) -> None:
    before, row = await shop.effects(), await shop.row()
    for kind in Kind:
        assert await shop.ask(kind, run + 1, incarnation=1) is None, (case, kind)
    assert (await shop.effects(), await shop.row()) == (before, row), case


async def test_where_a_failure_leaves_no_row_there_is_nothing_that_could_learn(shop: Shop) -> None:
    assert await shop.says(Kind.ACTION, mode="break", incarnation=2) == "FAILED"
    assert await shop.row() is None
    assert await shop.says(Kind.ACTION, incarnation=1) == "SUCCEEDED"


async def test_an_expiry_may_be_any_instant_there_is(shop: Shop) -> None:
    await shop.ask(Kind.ACTION, mode="reject")  # any command, for its form
    last = shop.tester._last
    assert last is not None
    for expiry_us, outcome in ((FIRST_US, Outcome.EXPIRED), (-1, Outcome.EXPIRED), (LAST_US, Outcome.REJECTED)):
        reply = await shop.tester.deliver(
            replace(last, headers=replace(last.headers, saga_id=shop.tester.new_saga(), expiry_us=expiry_us))
        )
        assert reply is not None
        assert reply.outcome is outcome


async def test_a_command_of_another_tenant_is_refused_in_silence(shop: Shop) -> None:
    await shop.ask(Kind.ACTION)
    stranger = ParticipantTester(shop.till, database=shop.database, tenant="somebody-else")
    stranger.saga_id = shop.tester.saga_id
    await shop.tester.__aexit__(None, None, None)
    async with stranger:
        assert await reply_or_silence(stranger.compensation("pay", GIVE_BACK)) is None
        assert await effects(stranger.engine, stranger.saga_id) == ["take 1"]


async def test_an_undo_that_fails_or_is_rejected_leaves_the_effect(shop: Shop) -> None:
    await shop.ask(Kind.ACTION)
    assert await shop.says(Kind.COMPENSATION, mode="break") == "FAILED"
    assert await shop.says(Kind.COMPENSATION, mode="reject") == "REJECTED"
    assert (await shop.row(), await shop.effects()) == (("DONE", 1), ["take 1"])
    assert await shop.says(Kind.COMPENSATION) == "UNDONE"
    assert await shop.effects() == ["take 1", "give back 1"]


async def test_a_rejection_takes_everything_back_and_is_remembered(shop: Shop) -> None:
    first = await shop.ask(Kind.ACTION, mode="reject")
    again = await shop.tester.redeliver()
    assert first is not None
    assert again is not None
    assert first.failure == again.failure
    assert first.failure is not None
    assert (first.failure.code, first.failure.message) == ("no", "not today")
    assert (await shop.row(), await shop.effects()) == (("REJECTED", 1), [])


class Look(BaseModel):
    pass


class Looked(BaseModel):
    at: datetime
    local: datetime | None = None


async def test_a_reply_with_a_time_in_no_zone_or_in_one_too_many_is_refused_and_nothing_of_it_stays(way: Way) -> None:
    clock, shown = Participant("clock", database=way.url, schemas=SCHEMAS, on_start=make_effects), list[Looked]()

    async def look(command: Look, db: Any, step: Step) -> Looked:
        await effect(db, step, "look")
        return shown[-1]

    look.__annotations__["db"] = HANDLES[way.handle]
    clock.action(look)
    noon = datetime(2026, 7, 1, 12)
    async with way.tester(clock, database=way.url) as tester:
        for wrong, words in (
            (Looked(at=noon), "at: an instant needs a zone"),
            (Looked(at=aware(noon), local=aware(noon)), "local: a"),
        ):
            tester.new_saga()
            shown.append(wrong)
            reply = await tester.action("look", Look())
            assert reply is not None
            assert (reply.outcome, reply.failure and reply.failure.code) == (Outcome.FAILED, "reply_does_not_fit")
            assert words in str(reply.failure)
            assert await effects(tester.engine, tester.saga_id) == []
            shown.append(Looked(at=aware(noon), local=noon))
            again = await tester.redeliver()
            assert again is not None
            assert again.value == {"at": aware(noon), "local": noon}


def aware(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC)


# B19: what participant code may do wrong.

TECHNICAL = ["fail", "break", "exit", "interrupt", "generator", "cancel", "close", "sql", "wrong type"]


async def test_a_technical_failure_leaves_no_row_and_no_effect_and_may_succeed_later(shop: Shop) -> None:
    for mode in TECHNICAL:
        shop.tester.new_saga()
        assert await shop.says(Kind.ACTION, mode=mode) == "FAILED", mode
        assert (await shop.row(), await shop.effects()) == (None, []), mode
        assert await shop.says(Kind.ACTION) == "SUCCEEDED"
        assert await shop.effects() == ["take 1"]


async def test_a_guarded_db_refuses_to_end_the_transaction(shop: Shop) -> None:
    for mode in ("commit", "rollback", "begin"):
        shop.tester.new_saga()
        reply = await shop.ask(Kind.ACTION, mode=mode)
        assert reply is not None
        assert reply.failure is not None
        assert reply.failure.code == ("attribute_error" if shop.handle == "asyncpg" else "transaction_is_ours")
        assert (await shop.row(), await shop.effects()) == (None, []), mode


async def test_the_transaction_cannot_be_ended_by_text(shop: Shop) -> None:
    for mode in ("commit by text", "rollback by text", "commit and begin by text"):
        shop.tester.new_saga()
        reply = await shop.ask(Kind.ACTION, mode=mode)
        assert reply is not None
        assert reply.failure is not None
        assert reply.failure.code == "transaction_is_ours"
        assert (await shop.row(), await shop.effects()) == (None, []), mode


async def test_a_transaction_ended_past_the_guard_is_found_and_nothing_is_said(shop: Shop) -> None:
    for mode in ("commit past the guard", "rollback past the guard", "commit and begin past the guard"):
        shop.tester.new_saga()
        assert await shop.says(Kind.ACTION, mode=mode) is None, mode
        if mode.startswith("commit"):
            assert await shop.effects() == ["take 1"]
            assert await shop.says(Kind.ACTION) is None, "the row has no reply to give, and never runs it again"
        assert (await shop.effects()).count("take 1") <= 1


async def test_a_transaction_ended_past_the_guard_is_found_too_when_the_handler_fails_or_rejects_afterwards(shop: Shop) -> None:
    async def commit_and_begin(db: Any) -> None:
        await past_the_guard(db, "COMMIT")
        await past_the_guard(db, "BEGIN")

    shop.told.on_db = commit_and_begin
    for mode in ("break", "reject", "sql"):
        shop.tester.new_saga()
        assert await shop.says(Kind.ACTION, mode=mode) is None, mode
        assert await shop.effects() == ["take 1"], "it committed this itself, so nobody may be told of a failure"


async def test_a_handler_that_hangs_is_ended_by_the_limit(way: Way) -> None:
    till, _ = make_till(way.url, handle=way.handle, handler_limit_s=0.05)
    async with way.tester(till, database=way.url) as tester:
        reply = await tester.action("pay", Take(amount=1, mode="hang"))
        assert reply is not None
        assert reply.failure is not None
        assert reply.failure.code == "handler_timeout"
        assert await effects(tester.engine, tester.saga_id) == []


async def test_an_error_that_a_handler_swallows_does_not_pass_for_success_on_postgresql(shop: Shop) -> None:
    """PostgreSQL has given up the transaction by then; SQLite has not, and the handler was right to
    go on."""
    outcome = await shop.says(Kind.ACTION, mode="sql, caught")
    assert outcome == ("FAILED" if "postgresql" in shop.database else "SUCCEEDED")
    assert (outcome == "SUCCEEDED") == (await shop.effects() == ["take 1"])


async def test_the_text_of_an_exception_goes_nowhere(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    reply = await shop.ask(Kind.ACTION, mode="break")
    assert reply is not None
    assert reply.failure is not None
    assert (reply.failure.code, reply.failure.message) == ("value_error", "ValueError")
    assert "4111 1111" not in caplog.text


# Two instances of one participant.


@pytest.mark.parametrize("handle", ["connection", "asyncpg"])
async def test_the_same_command_to_two_instances_at_once_has_one_effect(shared_url: str, handle: str) -> None:
    one, two = Shop(shared_url, handle), Shop(shared_url, handle)
    async with one.tester, two.tester:
        for _ in range(50):
            two.tester.saga_id = one.tester.new_saga()
            said = [*await asyncio.gather(one.says(Kind.ACTION), two.says(Kind.ACTION))]
            assert said == ["SUCCEEDED", "SUCCEEDED"]
            assert await one.effects() == ["take 1"]


@pytest.mark.parametrize("handle", ["connection", "asyncpg"])
async def test_an_action_and_its_compensation_at_once_leave_no_effect(shared_url: str, handle: str) -> None:
    one, two = Shop(shared_url, handle), Shop(shared_url, handle)
    async with one.tester, two.tester:
        for _ in range(50):
            two.tester.saga_id = one.tester.new_saga()
            said = [*await asyncio.gather(one.says(Kind.ACTION), two.says(Kind.COMPENSATION))]
            assert said in (["SUCCEEDED", "UNDONE"], ["FENCED", "NOTHING_TO_UNDO"])
            assert await one.effects() in ([], ["take 1", "give back 1"])


@pytest.mark.parametrize("handle", ["connection", "asyncpg"])
async def test_a_connection_lost_in_the_handler_is_tried_again_and_costs_no_attempt(database_url: str, handle: str) -> None:
    shop = Shop(database_url, handle)
    async with shop.tester:

        async def kill_everybody_else() -> None:
            shop.told.during = None
            async with shop.tester.engine.connect() as connection:
                await connection.execute(text(END_ALL_OTHERS))

        shop.told.during = kill_everybody_else
        with pytest.raises(Unavailable):
            await shop.ask(Kind.ACTION, mode="sql")
        assert await shop.says(Kind.ACTION) == "SUCCEEDED"
        assert await shop.effects() == ["take 1"]


async def test_our_own_sessions_keep_no_row_locked_for_long(shared_url: str) -> None:
    shop = Shop(shared_url, "asyncpg")
    async with shop.tester, shop.tester.engine.connect() as connection:
        limits = [(await connection.execute(text(f"SHOW {name}"))).scalar_one() for name in LIMITS]
        assert limits == ["2min", "30s"]
