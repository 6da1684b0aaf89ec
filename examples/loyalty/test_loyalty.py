"""How a participant is tested: a handler against a command, in memory.

The barrier and the codec are the real ones.
"""

from __future__ import annotations

import pytest
from loyalty import GrantPoints, RevokePoints, loyalty
from sqlalchemy import text
from vouchers import IssueVoucher, vouchers

from saga_participant.testing import Outcome, ParticipantTester

pytestmark = pytest.mark.asyncio


async def balance(tester: ParticipantTester) -> int:
    async with tester.engine.connect() as db:
        found = await db.execute(text("SELECT balance FROM account WHERE customer = 'ada'"))
        return int(found.scalar_one())


async def test_points_are_granted_once_however_often_it_is_asked() -> None:
    async with ParticipantTester(loyalty) as tester:
        first = await tester.action("grant", GrantPoints(customer="ada", points=250))
        again = await tester.redeliver()

        assert first.outcome is again.outcome is Outcome.SUCCEEDED
        assert again.value == first.value
        assert await balance(tester) == 250


async def test_what_was_granted_is_taken_back() -> None:
    async with ParticipantTester(loyalty) as tester:
        granted = await tester.action("grant", GrantPoints(customer="ada", points=250))

        undone = await tester.compensation("grant", RevokePoints(customer="ada", grant_id=granted.value["grant_id"]))

        assert undone.outcome is Outcome.UNDONE
        assert await balance(tester) == 0


async def test_after_its_compensation_a_late_command_does_nothing() -> None:
    async with ParticipantTester(loyalty) as tester:
        early = await tester.compensation("grant", RevokePoints(customer="ada", grant_id="g-1"))
        late = await tester.action("grant", GrantPoints(customer="ada", points=250))

        assert early.outcome is Outcome.NOTHING_TO_UNDO
        assert late.outcome is Outcome.FENCED


async def test_too_many_points_are_a_no_with_a_code() -> None:
    async with ParticipantTester(loyalty) as tester:
        reply = await tester.action("grant", GrantPoints(customer="ada", points=10_001))

        assert reply.outcome is Outcome.REJECTED
        assert reply.failure is not None and reply.failure.code == "too_many_points"


async def test_without_an_address_there_is_no_voucher() -> None:
    async with ParticipantTester(vouchers) as tester:
        no = await tester.action("voucher", IssueVoucher(customer="ada", email=None))

        assert no.outcome is Outcome.REJECTED
