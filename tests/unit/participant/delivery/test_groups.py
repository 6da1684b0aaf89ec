"""Who is served together: how long a handler takes decides, and what one does costs no other more
than a wait."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from saga_messaging.background import end
from saga_participant import Participant, Rejected, Step
from saga_participant.barrier.answers import Answer
from saga_participant.barrier.entry import ReceivedCommand
from saga_participant.delivery import group_transaction
from saga_participant.delivery.execution import Execution
from saga_participant.delivery.group_transaction import BUDGET_S
from saga_participant.handling.handler_time import HandlerTime
from saga_schemas.headers import CommandHeaders, decode_command
from saga_schemas.outcomes import Kind, Outcome
from support.hand_clock import HandClock
from support.till.shop import SCHEMAS, Take, Taken, effect, effects, make_effects
from support.till.wire import command, new_saga


class Till:
    """A till whose handler may take its time, by a clock of the test's."""

    def __init__(self, group: int = 32) -> None:
        self.clock = HandClock()
        self.takes_s = 0.0
        self.began: list[str] = []
        self.on_db: Any = None
        self.participant = Participant(
            "till", database="sqlite+aiosqlite://", schemas=SCHEMAS, on_start=make_effects, group=group
        )

        @self.participant.action
        async def take(command: Take, db: AsyncConnection, step: Step) -> Taken:
            self.began.append(command.mode)
            self.clock.now_s += self.takes_s
            if command.mode == "no":
                raise Rejected("no")
            await effect(db, step, "take")
            if command.mode == "hang":
                await asyncio.Event().wait()
            if command.mode.startswith("SET"):
                await db.execute(text(command.mode))
            return Taken(receipt="r")

    async def serve(self, execution: Execution, *commands: ReceivedCommand) -> list[str]:
        """The outcomes of commands that come at the same time."""
        times = [HandlerTime(self.clock) for _ in commands]
        served = await asyncio.gather(*(execution.deliver(each, 0, time) for each, time in zip(commands, times, strict=True)))
        return [answer.outcome.value for answers in served for answer in answers]


@asynccontextmanager
async def running(till: Till, *, database: str = "sqlite+aiosqlite://", known: bool = True) -> AsyncIterator[Execution]:
    async with till.participant.on(database) as execution:
        if known:
            assert await till.serve(execution, received()) == ["SUCCEEDED"]
            till.began.clear()
        yield execution


def received(mode: str = "", **changes: Any) -> ReceivedCommand:
    record = command(mode=mode, **changes)
    assert record.value is not None
    headers = decode_command(record.headers)
    return ReceivedCommand(headers=headers, payload=record.value)


async def all_effects(execution: Execution) -> int:
    return len(await effects(execution.database.engine))


async def test_commands_that_come_together_share_a_transaction() -> None:
    till = Till()
    async with running(till) as execution:
        assert await till.serve(execution, *(received() for _ in range(40))) == ["SUCCEEDED"] * 40
        assert (execution.groups.served, execution.groups.served_commands) == (2, 40)
        assert await all_effects(execution) == 41


async def test_one_by_one_where_that_is_asked_for() -> None:
    till = Till(group=1)
    async with running(till) as execution:
        assert await till.serve(execution, *(received() for _ in range(10))) == ["SUCCEEDED"] * 10
        assert execution.groups.served == 0


async def test_nobody_is_grouped_before_it_is_known_how_long_the_handler_takes() -> None:
    till = Till()
    async with running(till, known=False) as execution:
        assert await till.serve(execution, *(received() for _ in range(5))) == ["SUCCEEDED"] * 5
        assert execution.groups.served == 0


async def test_a_slow_handler_is_served_alone_until_it_is_quick_again() -> None:
    till = Till()
    async with running(till) as execution:
        till.takes_s = BUDGET_S
        for _ in range(8):
            await till.serve(execution, received())
        await till.serve(execution, received(), received())
        assert execution.groups.served == 0
        till.takes_s = BUDGET_S / 4
        for _ in range(8):
            await till.serve(execution, received())
        await till.serve(execution, received(), received())
        assert execution.groups.served == 1


async def test_a_group_whose_handlers_take_too_long_ends_there_and_the_others_come_next() -> None:
    till = Till()
    async with running(till) as execution:
        till.takes_s = BUDGET_S * 0.75
        assert await till.serve(execution, *(received() for _ in range(5))) == ["SUCCEEDED"] * 5
        assert len(till.began) == 5, "nobody was run twice"
        assert await all_effects(execution) == 6
        assert execution.groups.served_commands in (4, 5)
        assert execution.groups.rolled_back == 0


