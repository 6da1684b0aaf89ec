"""The restore drill on real Kafka and PostgreSQL: backups taken while orders flow, by each way that
docs/operations.md tells; and all topics lost at the same time.

`SAGA_DRILL_ORDERS` sets how many orders (150), `SAGA_DRILL_PER_S` how many are placed in a second
(8), `SAGA_DRILL_TIMES` how often a dump is restored (once); `SAGA_DRILL_SEED` repeats a run.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from saga_cli.dev.postgres import PostgresService
from support import shop
from support.backups import ARCHIVING, PointInTime, backed_up
from support.drill import Drill, Restorable, drill

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("waiting")]

ORDERS = int(os.environ.get("SAGA_DRILL_ORDERS", "150"))
PER_S = float(os.environ.get("SAGA_DRILL_PER_S", "8"))
TIMES = int(os.environ.get("SAGA_DRILL_TIMES", "1"))
SEED = int(os.environ.get("SAGA_DRILL_SEED", "0"))


@asynccontextmanager
async def open_shop(folder: Path, kafka: str, new_database: Callable[[str], str]) -> AsyncIterator[shop.Shop]:
    prefix = f"drill-{uuid.uuid4().hex[:8]}."
    async with shop.opened(
        folder, kafka=kafka, new_database=new_database, coordinators=1, instances=1, topic_prefix=prefix
    ) as fleet:
        await fleet.start()
        await fleet.register()
        yield fleet


@pytest.mark.parametrize("topics_too", [False, True], ids=["topics stay", "topics are lost too"])
@pytest.mark.parametrize("time", range(TIMES))
async def test_a_dump_is_restored_while_orders_flow(
    tmp_path: Path, kafka_address: str, postgres_url: Callable[[], str], topics_too: bool, time: int
) -> None:
    async with open_shop(tmp_path, kafka_address, lambda _: postgres_url()) as fleet:

        async def dump() -> Restorable:
            return await backed_up(fleet.database, tmp_path)

        await drill(fleet, Drill(orders=ORDERS, per_s=PER_S, rejected=ORDERS // 5, topics_too=topics_too, seed=SEED), dump)


async def test_a_base_backup_and_its_log_are_restored_while_orders_flow(
    tmp_path: Path, kafka_address: str, postgres_url: Callable[[], str]
) -> None:
    with PostgresService(settings=ARCHIVING) as own:
        kept = PointInTime(own)

        def new_database(name: str) -> str:
            return own.create_database(name) if name == "coordinator" else postgres_url()

        async with open_shop(tmp_path, kafka_address, new_database) as fleet:

            async def now() -> Restorable:
                await asyncio.to_thread(kept.remember)
                return kept

            moment: Callable[[], Awaitable[Restorable]] = now
            await drill(fleet, Drill(orders=ORDERS, per_s=PER_S, rejected=ORDERS // 5, seed=SEED), moment)
