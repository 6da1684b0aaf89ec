"""A user's module: handlers are tested in memory.

Checked as tests/unit/project/test_user_types.py says.
"""

from typing import Any, assert_type
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncEngine

from saga_participant import Participant
from saga_participant.testing import NoReply, Outcome, ParticipantTester, Reply


class Take(BaseModel):
    amount: int


class GiveBack(BaseModel):
    amount: int


till = Participant("till", database="sqlite+aiosqlite://", schemas="schemas")


async def test_what_is_taken_is_given_back() -> None:
    async with ParticipantTester(till) as tester:
        assert_type(tester, ParticipantTester)
        assert_type(tester.engine, AsyncEngine)
        assert_type(tester.saga_id, UUID)
        taken = await tester.action("take", Take(amount=1))
        again = await tester.redeliver()
        given_back = await tester.compensation("take", GiveBack(amount=1), run=2, expired=True, incarnation=3)
        resolved = await tester.resolve("take")

        assert_type(taken, Reply)
        assert_type(again, Reply)
        assert_type(given_back, Reply)
        assert_type(resolved, Reply)
        assert_type(taken.outcome, Outcome)
        assert_type(taken.value, dict[str, Any])
        assert_type(tester.replies, list[Reply])
        assert taken.outcome is Outcome.SUCCEEDED and again.value == taken.value
        assert resolved.failure is not None
        assert_type(resolved.failure.code, str)
        assert_type(tester.new_saga(), UUID)
        assert_type(await tester.actions("take", [Take(amount=1), Take(amount=2)]), list[Reply])


async def test_silence() -> None:
    async with ParticipantTester(till) as tester:
        try:
            await tester.action("take", Take(amount=1))
        except NoReply as silence:
            assert_type(silence, NoReply)


async def test_what_is_asked_wrongly(engine: AsyncEngine) -> None:
    async with ParticipantTester(till, database=engine, tenant="blue") as tester:
        await tester.action("take")  # type: ignore[call-arg]
        await tester.action("take", {"amount": 1})  # type: ignore[arg-type]
        await tester.action("take", Take(amount="much"))  # type: ignore[arg-type]
        await tester.resolve("take", Take(amount=1))  # type: ignore[call-arg, arg-type]
    ParticipantTester("till")  # type: ignore[arg-type]
