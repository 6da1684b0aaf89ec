"""Handlers for many, hundreds of sagas each time: one call and one statement do the work of a
group, and what one command does, or makes the handler do, costs no other its effect.

What is the same for handlers of one is in test_groups.py.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any
from uuid import UUID

import pytest

from contract.barrier_shop import ALONE, Way
from saga_messaging.memory import MemoryBroker
from saga_participant import Step
from saga_participant.barrier.entry import ReceivedCommand
from saga_participant.delivery import group_transaction
from saga_participant.delivery.execution import Execution
from saga_schemas.headers import decode_command
from support.till.groups import PATIENCE_S, KnownToBeQuick, effects_of, served, serving, taken_once
from support.till.many import Calls, make_many
from support.till.shop import past_the_guard
from support.till.wire import command, new_saga, send

MANY = 200
each_way = pytest.mark.parametrize("way", ALONE, indirect=True)
each_on_postgresql = pytest.mark.parametrize("way", [way for way in ALONE if way.startswith("postgresql")], indirect=True)


@pytest.fixture(autouse=True)
def patience_with_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a handler in a group may take longer than its limit there."""
    monkeypatch.setattr(group_transaction, "RUN_LIMIT_S", PATIENCE_S)


async def outcomes(way: Way, sagas: dict[UUID, str], **options: Any) -> tuple[dict[UUID, str], Counter[tuple[str, str]], Calls]:
    """What is answered to commands that come together, by saga; their effects; and the calls that
    were made."""
    broker, (till, calls) = MemoryBroker(), make_many(way.url, handle=way.handle, **options)
    async with serving(till, broker) as service:
        await send(broker, *(command(saga, mode=mode) for saga, mode in sagas.items()))
        replies = await served(broker, service, len(sagas))
        said = {reply.saga_id: reply.outcome.value for reply in replies}
        return said, await effects_of(service.execution.database.engine, sagas), calls


def one_of(count: int, mode: str, *, guilty: int) -> dict[UUID, str]:
    """Sagas with what their commands ask for: one of `guilty` asks for this."""
    return {new_saga(): mode if number % guilty == 7 else "" for number in range(count)}


@each_way
async def test_what_waits_is_done_by_one_call_and_one_statement(way: Way) -> None:
    sagas = dict.fromkeys((new_saga() for _ in range(MANY)), "")
    said, effects, calls = await outcomes(way, sagas)
    assert said == dict.fromkeys(sagas, "SUCCEEDED")
    assert effects == taken_once(sagas)
    assert sum(calls.sizes) == MANY, "nobody was run twice"
    assert len(calls.sizes) < MANY / 8, calls.sizes


@each_way
@pytest.mark.parametrize(("no", "outcome"), [("no", "REJECTED"), ("later", "FAILED")])
async def test_a_no_to_one_command_stands_beside_the_effects_of_the_others(way: Way, no: str, outcome: str) -> None:
    sagas = one_of(MANY, no, guilty=20)
    said, effects, calls = await outcomes(way, sagas)
    assert said == {saga: outcome if mode else "SUCCEEDED" for saga, mode in sagas.items()}
    assert effects == taken_once(saga for saga, mode in sagas.items() if not mode)
    assert sum(calls.sizes) == MANY, "nothing was rolled back"


GUILTY = {
    "reject": "REJECTED",
    **dict.fromkeys(("fail", "cancel", "exit", "commit", "rollback by text", "sql", "type", "unfit", "accept"), "FAILED"),
}


@each_way
@pytest.mark.parametrize(
    ("mode", "count"), [("break", MANY), ("short", MANY), ("sql, caught", 100), *((mode, 100) for mode in GUILTY)]
)
async def test_one_guilty_command_takes_no_other_with_it(way: Way, mode: str, count: int) -> None:
    sagas = one_of(count, mode, guilty=100)
    said, effects, calls = await outcomes(way, sagas)
    outcome = "SUCCEEDED" if mode == "sql, caught" and way.url.startswith("sqlite") else GUILTY.get(mode, "FAILED")
    assert said == {saga: outcome if mode else "SUCCEEDED" for saga, mode in sagas.items()}
    assert effects == taken_once(saga for saga, mode in sagas.items() if not mode or outcome == "SUCCEEDED")
    assert calls.for_many
    assert (sum(calls.sizes) > count) == (outcome != "SUCCEEDED"), "those of its call were run again, alone"


