"""What became of ticks, told to metrics and log once it is committed."""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from saga_coordinator.schedules.tick_names import tick_text
from saga_coordinator.schedules.turn import Turn
from saga_coordinator.store.schedule_records import TickOutcome, TickRow, TickSource
from saga_coordinator.telemetry.instruments import Instruments

_log = structlog.get_logger("schedules")


def tell(instruments: Instruments, turns: Iterable[Turn]) -> None:
    """Of turns whose transaction is committed."""
    for turn in turns:
        for tick in turn.ticks.values():
            if tick.phase is None:
                _tell_tick(instruments, turn, tick)
        for made, _ in turn.ranges:
            instruments.schedule_ticks(made.outcome, TickSource.CALENDAR, made.count)
        for late_us in turn.late_us:
            instruments.schedule_late(late_us / 1e6)


def _tell_tick(instruments: Instruments, turn: Turn, tick: TickRow) -> None:
    instruments.schedule_ticks(tick.outcome, tick.source, 1)
    if tick.outcome == TickOutcome.FAILED:
        name, at = turn.row.name, tick_text(tick.at_us)
        _log.warning("tick_failed", schedule=name, tick=at, reason=tick.reason, note=tick.note)
