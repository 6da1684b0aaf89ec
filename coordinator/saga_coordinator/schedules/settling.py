"""How a schedule's sagas ended, and what that says of the schedule. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from saga_coordinator.engine.state import Phase
from saga_coordinator.schedules.turn import Turn
from saga_coordinator.store.schedule_records import EndedTick, ScheduleStatus

PAUSED_ON_FAILURE: Final = "paused_on_failure"
NO_SUCCESS: Final = "no_success"
COORDINATOR: Final = "coordinator"
"""Who pauses a schedule that fails."""
UNKNOWN: Final = "unknown"
"""The phase of a saga that is not stored any more."""


def settle(turn: Turn, ended: Sequence[EndedTick]) -> None:
    """Note how sagas ended, in the order in which they did."""
    by_instant = {tick.at_us: tick for tick in turn.running}
    for one in sorted(ended, key=lambda tick: (tick.closed_at_us or 0, tick.at_us)):
        tick = by_instant.get(one.at_us)
        if tick is None:
            continue
        turn.running.remove(tick)
        at_us = one.closed_at_us or turn.now_us
        turn.write(replace(tick, phase=one.phase or UNKNOWN, ended_at_us=at_us))
        if one.phase == Phase.COMPLETED:
            _succeeded(turn, at_us)
        elif one.phase is not None:
            _went_wrong(turn, one.phase)


def _succeeded(turn: Turn, at_us: int) -> None:
    latest_us = max(at_us, turn.row.succeeded_at_us or 0)
    expected_ms = turn.document.expect_success_ms
    due_us = None if expected_ms is None else latest_us + expected_ms * 1000
    turn.change(failures=0, succeeded_at_us=latest_us, success_due_at_us=due_us)
    turn.well(frozenset({NO_SUCCESS}))


def _went_wrong(turn: Turn, phase: str) -> None:
    turn.change(failures=turn.row.failures + 1)
    most = turn.document.pause_after_failures
    if most is None or turn.row.failures < most or turn.row.status != ScheduleStatus.ACTIVE:
        return
    why = f"{turn.row.failures} sagas in a row did not complete; the last ended {phase}"
    turn.change(status=ScheduleStatus.PAUSED, paused_at_us=turn.now_us, paused_by=COORDINATOR, paused_why=why)
    turn.trouble(PAUSED_ON_FAILURE, why)


def expect(turn: Turn) -> None:
    """Call a person where no success came in time. What is worse has been told already."""
    due_us = turn.row.success_due_at_us
    if due_us is not None and due_us <= turn.now_us and turn.row.attention is None:
        turn.trouble(NO_SUCCESS, "no saga of the schedule has completed for as long as it expects")
