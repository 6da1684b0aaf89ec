"""Each policy of overlap and of missed ticks, day by day, over rows in memory."""

from __future__ import annotations

import pytest

from support.schedule_days import DAYS, Day, check
from support.schedule_keeper import MemoryKeeper


@pytest.mark.parametrize("day", DAYS, ids=lambda day: day.name)
async def test_a_day(day: Day) -> None:
    await check(day, MemoryKeeper())
