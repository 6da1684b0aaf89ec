"""The short form of `test_orders_survive_everything`: three hundred orders while each of eight
processes is killed twice."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from support import shop
from support.survival import Run, survive

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("waiting")]

RUN = Run(
    orders=300,
    rejected=30,
    per_s=6.0,
    floor=40,
    delay_ms=2_000,
    rounds=2,
    kill_every_s=2.5,
    open_at_kill=20,
    limit_s=150.0,
)


async def test_three_hundred_orders_end_right_though_every_process_is_killed_twice(
    tmp_path: Path, kafka_address: str, postgres_url: Callable[[], str]
) -> None:
    async with shop.opened(
        tmp_path,
        kafka=kafka_address,
        new_database=lambda _: postgres_url(),
        topic_prefix=f"kills-{uuid.uuid4().hex[:8]}.",
        settings={"SAGA_KAFKA_SESSION_TIMEOUT_MS": "4000"},  # kills of one group follow each other closely
    ) as fleet:
        await fleet.start()
        await fleet.register()
        await survive(fleet, RUN)
