"""The demo's order saga with its payment in Go (examples/payment-go), beside inventory and shipping
in Python."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from support import ledger, shop
from support.orders import Placing, all_final, some_orders
from support.payment_go import payment_go
from support.shop import Shop

DRAIN_LIMIT_S = 90.0


@pytest.fixture
async def go_shop(tmp_path: Path, kafka_address: str, postgres_url: Callable[[], str]) -> AsyncIterator[Shop]:
    """A shop that takes orders: one coordinator, two instances of each participant, payment in Go."""
    async with shop.opened(
        tmp_path,
        kafka=kafka_address,
        new_database=lambda _: postgres_url(),
        coordinators=1,
        topic_prefix=f"go-{uuid.uuid4().hex[:8]}.",
        settings={"SAGA_KAFKA_SESSION_TIMEOUT_MS": "4000"},
        payment=payment_go(),
    ) as fleet:
        await fleet.start()
        await fleet.register()
        yield fleet


async def test_orders_are_completed_and_compensated(go_shop: Shop) -> None:
    placing = Placing(go_shop.servers)
    await placing.place_all(some_orders(20, rejected=5))

    ended = await all_final(go_shop.database, DRAIN_LIMIT_S)

    assert ended.counted == {"COMPLETED": 15, "COMPENSATED": 5}
    assert not list(ledger.wrongs(await ledger.read(go_shop.ledgers.values()), ended.phases))
