"""Kafka killed and brought back, then PostgreSQL (everybody's), in the middle of two hundred
orders: nothing is lost, nobody dies of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from saga_cli.dev.kafka import KafkaService
from saga_cli.dev.postgres import PostgresService
from saga_messaging.background import end_one
from support import ledger, outages, shop
from support.orders import OpenCount, Placing, all_final, some_orders, until
from support.survival import assert_all_is_well

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("waiting")]

ORDERS, REJECTED = 200, 20
PER_S = 8.0
AWAY_S = 2.0


async def test_orders_end_right_though_kafka_and_then_postgresql_are_killed_and_brought_back(
    tmp_path: Path, own_kafka: Callable[[], KafkaService], own_postgres: Callable[[], PostgresService]
) -> None:
    kafka, postgres = own_kafka(), own_postgres()
    faults = [{"step": step, "kind": "delay", "times": 1, "ms": 1_000} for step in ledger.STEPS]
    orders = some_orders(ORDERS, rejected=REJECTED, faults=faults)
    async with shop.opened(tmp_path, kafka=kafka.bootstrap_servers, new_database=postgres.create_database, instances=1) as fleet:
        await fleet.start()
        await fleet.register()
        placing, count = Placing(fleet.servers), OpenCount(fleet.database)
        looking = asyncio.create_task(count.run())
        pacing = asyncio.create_task(placing.pace(orders, count, per_s=PER_S, floor=0, limit_s=120))
        for server, after in ((kafka, ORDERS // 4), (postgres, ORDERS // 2)):
            await _placed(placing, after)
            print(f"\n  kill -9 {type(server).__name__} with {count.now} orders open")
            assert count.now >= 10
            await outages.kill(server)
            await asyncio.sleep(AWAY_S)
            await outages.bring_back(server)
        await pacing
        ended = await all_final(fleet.database, 120)
        await end_one(looking)
        print(f"  {ended.counted}; requests repeated: {dict(placing.repeats)}")
        await assert_all_is_well(fleet, placing, ended, most_further=0)
        assert not [process.name for process in fleet.processes if process.kills]


async def _placed(placing: Placing, wanted: int) -> None:
    async def enough() -> bool:
        return len(placing.placed) >= wanted

    await until(enough, 60, f"{wanted} orders are placed")
