"""How a schedule's sagas ended, and what that says of the schedule. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from saga_coordinator.engine.state import Phase
from saga_coordinator.schedules.attention import NO_SUCCESS, PAUSED_ON_FAILURE
from saga_coordinator.schedules.turn import Turn
from saga_coordinator.store.schedule_records import EndedTick, ScheduleStatus, TickRow

COORDINATOR: Final = "coordinator"
"""Who pauses a schedule that fails."""
UNKNOWN: Final = "unknown"
"""The phase of a saga that is not stored any more."""


def settled(ended: Sequence[EndedTick], now_us: int) -> list[TickRow]:
    """Ticks whose sagas have ended, as they become, in the order in which the sagas ended."""
    in_order = sorted(ended, key=lambda one: (one.closed_at_us or 0, one.tick.at_us))
    return [replace(one.tick, phase=one.phase or UNKNOWN, ended_at_us=one.closed_at_us or now_us) for one in in_order]


def settle(turn: Turn, ended: Sequence[EndedTick]) -> None:
    """Note how sagas ended."""
    for tick in settled(ended, turn.now_us):
        turn.write(tick)
        if tick.phase == Phase.COMPLETED:
            _succeeded(turn, tick.ended_at_us or turn.now_us)
        elif tick.phase is not None and tick.phase != UNKNOWN:
            _went_wrong(turn, tick.phase)


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
