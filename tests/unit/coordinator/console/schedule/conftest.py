"""Pages about schedules, over schedules in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from support.schedule_console import ScheduleBrowser, ScheduleHome, schedule_browser


@pytest.fixture
def home() -> ScheduleHome:
    return ScheduleHome()


@pytest.fixture
async def browser(home: ScheduleHome) -> AsyncIterator[ScheduleBrowser]:
    async with schedule_browser(home) as browser:
        yield browser
