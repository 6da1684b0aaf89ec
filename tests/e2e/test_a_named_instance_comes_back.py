"""An instance with a name is killed and started again: nobody else's partitions move, and it has
its name and its partitions again at once."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from support import shop
from support.orders import until
from support.processes import SagaProcess

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("busy")]

SESSION_MS = 60_000
"""Longer than a start takes on a slow machine, and than a name that is waited for."""


def taken(process: SagaProcess) -> list[tuple[str, object]]:
    """What its two groups gave it, in order: of which topics, and how many partitions."""
    lines = [json.loads(line) for line in process.log.read_text().splitlines() if line.startswith("{")]
    given = [line for line in lines if line.get("event") == "partitions_taken"]
    return [(",".join(line["topics"]), line["asked"]) for line in given]


async def test_a_named_instance_that_was_killed_has_its_name_and_its_partitions_again_at_once(
    tmp_path: Path, kafka_address: str, postgres_url: Callable[[], str]
) -> None:
    async with shop.opened(
        tmp_path,
        kafka=kafka_address,
        new_database=lambda _: postgres_url(),
        coordinators=2,
        instances=0,
        topic_prefix=f"named-{uuid.uuid4().hex[:8]}.",
        settings={"SAGA_KAFKA_SESSION_TIMEOUT_MS": str(SESSION_MS)},
    ) as fleet:
        stays, returns = [process.with_settings(SAGA_INSTANCE=process.name) for process in fleet.coordinators]
        await fleet.start()
        await fleet.register()

        async def both_have_some() -> bool:
            shares = [dict(taken(process)) for process in (stays, returns)]
            return shares[0] == shares[1] and len(shares[0]) == 2

        await until(both_have_some, 120, "each has its half of the partitions of both groups")
        before, had = taken(stays), taken(returns)
        await returns.kill()
        await fleet.start(returns)

        async def reads_again() -> bool:
            return dict(taken(returns)[len(had) :]) == dict(before)

        await until(reads_again, 120, "it has its partitions again")
        assert taken(stays) == before, "nobody else's partitions moved"
        assert "the name coordinator-2" not in returns.log.read_text(), "it waited for its name"