@each_way
async def test_a_call_that_takes_too_long_is_made_again_for_each_alone(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_transaction, "RUN_LIMIT_S", 0.5)
    sagas = one_of(40, "hang", guilty=40)
    said, effects, _ = await outcomes(way, sagas, handler_limit_s=3.0)
    assert said == {saga: "FAILED" if mode else "SUCCEEDED" for saga, mode in sagas.items()}
    assert effects == taken_once(saga for saga, mode in sagas.items() if not mode)


@each_way
async def test_a_call_that_ends_the_transaction_of_its_group_is_answered_to_nobody_it_was_for(way: Way) -> None:
    sagas = one_of(MANY, "commit past the guard", guilty=40)
    said, effects, calls = await outcomes(way, sagas)
    assert set(said.values()) == {"SUCCEEDED"}
    assert set(effects.values()) == {1}
    assert all(effects[str(saga), "take"] == 1 for saga in said)
    silent = dict.fromkeys((saga for saga in sagas if saga not in said), "")
    assert len(silent) <= sum(sorted(calls.for_many)[-5:]), "those of the five calls"
    said, effects, calls = await outcomes(way, silent)
    assert (said, set(effects.values()), calls.sizes) == ({}, {1}, []), "their rows know that it was done, and no reply"


@each_way
@pytest.mark.parametrize("ended", [0, 3], ids=["the one that leads", "another"])
async def test_a_worker_that_is_ended_in_the_middle_of_a_call_costs_the_others_nothing(way: Way, ended: int) -> None:
    till, calls = make_many(way.url, handle=way.handle)
    begun = asyncio.Event()

    async def hang_once(db: Any, steps: list[Step]) -> None:
        if len(calls.sizes) == 1:
            begun.set()
            await asyncio.sleep(0.5)

    calls.on_call = hang_once
    async with till.on(way.url) as execution:
        execution.groups.times = KnownToBeQuick()
        commands = {saga: received(saga) for saga in (new_saga() for _ in range(20))}
        tasks = [asyncio.ensure_future(execution.deliver(each)) for each in commands.values()]
        await begun.wait()
        tasks[ended].cancel()
        await asyncio.wait(tasks)
        assert [task.cancelled() for task in tasks] == [number == ended for number in range(20)]
        assert await again(execution, *commands.values()) == ["SUCCEEDED"] * 20
        assert await effects_of(execution.database.engine, commands) == taken_once(commands)


def received(saga: UUID, mode: str = "") -> ReceivedCommand:
    record = command(saga, mode=mode)
    assert record.value is not None
    return ReceivedCommand(headers=decode_command(record.headers), payload=record.value)


async def again(execution: Execution, *commands: ReceivedCommand) -> list[str]:
    served = await asyncio.gather(*map(execution.deliver, commands))
    return [answer.outcome.value for answers in served for answer in answers]


@each_on_postgresql
async def test_a_session_that_is_lost_in_the_middle_of_a_call(way: Way) -> None:
    """Each finds out alone: whatever was not committed is done then."""
    till, calls = make_many(way.url, handle=way.handle)

    async def end_the_session_once(db: Any, steps: list[Step]) -> None:
        if len(calls.sizes) == 1:
            await past_the_guard(db, "SELECT pg_terminate_backend(pg_backend_pid())")

    calls.on_call = end_the_session_once
    async with till.on(way.url) as execution:
        execution.groups.times = KnownToBeQuick()
        commands = {saga: received(saga) for saga in (new_saga() for _ in range(30))}
        assert await again(execution, *commands.values()) == ["SUCCEEDED"] * 30
        assert await effects_of(execution.database.engine, commands) == taken_once(commands)
        assert calls.for_many == [30]
