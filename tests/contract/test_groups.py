"""Commands in groups, hundreds of sagas each time: every effect is there once, whatever one of a
group does, the database says, or ends the process.

The barrier's own suites run on groups too (`in-a-group`); here is what only many at once show.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from contract.barrier_shop import ALONE, Way
from contract.tcp_proxy import CommitProxy, Fault
from saga_messaging.broker import Outgoing
from saga_messaging.memory import MemoryBroker
from saga_participant import Participant, Step
from saga_participant.delivery import group_transaction
from saga_schemas.outcomes import Kind
from support.till.groups import PATIENCE_S, effects_of, outcomes_beside_kills, served, serving, taken_once
from support.till.many import make_many
from support.till.shop import HANDLES, SCHEMAS, Take, Taken, effect, make_effects, make_till, past_the_guard
from support.till.wire import command, new_saga, send

MANY = 500
MakeTill = Callable[..., tuple[Participant, Any]]
each_way = pytest.mark.parametrize("way", ALONE, indirect=True)
each_on_postgresql = pytest.mark.parametrize("way", [way for way in ALONE if way.startswith("postgresql")], indirect=True)


each_till = pytest.mark.parametrize(("till_of", "make"), [("one", make_till), ("many", make_many)], ids=["of one", "for many"])
"""Whose handler takes one command, or many."""


@pytest.fixture(autouse=True)
def patience_with_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a handler in a group may take longer than its limit there."""
    monkeypatch.setattr(group_transaction, "RUN_LIMIT_S", PATIENCE_S)


OUTCOMES = {"": "SUCCEEDED", "reject": "REJECTED", "reject at once": "REJECTED", "fail": "FAILED", "break at once": "FAILED"}


@each_way
@pytest.mark.parametrize("no", ["reject", "reject at once", "fail", "break at once"])
async def test_a_no_in_the_middle_of_a_group_is_its_own_alone(way: Way, no: str) -> None:
    sagas = {new_saga(): no if number % 20 == 7 else "" for number in range(MANY)}
    broker, (till, _) = MemoryBroker(), make_till(way.url, handle=way.handle)
    async with serving(till, broker) as service:
        await send(broker, *(command(saga, mode=mode) for saga, mode in sagas.items()))
        replies = await served(broker, service, MANY)
        groups = service.execution.groups
        assert {reply.saga_id: reply.outcome.value for reply in replies} == {saga: OUTCOMES[mode] for saga, mode in sagas.items()}
        assert await effects_of(service.execution.database.engine, sagas) == taken_once(
            s for s, mode in sagas.items() if not mode
        )
        assert groups.served_commands > MANY / 2
        assert bool(groups.rolled_back) == (not no.endswith("at once")), "a no before any statement costs nothing"


@each_way
@each_till
async def test_the_same_command_twice_and_its_compensation_in_one_poll(way: Way, till_of: str, make: MakeTill) -> None:
    sagas = [new_saga() for _ in range(MANY)]
    firsts = [command(saga) for saga in sagas]
    undos = [command(saga, Kind.COMPENSATION) for saga in sagas]
    broker, (till, _) = MemoryBroker(), make(way.url, handle=way.handle)
    async with serving(till, broker) as service:
        in_one_poll: list[Outgoing] = [one for three in zip(firsts, firsts, undos, strict=True) for one in three]
        await send(broker, *in_one_poll)
        replies = await served(broker, service, 3 * MANY)
        said = Counter((reply.saga_id, reply.outcome.value) for reply in replies)
        assert said == Counter({(saga, "SUCCEEDED"): 2 for saga in sagas} | {(saga, "UNDONE"): 1 for saga in sagas})
        found = await effects_of(service.execution.database.engine, sagas)
        assert found == taken_once(sagas) + Counter((str(saga), "give back") for saga in sagas)
        assert service.execution.groups.served_commands > MANY


@each_way
@pytest.mark.parametrize("mode", ["commit past the guard", "rollback past the guard"])
async def test_a_handler_that_ends_the_transaction_of_its_group_harms_those_at_most_that_ran_before(way: Way, mode: str) -> None:
    sagas = {new_saga(): mode if number % 50 == 20 else "" for number in range(MANY)}
    broker, (till, _) = MemoryBroker(), make_till(way.url, handle=way.handle)
    async with serving(till, broker) as service:
        await send(broker, *(command(saga, mode=mode) for saga, mode in sagas.items()))
        replies = await served(broker, service, MANY)
        said = {reply.saga_id: reply.outcome.value for reply in replies}
        silent = [saga for saga, mode in sagas.items() if not mode and saga not in said]
        engine = service.execution.database.engine
        found = await effects_of(engine, sagas)
        assert set(found.values()) <= {1}
        assert set(said.values()) <= {"SUCCEEDED", "FAILED"}
        assert all(found[str(saga), "take"] == 1 for saga, outcome in said.items() if outcome == "SUCCEEDED")
        assert len(silent) <= 10 * 31, "what ran before such a handler, in its group"
        async with engine.connect() as connection:
            rows = (await connection.execute(text("SELECT saga_id FROM saga_barrier WHERE state = 'DONE'"))).scalars()
            done = {UUID(str(row)) for row in rows}
        assert {saga for saga in done if saga in sagas} == {UUID(saga) for saga, _ in found}, "a row says what was done"


