"""Hostile handlers on every way to the database: many of each kind at once, beside good ones,
through a participant that is being served.

Good ones are served, every command is answered or met with silence as docs/participants.md says, no
worker is lost, and what the business table holds is what the barrier's rows and the answers say.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from contract.barrier_shop import Way
from contract.misdeeds import GOOD, MISDEEDS, SILENCE, forget
from saga_messaging.clock import SystemClock
from saga_messaging.memory import MemoryBroker
from saga_participant import Participant, Step
from saga_participant.database.transactions import LARGEST_GROUP
from saga_participant.delivery import execution
from saga_participant.delivery.calls import Calls
from saga_participant.delivery.invocation import Call
from saga_participant.handling import handler_run
from saga_participant.service import Service
from saga_schemas.headers import decode_reply
from saga_schemas.outcomes import Outcome
from saga_schemas.records import Failure, read_own
from support.till.shop import HANDLES, SCHEMAS, Take, Taken, effect, make_effects
from support.till.wire import COMMANDS, REPLIES, command, new_saga, send, until

SHORT_LIMIT_S = 0.3
"""Of those that take all of it; all others have the usual minute, so that a busy machine makes none
of them late."""
MANY = 20
FEW = 1
"""Of those that hold the one worker of SQLite for the whole limit, or for longer."""
TORN = "no reply: a handler ended the transaction of "
PATIENCE_S = 240.0


class QuickClock(SystemClock):
    """Pauses before another try are short."""

    async def sleep(self, seconds: float) -> None:
        await super().sleep(min(seconds, 0.05))


def make_till(database: str, handle: str, group: int) -> Participant:
    till = Participant("till", database=database, schemas=SCHEMAS, on_start=make_effects, group=group)

    async def take(command: Take, db: Any, step: Step) -> Taken:
        await effect(db, step, "take")
        if command.mode != GOOD:
            await MISDEEDS[command.mode].act(db)
        return Taken(receipt=f"r-{step.run}")

    take.__annotations__["db"] = HANDLES[handle]
    till.action(take)
    return till


@pytest.fixture(autouse=True)
async def short_patience(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    action = Calls.action

    def limited(*args: Any, **options: Any) -> Call:
        call = action(*args, **options)
        assert isinstance(call.command, Take)
        slow = call.command.mode != GOOD and MISDEEDS[call.command.mode].slow
        return replace(call, limit_s=SHORT_LIMIT_S) if slow else call

    monkeypatch.setattr(Calls, "action", limited)
    monkeypatch.setattr(execution, "MAX_LOSSES", 1)
    monkeypatch.setattr(handler_run, "END_LIMIT_S", 0.2)
    monkeypatch.setattr(handler_run, "CLOSED_LIMIT_S", 0.1)
    yield
    await forget()


def sagas_of(kinds: list[str], sqlite: bool) -> dict[UUID, str]:
    """By saga, what its handler does."""
    found = {new_saga(): GOOD for _ in range(MANY)}
    for kind in kinds:
        few = sqlite and (MISDEEDS[kind].slow or "statement" in kind)
        found |= {new_saga(): kind for _ in range(FEW if few else MANY)}
    return found


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of those that survive everything
async def test_hostile_handlers_are_answered_as_it_is_written_and_harm_nobody_else(
    way: Way, caplog: pytest.LogCaptureFixture
) -> None:
    database, handle = way.url, way.handle
    sqlite = database.startswith("sqlite")
    kinds = [name for name, misdeed in MISDEEDS.items() if not (sqlite and misdeed.postgres_only)]
    sagas, broker = sagas_of(kinds, sqlite), MemoryBroker()
    commands = [command(saga, mode=kind) for saga, kind in sagas.items()]
    random.Random(4711).shuffle(commands)
    till = make_till(database, handle, LARGEST_GROUP if way.in_a_group else 1)
    async with till.served(broker, clock=QuickClock()):
        await until(lambda: till._service is not None)
        service = till._service
        assert service is not None
        await send(broker, *commands)
        await served(service, len(commands))
        if way.in_a_group:
            # Who ends the transaction of a group past every guard leaves those unanswered that ran
            # before it. They are asked again, as the coordinator does. Of those whose effect was
            # committed so, the row has no reply: a person is called.
            heard = answers(broker)
            unheard = [saga for saga, kind in sagas.items() if SILENCE not in says(kind) and saga not in heard]
            await send(broker, *(command(saga, mode=sagas[saga], attempt=2) for saga in unheard))
            await served(service, len(commands) + len(unheard))
        said = answers(broker)
        rows, effects = await held(service.execution.database.engine, sagas)
        assert wrong(sagas, said, {saga for saga in torn(caplog) if rows.get(saga) == "DONE"}) == {}
        assert contradictions(sagas, said, rows, effects) == []
        assert (service.workers.replaced, service.workers.at_work) == (0, 0)
        assert service.execution.calls.runs.left_behind <= sum(kind == "survives_everything" for kind in sagas.values())

        late = {new_saga(): GOOD for _ in range(MANY)}
        await send(broker, *(command(saga, mode=GOOD) for saga in late))
        async with asyncio.timeout(PATIENCE_S):
            while len(broker.records(REPLIES)) < len(said) + len(late):  # noqa: ASYNC110  # nobody is told
                await asyncio.sleep(0.02)
        assert wrong(late, answers(broker), set()) == {}
    assert sum((await broker.group_lag("saga.till", [COMMANDS])).values()) == 0


async def served(service: Service, commands: int) -> None:
    """Wait until so many were served, and none is at work."""
    async with asyncio.timeout(PATIENCE_S):
        while service.metrics.commands < commands or service.workers.in_hand:  # noqa: ASYNC110  # nobody is told
            await asyncio.sleep(0.02)


def answers(broker: MemoryBroker) -> dict[UUID, str]:
    """By saga: the outcome, for FAILED its code."""
    found: dict[UUID, str] = {}
    for record in broker.records(REPLIES):
        headers = decode_reply(record.headers)
        assert headers.saga_id not in found, "one answer to one command"
        found[headers.saga_id] = headers.outcome.value
        if headers.outcome is Outcome.FAILED:
            assert record.value is not None
            found[headers.saga_id] = read_own(record.value, Failure).code
    return found


def says(kind: str) -> frozenset[str]:
    """What may be answered to a command of this kind."""
    return frozenset({"SUCCEEDED"} if kind == GOOD else MISDEEDS[kind].says)


def torn(caplog: pytest.LogCaptureFixture) -> set[UUID]:
    """Sagas whose group somebody ended past every guard, as the log says."""
    lines = [record.getMessage() for record in caplog.records]
    return {UUID(line.partition("saga=")[2][:36]) for line in lines if line.startswith(TORN)}


def wrong(sagas: dict[UUID, str], said: dict[UUID, str], unsure: set[UUID]) -> dict[str, Counter[str]]:
    """By kind, what was said and should not have been."""
    found: dict[str, Counter[str]] = {}
    for saga, kind in sagas.items():
        allowed = says(kind) | ({SILENCE} if saga in unsure else set())
        heard = said.get(saga, SILENCE)
        failed = "FAILED" in allowed and heard not in ("SUCCEEDED", "REJECTED", SILENCE)
        if heard not in allowed and not failed:
            found.setdefault(kind, Counter())[heard] += 1
    return found


async def held(engine: Any, sagas: dict[UUID, str]) -> tuple[dict[UUID, str], Counter[str]]:
    """States by saga, and effects by saga, as text."""
    async with engine.connect() as connection:
        rows = (await connection.execute(text("SELECT CAST(saga_id AS TEXT), state FROM saga_barrier"))).all()
        effects = (await connection.execute(text("SELECT saga_id FROM effects"))).all()
    states = {UUID(saga): state for saga, state in rows}
    return {saga: states[saga] for saga in sagas if saga in states}, Counter(saga for (saga,) in effects)


def contradictions(sagas: dict[UUID, str], said: dict[UUID, str], rows: dict[UUID, str], effects: Counter[str]) -> list[str]:
    """Effects without their row, rows without their effect, doubled effects, and answers that are
    not so."""
    found = [f"{effects['stray']} strays"] if effects["stray"] else []
    for saga, kind in sagas.items():
        heard, row, count = said.get(saga, SILENCE), rows.get(saga), effects[str(saga)]
        expected = {"SUCCEEDED": ("DONE", 1), "REJECTED": ("REJECTED", 0)}.get(heard, (None, 0))
        if heard == SILENCE:
            fine = (row, count) in ((None, 0), ("DONE", 1))
        else:
            fine = (row, count) == expected
        if not fine:
            found.append(f"{kind}: said {heard}, row {row}, {count} effects")
    return found
