"""Each policy of overlap and of missed ticks, day by day, over rows in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

import pytest

from saga_coordinator.schedules.turn import Turn
from saga_coordinator.store.schedule_records import EndedTick, OpenTicks, ScheduleRow, TickRangeRow, TickRow
from support.schedule_days import DAYS, Day, check


@dataclass
class MemoryKeeper:
    """Rows in memory."""

    tenant: str = "default"
    row: ScheduleRow | None = None
    ticks: dict[int, TickRow] = field(default_factory=dict)
    ranges: list[TickRangeRow] = field(default_factory=list)
    over: dict[UUID, tuple[str, int]] = field(default_factory=dict)

    async def add(self, row: ScheduleRow) -> None:
        self.row = row

    async def load(self) -> tuple[ScheduleRow, OpenTicks, Sequence[EndedTick]]:
        assert self.row is not None
        ticks = [self.ticks[at_us] for at_us in sorted(self.ticks)]
        running = tuple(tick for tick in ticks if tick.outcome == "fired" and tick.phase is None)
        queued = tuple(tick for tick in ticks if tick.outcome == "queued")
        ended = [
            EndedTick(schedule_id=tick.schedule_id, at_us=tick.at_us, saga_id=tick.saga_id, phase=phase, closed_at_us=at_us)
            for tick in running
            if tick.saga_id in self.over
            for phase, at_us in [self.over[tick.saga_id]]
        ]
        return self.row, OpenTicks(running=running, queued=queued), ended

    async def save(self, turn: Turn) -> None:
        self.row = turn.row
        self.ticks |= turn.ticks
        for made, follows_us in turn.ranges:
            last = self.ranges[-1] if self.ranges else None
            same = last is not None and (last.outcome, last.reason, last.saga_id) == (made.outcome, made.reason, made.saga_id)
            if last is not None and same and last.last_us == follows_us:
                self.ranges[-1] = replace(last, last_us=made.last_us, count=last.count + made.count)
            else:
                self.ranges.append(made)

    async def ended(self, saga_id: UUID, phase: str, at_us: int) -> None:
        self.over[saga_id] = (phase, at_us)

    async def history(self) -> tuple[Sequence[TickRow], Sequence[TickRangeRow]]:
        return list(self.ticks.values()), self.ranges


@pytest.mark.parametrize("day", DAYS, ids=lambda day: day.name)
async def test_a_day(day: Day) -> None:
    await check(day, MemoryKeeper())
