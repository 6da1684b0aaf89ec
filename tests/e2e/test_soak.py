"""Years pressed together on real Kafka and PostgreSQL: sagas and barrier rows are removed while
orders flow, and whatever comes late is refused.

`SAGA_SOAK_ORDERS` sets how many orders (400), `SAGA_SOAK_STOPS` how often a coordinator is stopped
(10), `SAGA_SOAK_SEED` repeats a run.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from support import shop
from support.soak import SETTINGS, Soak, hurried_definition, soak

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("busy")]

ORDERS = int(os.environ.get("SAGA_SOAK_ORDERS", "400"))
STOPS = int(os.environ.get("SAGA_SOAK_STOPS", "10"))
SEED = int(os.environ.get("SAGA_SOAK_SEED", "0"))


async def test_nothing_is_kept_and_nothing_comes_back(
    tmp_path: Path, kafka_address: str, postgres_url: Callable[[], str]
) -> None:
    prefix = f"soak-{uuid.uuid4().hex[:8]}."
    async with shop.opened(
        tmp_path,
        kafka=kafka_address,
        new_database=lambda _: postgres_url(),
        coordinators=2,
        instances=1,
        topic_prefix=prefix,
        settings=SETTINGS,
    ) as fleet:
        await fleet.start()
        await fleet.register(hurried_definition(tmp_path))
        run = Soak(orders=ORDERS, rejected=ORDERS // 10, per_s=60.0, floor=50, stops=STOPS, limit_s=120 + ORDERS / 20, seed=SEED)
        await soak(fleet, run)
