"""A user's module: every signature that docs/participants.md gives a handler.

Checked as tests/unit/project/test_user_types.py says.
"""

from datetime import timedelta
from enum import Enum
from typing import assert_type
from uuid import UUID

import asyncpg
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from saga_participant import Failed, InProgress, Participant, Rejected, Step


class Take(BaseModel):
    amount: int


class Taken(BaseModel):
    receipt: str


class GiveBack(BaseModel):
    amount: int


class Reason(Enum):
    OVER_LIMIT = "over_limit"


till = Participant("till", database="sqlite+aiosqlite://", schemas="schemas")


# --- actions --------------------------------------------------------------------------------------


@till.action
async def on_a_connection(command: Take, db: AsyncConnection, step: Step) -> Taken:
    assert_type(step.saga_id, UUID)
    assert_type(step.run, int)
    assert_type(step.ref, str)
    assert_type(step.tenant, str)
    assert_type(step.resumed, bool)
    return Taken(receipt=step.idempotency_key)


@till.action
async def in_a_session(command: Take, db: AsyncSession) -> Taken:
    raise Rejected("over_limit", "the account does not cover it")


@till.action
async def on_asyncpg(command: Take, db: asyncpg.Connection) -> Taken:
    raise Failed("bank_down", retry_after=timedelta(seconds=30))


@till.action
async def by_the_command_alone(command: Take) -> None:
    raise Rejected(Reason.OVER_LIMIT)


@till.action()
async def without_an_option(command: Take, step: Step) -> Taken:
    raise Failed(Reason.OVER_LIMIT, "the account does not cover it")


@till.action(external=True)
async def outside(command: Take, step: Step) -> Taken:
    return Taken(receipt=step.name)


@till.action(fenceable=True)
async def answered_later(command: Take, db: AsyncConnection, step: Step) -> Taken | InProgress:
    return InProgress("waiting for the clerk", lease=timedelta(hours=1))


@till.action(many=True)
async def for_many(commands: list[Take], db: asyncpg.Connection, steps: list[Step]) -> list[Taken | Rejected]:
    assert_type(steps[0].ref, str)
    return [
        Taken(receipt=step.ref) if command.amount else Rejected("nothing") for command, step in zip(commands, steps, strict=True)
    ]


@till.action(many=True)
async def for_many_who_may_fail(commands: list[Take], db: AsyncSession) -> list[Taken | Rejected | Failed]:
    return [Failed("bank_down", retry_after=timedelta(seconds=30)) for _ in commands]


@till.action(many=True)
async def for_many_without_a_reply(commands: list[Take], db: AsyncConnection) -> list[None]:
    return [None for _ in commands]


@till.action(many=True)  # type: ignore[type-var]
async def for_many_without_a_list(commands: list[Take]) -> Taken:
    return Taken(receipt="r-1")


@till.action(many=False)
async def for_one(command: Take) -> Taken:
    return Taken(receipt="r-1")


@till.action  # type: ignore[type-var]
def not_awaited(command: Take) -> Taken:
    return Taken(receipt="r-1")


# --- compensations --------------------------------------------------------------------------------


@till.compensation
async def with_the_actions_reply(command: GiveBack, taken: Taken, db: AsyncConnection, step: Step) -> None: ...


@till.compensation
async def without_it(command: GiveBack, db: AsyncSession) -> None: ...


@till.compensation(external=True)
async def undone_outside(command: GiveBack, taken: Taken, step: Step) -> None: ...


# --- work that is called off ----------------------------------------------------------------------


@till.withdrawn
async def called_off(command: Take, db: AsyncConnection, step: Step) -> None: ...


@till.withdrawn()
async def without_an_option_too(command: Take) -> None: ...


# --- a handler stays what it was ------------------------------------------------------------------


async def handlers_are_called_like_any_function(db: AsyncConnection, step: Step) -> None:
    assert_type(await on_a_connection(Take(amount=1), db, step), Taken)
    assert_type(await outside(Take(amount=1), step), Taken)
    assert_type(await for_many_who_may_fail([Take(amount=1)], AsyncSession(db)), list[Taken | Rejected | Failed])
    assert_type(await for_many_without_a_reply([Take(amount=1)], db), list[None])
    assert_type(await answered_later(Take(amount=1), db, step), Taken | InProgress)
    await with_the_actions_reply(GiveBack(amount=1), Taken(receipt="r-1"), db, step)
    await called_off(Take(amount=1), db, step)
    await without_an_option_too(Take(amount=1))

    await on_a_connection(GiveBack(amount=1), db, step)  # type: ignore[arg-type]
    await outside(Take(amount=1))  # type: ignore[call-arg]


def what_the_kit_refuses_in_your_own_line() -> None:
    till.action(outside=True)  # type: ignore[call-overload]
    till.compensation(fenceable=True)  # type: ignore[call-overload]
    till.action(many=True, external=True)  # type: ignore[call-overload]
    till.compensation(many=True)  # type: ignore[call-overload]
    till.withdrawn(many=True)  # type: ignore[call-overload]
    till.withdrawn(external=True)  # type: ignore[call-overload]
    Rejected("over_limit", None)  # type: ignore[arg-type]
    Rejected(404)  # type: ignore[arg-type]
    Failed("bank_down", retry_after=30)  # type: ignore[arg-type]
    InProgress(lease=3600)  # type: ignore[arg-type]
    InProgress("waiting").note = "done"  # type: ignore[misc]
