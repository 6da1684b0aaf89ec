"""Two thousand orders while each of eight processes is killed five times and all topics are deleted
once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from saga_cli.dev.kafka import KafkaService
from saga_cli.dev.postgres import PostgresService
from support import shop
from support.survival import Run, survive

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("busy")]

RUN = Run(
    orders=2_000,
    rejected=200,
    per_s=13.0,
    floor=75,
    delay_ms=1_200,
    rounds=5,
    kill_every_s=3.2,
    open_at_kill=20,
    open_at_wipe=50,
    open_throughout=50,
    limit_s=360.0,
)


async def test_two_thousand_orders_end_right_while_everything_is_killed_and_all_topics_are_deleted(
    tmp_path: Path, own_kafka: Callable[[], KafkaService], own_postgres: Callable[[], PostgresService]
) -> None:
    kafka, postgres = own_kafka(), own_postgres()
    async with shop.opened(
        tmp_path,
        kafka=kafka.bootstrap_servers,
        new_database=postgres.create_database,
        settings={"SAGA_KAFKA_SESSION_TIMEOUT_MS": "6000"},  # a group goes on without its dead member after so long
    ) as fleet:
        await fleet.start()
        await fleet.register()
        chaos = await survive(fleet, RUN)
        print("  memory at the end:", ", ".join(f"{one.name} {one.rss_mb():.0f} MB" for one in fleet.processes))
    assert sum("topics" in act.what and act.open >= RUN.open_at_wipe for act in chaos.acts) >= 1
