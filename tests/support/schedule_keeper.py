"""The rows of one schedule in memory, as a store keeps them between turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from saga_coordinator.schedules.turn import Turn
from saga_coordinator.store.schedule_records import (
    AtTurn,
    BackfillRow,
    BackfillStatus,
    EndedTick,
    OpenTicks,
    ScheduleRow,
    TickRangeRow,
    TickRow,
)


@dataclass
class MemoryKeeper:
    """Rows in memory."""

    tenant: str = "default"
    row: ScheduleRow | None = None
    ticks: dict[int, TickRow] = field(default_factory=dict)
    ranges: list[TickRangeRow] = field(default_factory=list)
    over: dict[UUID, tuple[str, int]] = field(default_factory=dict)
    job: BackfillRow | None = None
    """The backfill that was written last."""

    async def add(self, row: ScheduleRow) -> None:
        self.row = row

    async def load(self) -> tuple[ScheduleRow, AtTurn]:
        assert self.row is not None
        return self.row, self.at_turn()

    def at_turn(self) -> AtTurn:
        """As the store reads it."""
        open_ = self.open()
        running = tuple(tick.saga_id for tick in open_.running if tick.saga_id is not None and tick.saga_id not in self.over)
        return AtTurn(running=running, queued=open_.queued, ended=tuple(self.newly_ended()), backfill=self.backfill)

    def open(self) -> OpenTicks:
        ticks = [self.ticks[at_us] for at_us in sorted(self.ticks)]
        running = tuple(tick for tick in ticks if tick.outcome == "fired" and tick.phase is None)
        return OpenTicks(running=running, queued=tuple(tick for tick in ticks if tick.outcome == "queued"))

    def newly_ended(self) -> list[EndedTick]:
        """Ticks that do not know yet that their sagas have ended."""
        return [
            EndedTick(tick=tick, phase=phase, closed_at_us=at_us)
            for tick in self.open().running
            if tick.saga_id in self.over
            for phase, at_us in [self.over[tick.saga_id]]
        ]

    @property
    def backfill(self) -> BackfillRow | None:
        """The one that runs."""
        return self.job if self.job is not None and self.job.status == BackfillStatus.RUNNING else None

    async def save(self, turn: Turn) -> None:
        self.row = turn.row
        self.ticks |= turn.ticks
        self.job = turn.backfill or self.job
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
