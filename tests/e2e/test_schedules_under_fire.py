"""Schedules that tick each second on three coordinators, which are killed and stopped all the time
and whose clocks are ten minutes apart: each tick fires once, and none is lost.

`SAGA_FIRE_SCHEDULES` sets how many schedules (100), `SAGA_FIRE_SECONDS` for how long they tick
(30), `SAGA_FIRE_LATE_S` how late 99 of 100 sagas may be (10); `SAGA_FIRE_SEED` repeats a run.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from support import shop
from support.under_fire import (
    Fire,
    all_over,
    assert_clocks_apart,
    assert_each_once,
    begin,
    clocks_apart,
    definition,
    lateness,
    named,
)

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("busy")]

SCHEDULES = int(os.environ.get("SAGA_FIRE_SCHEDULES", "100"))
SECONDS = int(os.environ.get("SAGA_FIRE_SECONDS", "30"))
LATE_S = float(os.environ.get("SAGA_FIRE_LATE_S", "10"))
SEED = int(os.environ.get("SAGA_FIRE_SEED", "0"))


async def test_each_tick_fires_once_while_coordinators_are_killed_and_stopped_on_clocks_apart(
    tmp_path: Path, kafka_address: str, postgres_url: Callable[[], str]
) -> None:
    seed = SEED or random.randrange(1, 1_000_000)
    async with shop.opened(
        tmp_path,
        kafka=kafka_address,
        new_database=lambda _: postgres_url(),
        coordinators=3,
        instances={"inventory": 1, "payment": 0, "shipping": 0},
        topic_prefix=f"fire-{uuid.uuid4().hex[:8]}.",
        settings={
            "SAGA_KAFKA_SESSION_TIMEOUT_MS": "6000",  # a group goes on without its dead member after so long
            "SAGA_DEMO_LEAN": "1",  # the participant writes its ledger and no more: it is not the bottleneck
        },
    ) as fleet:
        named(fleet.coordinators)
        clocks_apart(fleet.coordinators)
        await fleet.start()
        await assert_clocks_apart(fleet)
        await fleet.register(definition(tmp_path), name="tick")
        rows = await begin(fleet, SCHEDULES, SECONDS)
        fire = Fire(fleet, random.Random(seed))
        print(f"\n  {SCHEDULES} schedules for {SECONDS} s, seed {seed}")
        try:
            for part in (0.4, 0.9):
                async with fire.going_on():
                    await asyncio.sleep(max(0.0, fire.began_s + SECONDS * part - time.monotonic()))
                if part < 0.5:
                    await fire.stop_all()
            await fire.all_started()
            await all_over(fleet, 60 + SECONDS * 2)
        finally:
            print("\n".join(fire.acts))
        await assert_each_once(fleet, rows)
        late = await lateness(fleet, fire.none_us)
        calm = await lateness(fleet, fire.none_us + fire.one_us)
        fleet.assert_alive()
    print(f"  {fire.kills} kills, {fire.stops} stops\n  {late}\n  while none was stopped: {calm}")
    assert fire.kills > len(fleet.coordinators), "nobody was killed but with all others"
    assert fire.stops >= 2
    assert late.left_out, "no tick fell while nobody was there"
    assert late.p99_s < LATE_S