@each_way
async def test_a_handler_that_commits_its_group_and_then_hangs_harms_none_behind_it(
    way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_transaction, "RUN_LIMIT_S", 1.0)
    sagas = [new_saga() for _ in range(8)]
    broker, (till, told) = MemoryBroker(), make_till(way.url, handle=way.handle, handler_limit_s=2.0)

    async def commit_and_hang(db: Any) -> None:
        if len(told.steps) == 1:
            await past_the_guard(db, "COMMIT")
            await asyncio.Event().wait()

    told.on_db = commit_and_hang
    async with serving(till, broker) as service:
        await send(broker, *map(command, sagas))
        said = {reply.saga_id: reply.outcome.value for reply in await served(broker, service, 8)}
        others = set(sagas) - {told.steps[0].saga_id}
        assert said == dict.fromkeys(others, "SUCCEEDED"), "nobody knows what the first one has committed"
        assert await effects_of(service.execution.database.engine, sagas) == taken_once(sagas)


TILLS = 40


def make_crossing(database: str, handle: str) -> Participant:
    """Its handlers each lock one of a few rows, in an order that differs from command to
    command."""
    till = Participant("till", database=database, schemas=SCHEMAS, on_start=make_tills)

    async def take(command: Take, db: Any, step: Step) -> Taken:
        statement = f"UPDATE tills SET taken = taken + 1 WHERE n = {int(command.mode)}"
        await db.execute(statement if handle == "asyncpg" else text(statement))
        await effect(db, step, "take")
        return Taken(receipt="r")

    take.__annotations__["db"] = HANDLES[handle]
    till.action(take)
    return till


async def make_tills(engine: AsyncEngine) -> None:
    await make_effects(engine)
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE IF NOT EXISTS tills (n INTEGER PRIMARY KEY, taken INTEGER NOT NULL)"))
        rows = f"INSERT INTO tills SELECT n, 0 FROM generate_series(0, {TILLS - 1}) AS n ON CONFLICT DO NOTHING"
        await connection.execute(text(rows))


@each_on_postgresql
async def test_groups_of_two_processes_that_wait_for_each_other_in_a_circle(way: Way, database_url: str) -> None:
    rng, sagas = random.Random(12), [[new_saga() for _ in range(MANY // 2)] for _ in range(2)]
    brokers = [MemoryBroker(), MemoryBroker()]
    first, second = (make_crossing(database_url, way.handle) for _ in brokers)
    async with serving(first, brokers[0]) as one, serving(second, brokers[1]) as other:
        engine = one.execution.database.engine
        async with engine.connect() as connection:
            quick = await connection.execution_options(isolation_level="AUTOCOMMIT")
            name = make_url(database_url).database
            await quick.execute(text(f'ALTER DATABASE "{name}" SET deadlock_timeout = 20'))
        await engine.dispose()
        for broker, own in zip(brokers, sagas, strict=True):
            await send(broker, *(command(saga, mode=str(rng.randrange(TILLS))) for saga in own))
        replies = [await served(broker, service, MANY // 2) for broker, service in zip(brokers, (one, other), strict=True)]
        assert {reply.outcome.value for each in replies for reply in each} == {"SUCCEEDED"}
        assert await effects_of(engine, [*sagas[0], *sagas[1]]) == taken_once([*sagas[0], *sagas[1]])
        assert one.execution.groups.served
        assert other.execution.groups.served
        async with engine.connect() as connection:
            assert (await connection.execute(text("SELECT sum(taken) FROM tills"))).scalar_one() == MANY


@each_on_postgresql
@each_till
async def test_a_group_whose_commit_nobody_knows_the_fate_of(way: Way, till_of: str, make: MakeTill, database_url: str) -> None:
    url, sagas = make_url(database_url), [new_saga() for _ in range(MANY)]
    async with CommitProxy(url.host or "", url.port or 5432) as proxy:
        behind = url.set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False)
        broker, (till, _) = MemoryBroker(), make(behind, handle=way.handle)
        async with serving(till, broker) as service:
            unanswered, sent = set(sagas), 0
            faults: list[Fault] = ["answer lost", "commit lost"]
            while unanswered:  # as the coordinator asks again
                proxy.fault, proxy.left = faults.pop(0) if faults else "none", 40
                sent += len(unanswered)
                await send(broker, *(command(saga) for saga in unanswered))
                replies = await served(broker, service, sent)
                assert {reply.outcome.value for reply in replies} <= {"SUCCEEDED"}
                unanswered -= {reply.saga_id for reply in replies}
            proxy.fault = "none"
            assert await effects_of(service.execution.database.engine, sagas) == taken_once(sagas)
            assert service.execution.groups.rolled_back


@each_on_postgresql
@each_till
async def test_a_process_killed_between_the_commit_of_a_group_and_its_replies(
    way: Way, till_of: str, make: MakeTill, database_url: str
) -> None:
    sagas = [new_saga() for _ in range(MANY)]
    assert await outcomes_beside_kills(till_of, database_url, way.handle, sagas) == dict.fromkeys(sagas, "SUCCEEDED")
    till, _ = make(database_url)
    async with till.on(database_url) as execution:
        assert await effects_of(execution.database.engine, sagas) == taken_once(sagas)
