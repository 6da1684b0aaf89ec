"""The instruments of schedules: what became of ticks, how late they were, and what stands still.

No label names a schedule: there may be ten thousand. Which one it is say the overview and
`saga list attention`.
"""

from __future__ import annotations

from prometheus_client import Gauge, Histogram

from saga_coordinator.store.schedule_records import ScheduleCounts, TickOutcome, TickSource
from saga_coordinator.telemetry import catalog
from saga_coordinator.telemetry.registered import Registered
from saga_coordinator.telemetry.series import show


class ScheduleInstruments(Registered):
    """Those of the loop of schedules."""

    def __init__(self) -> None:
        super().__init__()
        self._schedule_ticks = self._counters(catalog.SCHEDULE_TICKS)
        self._schedule_lateness = self._made(Histogram, catalog.SCHEDULE_LATENESS)
        self._schedule_turn = self._made(Histogram, catalog.SCHEDULE_TURN)
        self._schedule_turn_size = self._made(Histogram, catalog.SCHEDULE_TURN_SIZE)
        self._schedules = self._gauges(catalog.SCHEDULES)
        self._schedule_attention = self._made(Gauge, catalog.SCHEDULE_ATTENTION)
        self._schedule_overdue = self._made(Gauge, catalog.SCHEDULE_OVERDUE)
        self._schedule_due = self._made(Gauge, catalog.SCHEDULE_DUE)
        self._schedule_backfills = self._made(Gauge, catalog.SCHEDULE_BACKFILLS)
        self._schedules_wait = self._made(Gauge, catalog.SCHEDULES_WAIT)
        self.schedule_trouble: str | None = None
        """Why no tick is decided now; None: nothing stands in the way."""
        for outcome in TickOutcome:
            for source in TickSource:
                self._schedule_ticks[str(outcome), str(source)]

    def schedule_ticks(self, outcome: str, source: str, count: int) -> None:
        """So many ticks were decided, and that is committed."""
        self._schedule_ticks[str(outcome), str(source)].inc(count)

    def schedule_late(self, seconds: float) -> None:
        """A tick fired so long after it was due; what is before its time counts as in time."""
        self._schedule_lateness.observe(max(seconds, 0.0))

    def schedule_turn(self, seconds: float, schedules: int) -> None:
        """One turn took so long for so many schedules."""
        self._schedule_turn.observe(seconds)
        self._schedule_turn_size.observe(schedules)

    def schedule_counts(self, counts: ScheduleCounts) -> None:
        """How the schedules of the tenant stand."""
        show(self._schedules, {"active": counts.active, "paused": counts.paused})
        self._schedule_attention.set(counts.attention)
        self._schedule_overdue.set(counts.overdue)
        late_us = 0 if counts.due_since_us is None else max(counts.now_us - counts.due_since_us, 0)
        self._schedule_due.set(late_us / 1e6)
        self._schedule_backfills.set(counts.backfills)

    def schedules_wait(self, reason: str | None) -> None:
        """Why no tick is decided for now; None: they are decided again."""
        self.schedule_trouble = reason
        self._schedules_wait.set(reason is not None)