async def test_steps_of_one_saga_share_a_transaction() -> None:
    till, saga = Till(), new_saga()
    async with running(till) as execution:
        steps = [received(step=f"pay-{number}", saga_id=saga) for number in range(20)]
        assert await till.serve(execution, *steps) == ["SUCCEEDED"] * 20
        assert (execution.groups.served, execution.groups.served_commands) == (1, 20)
        assert len(await effects(execution.database.engine, saga)) == 20


async def test_two_commands_of_one_row_never_share_a_transaction() -> None:
    till, saga = Till(), new_saga()
    async with running(till) as execution:
        same = [replace(received(), headers=headers_of(saga, number)) for number in range(2)]
        assert await till.serve(execution, same[0], received(), same[1], received()) == ["SUCCEEDED"] * 4
        assert len(await effects(execution.database.engine, saga)) == 1


def headers_of(saga: Any, attempt: int) -> CommandHeaders:
    return decode_command(command(saga, attempt=attempt + 1).headers)


async def test_a_no_before_any_statement_rolls_nothing_back_and_is_remembered() -> None:
    till, saga = Till(), new_saga()
    async with running(till) as execution:
        no = replace(received("no"), headers=headers_of(saga, 0))
        assert sorted(await till.serve(execution, received(), no, received())) == ["REJECTED", "SUCCEEDED", "SUCCEEDED"]
        assert (len(till.began), execution.groups.rolled_back) == (3, 0)
        assert await till.serve(execution, no) == ["REJECTED"]
        assert len(till.began) == 3, "the row remembers"


async def test_a_handler_that_hangs_in_a_group_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_transaction, "RUN_LIMIT_S", 0.1)
    till = Till()
    async with running(till) as execution:
        hanging = asyncio.ensure_future(till.serve(execution, received("hang")))
        others = await till.serve(execution, *(received() for _ in range(5)))
        assert others == ["SUCCEEDED"] * 5
        assert not hanging.done(), "it has the time of a handler, alone"
        await end([hanging])


async def test_a_handler_that_changes_its_transaction_is_served_alone_from_then_on() -> None:
    till = Till()
    async with running(till) as execution:
        setting = received("SET LOCAL nothing = 1")
        for _ in range(2):
            outcomes = await till.serve(execution, received(), setting, received())
            assert sorted(outcomes) == ["FAILED", "SUCCEEDED", "SUCCEEDED"], "SQLite knows no SET"
        assert execution.groups.rolled_back == 1


async def test_groups_shrink_when_one_is_rolled_back_and_grow_again() -> None:
    till = Till()
    async with running(till) as execution:
        assert (await till.serve(execution, *(received("SET x" if n == 3 else "") for n in range(32)))).count("FAILED") == 1
        assert execution.groups._most == 17, "half, and one more for the group without it"
        execution.groups.times.alone.clear()
        for _ in range(15):
            await till.serve(execution, *(received() for _ in range(2)))
        assert execution.groups._most == 32


async def test_a_leader_that_is_ended_leaves_its_place_to_the_next(sqlite_url: str) -> None:
    till = Till()
    async with running(till, database=sqlite_url) as execution:
        for turns in range(8):
            tasks = [asyncio.ensure_future(till.serve(execution, received())) for _ in range(4)]
            for _ in itertools.repeat(None, turns):
                await asyncio.sleep(0)
            tasks[0].cancel()
            done = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 30)
            assert done[1:] == [["SUCCEEDED"]] * 3
            assert (execution.groups._leaders, execution.groups._gathering, list(execution.groups._waiting)) == (0, False, [])


async def test_a_resolve_needs_no_handler_to_share_a_transaction() -> None:
    till = Till()
    async with running(till) as execution:
        answers = await asyncio.gather(*(execution.deliver(received(kind=Kind.RESOLVE)) for _ in range(3)))
        assert [answer.outcome for each in answers for answer in each] == [Outcome.FENCED] * 3
        assert execution.groups.served_commands == 3


async def test_answers_say_how_long_their_own_handler_took() -> None:
    till = Till()
    async with running(till) as execution:
        till.takes_s = BUDGET_S / 10
        times = [HandlerTime(till.clock) for _ in range(3)]
        served = await asyncio.gather(*(execution.deliver(received(), 0, time) for time in times))
        took: list[Answer] = [answer for answers in served for answer in answers]
        assert [answer.handler_us for answer in took] == [round(till.takes_s * 1_000_000)] * 3
        assert execution.groups.served == 1
