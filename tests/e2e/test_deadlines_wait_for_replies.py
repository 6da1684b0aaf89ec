"""No limit fires before the replies that were waiting have been read, and one whose participant is
silent fires within its bound."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from saga_cli.dev.kafka import KafkaService
from saga_cli.dev.postgres import PostgresService
from saga_schemas.topics import Topics
from support import ledger, outages, shop
from support.chaos import ends_of
from support.orders import Placing, all_final, some_orders, until, view
from support.shop import DEMO, Shop
from support.survival import assert_all_is_well

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("waiting")]

SAGAS = 100
LIMIT_S, REASK_S = 20, 2
DOWN_S = 30.0
SHORT_LIMIT_S = 8
BOUND_S = SHORT_LIMIT_S + 2 * REASK_S + 6
"""Limit, grace of the probe, catch-up that is measured once a second, the timers' quarter of a
second, and a busy machine."""


async def test_replies_that_waited_while_everything_was_down_are_read_before_any_limit_acts(
    tmp_path: Path, own_kafka: Callable[[], KafkaService], own_postgres: Callable[[], PostgresService]
) -> None:
    kafka, postgres = own_kafka(), own_postgres()
    async with shop.opened(tmp_path, kafka=kafka.bootstrap_servers, new_database=postgres.create_database, instances=1) as fleet:
        await fleet.start(*fleet.coordinators)
        await fleet.register(_limited(tmp_path, LIMIT_S), name="limited")
        placing = Placing(fleet.servers, definition="limited")
        await placing.place_all(some_orders(SAGAS, rejected=0))
        topics = Topics()
        await _holds(fleet, topics.command("inventory"), SAGAS)
        await fleet.kill(*fleet.coordinators)
        await fleet.start(*fleet.instances("inventory"))  # it answers, and nobody listens
        await _holds(fleet, topics.reply("inventory"), SAGAS)
        await fleet.kill(*fleet.instances("inventory"))
        await outages.kill(kafka, postgres)
        await asyncio.sleep(DOWN_S)
        await outages.bring_back(kafka, postgres)
        await fleet.start(*fleet.coordinators)
        await fleet.start(*fleet.participants)
        ended = await all_final(fleet.database, 90)
        await assert_all_is_well(fleet, placing, ended, most_further=0)


async def test_a_participant_that_never_answers_turns_the_saga_back_within_the_bound(
    tmp_path: Path, kafka_address: str, postgres_url: Callable[[], str]
) -> None:
    async with shop.opened(
        tmp_path,
        kafka=kafka_address,
        new_database=lambda _: postgres_url(),
        coordinators=1,
        instances=1,
        topic_prefix=f"silent-{uuid.uuid4().hex[:8]}.",
    ) as fleet:
        await fleet.start(*fleet.coordinators, *fleet.instances("inventory"), *fleet.instances("shipping"))
        await fleet.register(_limited(tmp_path, SHORT_LIMIT_S), name="limited")
        placing = Placing(fleet.servers, definition="limited")
        await placing.place_all(some_orders(1, rejected=0))
        (saga_id,) = placing.placed
        turned_back_s = await _turned_back_after(fleet, saga_id)
        assert SHORT_LIMIT_S - 0.5 <= turned_back_s <= BOUND_S
        effects = await ledger.read([fleet.ledgers["inventory"]])
        assert [effect.kind for effect in effects] == ["action"], "nothing is undone while the charge may still happen"
        await fleet.start(*fleet.instances("payment"))
        ended = await all_final(fleet.database, 30)
        assert ended.phases == {saga_id: "COMPENSATED"}
        assert (await view(fleet.servers, saga_id))["reason"] == "charge: time over"
        assert not list(ledger.wrongs(await ledger.read(fleet.ledgers.values()), ended.phases))


def _limited(folder: Path, limit_s: int) -> Path:
    """The demo's order with a limit on every step before the pivot and on the pivot."""
    text = (DEMO / "order.saga.yaml").read_text()
    text = text.replace("saga: order", "saga: limited")
    limited = text.replace("timeout: {reask: 5s}", f"timeout: {{step: {limit_s}s, reask: {REASK_S}s}}")
    assert limited.count("step:") == 3
    path = folder / "limited.saga.yaml"
    path.write_text(limited)
    return path


async def _holds(fleet: Shop, topic: str, at_least: int) -> None:
    async def enough() -> bool:
        return sum((await ends_of(fleet, [topic])).values()) >= at_least

    await until(enough, 30, f"{at_least} messages in {topic}")


async def _turned_back_after(fleet: Shop, saga_id: str) -> float:
    """Seconds from when the charge was asked to when the saga went back, looked at from outside."""
    asked: float | None = None
    deadline = time.monotonic() + 2 * BOUND_S
    while time.monotonic() < deadline:
        saga = await view(fleet.servers, saga_id)
        charge = next(step for step in saga["steps"] if step["name"] == "charge")
        if asked is None and charge["status"] == "asked":
            asked = time.monotonic()
        if saga["phase"] == "COMPENSATING":
            assert asked is not None
            return time.monotonic() - asked
        await asyncio.sleep(0.2)
    raise AssertionError(f"{saga_id} is still {saga['phase']}")
