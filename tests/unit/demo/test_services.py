"""The demo's services: what they do to their tables, their ledger, and what faults to order make of
it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from saga_demo import faults, fraud, inventory, mail, payment, shipping
from saga_demo.faults import CRASH_EXIT_CODE
from saga_demo.ledger import effect_ledger, net_effects
from saga_demo.messages import (
    BookCarrier,
    ChargeCard,
    Fault,
    FaultKind,
    RefundCard,
    ReleaseStock,
    ReserveStock,
    ScreenOrder,
    SendConfirmation,
)
from saga_demo.settings import VARIABLES, ServiceSettings, settings_from
from saga_messaging.environment import DEMO
from saga_participant import Participant
from saga_participant.testing import Outcome, ParticipantTester

IN_MEMORY = ServiceSettings(database_url="sqlite+aiosqlite://")
LEAN = ServiceSettings(database_url="sqlite+aiosqlite://", lean=True)
RESERVE = ReserveStock(order_id="o-1", sku="lamp", quantity=2)
RELEASE = ReleaseStock(order_id="o-1", sku="lamp", quantity=2)
CHARGE = ChargeCard(order_id="o-1", account="ada", amount=2500)
REFUND = RefundCard(order_id="o-1", account="ada", amount=2500, charge_id="ignored: the kit knows the reply")
BOOK = BookCarrier(order_id="o-1", address="1 Compensation Street", carrier="post")


async def reserved(engine: AsyncEngine) -> int:
    async with engine.connect() as db:
        found = await db.execute(select(func.coalesce(func.sum(inventory.stock.c.reserved), 0)))
        return int(found.scalar_one())


async def ledger_lines(engine: AsyncEngine) -> list[str]:
    async with engine.connect() as db:
        return list((await db.execute(select(effect_ledger.c.kind))).scalars())


async def test_reserved_stock_is_set_aside_once_and_released_once() -> None:
    async with ParticipantTester(inventory.make_inventory(IN_MEMORY)) as tester:
        await tester.action("reserve", RESERVE)
        again = await tester.redeliver()
        assert again is not None
        assert again.outcome is Outcome.SUCCEEDED
        assert await reserved(tester.engine) == 2
        await tester.compensation("reserve", RELEASE)
        await tester.redeliver()
        assert await reserved(tester.engine) == 0
        assert await ledger_lines(tester.engine) == ["action", "compensation"]
        async with tester.engine.connect() as db:
            assert await net_effects(db) == {(str(tester.saga_id), "reserve"): 0}


async def test_a_bin_that_is_empty_leaves_the_order_to_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory, "SEED_QUANTITY", 3)
    async with ParticipantTester(inventory.make_inventory(IN_MEMORY)) as tester:
        for _ in range(inventory.BINS):
            tester.new_saga()
            reply = await tester.action("reserve", RESERVE)
            assert reply is not None
            assert reply.outcome is Outcome.SUCCEEDED
        tester.new_saga()
        reply = await tester.action("reserve", RESERVE)
        assert reply is not None
        assert reply.failure is not None
        assert reply.failure.code == "out_of_stock"
        assert await reserved(tester.engine) == 2 * inventory.BINS


async def test_a_charge_is_refunded() -> None:
    async with ParticipantTester(payment.make_payment(IN_MEMORY)) as tester:
        charged = await tester.action("charge", CHARGE)
        assert charged is not None
        undone = await tester.compensation("charge", REFUND)
        assert undone is not None
        assert undone.outcome is Outcome.UNDONE
        async with tester.engine.connect() as db:
            rows = (await db.execute(select(payment.charges.c.charge_id, payment.charges.c.state))).all()
        assert [tuple(row) for row in rows] == [(charged.value["charge_id"], "refunded")]


async def test_a_total_above_the_cards_limit_is_rejected() -> None:
    async with ParticipantTester(payment.make_payment(IN_MEMORY)) as tester:
        reply = await tester.action("charge", CHARGE.model_copy(update={"amount": payment.CARD_LIMIT + 1}))
        assert reply is not None
        assert reply.outcome is Outcome.REJECTED
        assert await ledger_lines(tester.engine) == []


@pytest.mark.parametrize("carrier", [None, ""])
@pytest.mark.parametrize("settings", [IN_MEMORY, LEAN], ids=["with tables", "lean"])
async def test_an_order_without_a_carrier_is_rejected(carrier: str | None, settings: ServiceSettings) -> None:
    async with ParticipantTester(shipping.make_shipping(settings)) as tester:
        reply = await tester.action("ship", BOOK.model_copy(update={"carrier": carrier}))
        assert reply is not None
        assert reply.failure is not None
        assert reply.failure.code == "no_carrier"
        assert await ledger_lines(tester.engine) == []


async def test_fraud_and_mail_answer() -> None:
    async with ParticipantTester(fraud.make_fraud(IN_MEMORY)) as tester:
        screened = await tester.action("screen", ScreenOrder(order_id="o-1", customer="ada", total=fraud.SUSPICIOUS_TOTAL // 2))
        assert screened is not None
        assert screened.value == {"score": 50}
    async with ParticipantTester(mail.make_mail(IN_MEMORY)) as tester:
        sent = await tester.action("notify", SendConfirmation(order_id="o-1", customer="ada"))
        assert sent is not None
        assert sent.outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize("make", [inventory.make_inventory, payment.make_payment])
async def test_lean_services_write_the_ledger_and_nothing_else(make: Callable[[ServiceSettings], Participant]) -> None:
    action, undo = (RESERVE, RELEASE) if make is inventory.make_inventory else (CHARGE, REFUND)
    async with ParticipantTester(make(LEAN)) as tester:
        await tester.action("step", action)
        await tester.compensation("step", undo)
        assert await ledger_lines(tester.engine) == ["action", "compensation"]


async def test_a_fault_strikes_as_often_as_ordered_although_it_is_rolled_back() -> None:
    order = CHARGE.model_copy(update={"faults": [Fault(step="charge", kind=FaultKind.FAIL, times=2)]})
    async with ParticipantTester(payment.make_payment(IN_MEMORY)) as tester:
        first = await tester.action("charge", order)
        assert first is not None
        outcomes = [first.outcome, *[reply.outcome for _ in range(2) if (reply := await tester.redeliver()) is not None]]
        assert outcomes == [Outcome.FAILED, Outcome.FAILED, Outcome.SUCCEEDED]
        assert await ledger_lines(tester.engine) == ["action"]


async def test_a_fault_counted_before_a_restart_is_not_counted_again(tmp_path: Path) -> None:
    settings = ServiceSettings(database_url=f"sqlite+aiosqlite:///{tmp_path / 'payment.sqlite'}")
    order = CHARGE.model_copy(update={"faults": [Fault(step="charge", kind=FaultKind.CRASH, times=1)]})
    first = ParticipantTester(payment.make_payment(settings), database=settings.database_url)
    async with first as tester:
        refused = await tester.action("charge", order)  # a crash that is not allowed is a failure
        assert refused is not None
        assert refused.outcome is Outcome.FAILED
    again = ParticipantTester(payment.make_payment(settings), database=settings.database_url)
    again.saga_id = first.saga_id
    async with again as tester:
        reply = await tester.action("charge", order)
        assert reply is not None
        assert reply.outcome is Outcome.SUCCEEDED


async def test_another_instance_may_make_the_table_of_faults_meanwhile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    create_all = faults.metadata.create_all

    def twice(bind: Any) -> None:
        create_all(bind)
        create_all(bind, checkfirst=False)

    monkeypatch.setattr(faults.metadata, "create_all", twice)
    settings = ServiceSettings(database_url=f"sqlite+aiosqlite:///{tmp_path / 'payment.sqlite'}")
    order = CHARGE.model_copy(update={"faults": [Fault(step="charge", kind=FaultKind.DELAY, ms=0)]})
    async with ParticipantTester(payment.make_payment(settings), database=settings.database_url) as tester:
        reply = await tester.action("charge", order)
        assert reply is not None
        assert reply.outcome is Outcome.SUCCEEDED


async def test_a_fault_of_another_step_does_not_strike() -> None:
    order = CHARGE.model_copy(update={"faults": [Fault(step="ship", kind=FaultKind.REJECT)]})
    async with ParticipantTester(payment.make_payment(IN_MEMORY)) as tester:
        reply = await tester.action("charge", order)
        assert reply is not None
        assert reply.outcome is Outcome.SUCCEEDED


async def test_a_rejection_to_order_takes_the_effect_back() -> None:
    order = RESERVE.model_copy(update={"faults": [Fault(step="reserve", kind=FaultKind.REJECT)]})
    async with ParticipantTester(inventory.make_inventory(IN_MEMORY)) as tester:
        reply = await tester.action("reserve", order)
        assert reply is not None
        assert reply.outcome is Outcome.REJECTED
        assert await reserved(tester.engine) == 0
        assert await ledger_lines(tester.engine) == []


def test_a_service_takes_its_own_database_before_the_shared_one_before_a_file() -> None:
    assert settings_from({}, "payment").database_url == "sqlite+aiosqlite:///.saga-demo/payment.sqlite"
    shared = {"SAGA_PARTICIPANT_DATABASE_URL": "postgresql+asyncpg://shared"}
    assert settings_from(shared, "payment").database_url == "postgresql+asyncpg://shared"
    own = shared | {"SAGA_PAYMENT_DATABASE_URL": "postgresql+asyncpg://own", "SAGA_DEMO_LEAN": "1"}
    assert settings_from(own, "payment") == ServiceSettings(database_url="postgresql+asyncpg://own", lean=True)


def test_every_variable_of_the_demo_is_known_to_the_command_beside_it() -> None:
    known = {f"SAGA_{name}" for name in DEMO.split()}
    assert {name for name in VARIABLES if not name.endswith("_DATABASE_URL") or "PARTICIPANT" in name} == known


def test_a_crash_that_is_allowed_ends_the_process(tmp_path: Path) -> None:
    script = f"""
import asyncio
from saga_demo import payment
from saga_demo.messages import ChargeCard, Fault, FaultKind
from saga_demo.settings import ServiceSettings
from saga_participant.testing import ParticipantTester

settings = ServiceSettings(database_url="sqlite+aiosqlite:///{tmp_path}/payment.sqlite", allow_crash=True)
order = ChargeCard(order_id="o", account="a", amount=1, faults=[Fault(step="charge", kind=FaultKind.CRASH)])

async def main():
    async with ParticipantTester(payment.make_payment(settings), database=settings.database_url) as tester:
        await tester.action("charge", order)

asyncio.run(main())
"""
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env={"PYTHONPATH": os.pathsep.join(sys.path)}, check=False
    )
    assert ended.returncode == CRASH_EXIT_CODE
