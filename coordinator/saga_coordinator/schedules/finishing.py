"""The end of a turn: what is asked of sagas in the way, and when the loop looks again. Pure."""

from __future__ import annotations

from typing import Final

from saga_coordinator.schedules.deciding import Verdict, decide, ending, may_go, overlap_of
from saga_coordinator.schedules.settling import expect
from saga_coordinator.schedules.turn import Ending, Turn
from saga_coordinator.store.schedule_records import BackfillStatus, ScheduleStatus

AGAIN_US: Final = 2_000_000
"""How soon a tick is looked at again that has others cancelled or terminated."""


def finish(turn: Turn) -> None:
    """The last word of a turn, before it is written."""
    if turn.row.status != ScheduleStatus.DELETED:
        expect(turn)
    turn.endings = _endings(turn)
    turn.change(wake_at_us=_wake_at_us(turn))


def _goes_on(turn: Turn) -> bool:
    return turn.row.status in (ScheduleStatus.ACTIVE, ScheduleStatus.ENDED)


def _is_released(turn: Turn) -> bool:
    """A tick waits for nothing any more: what was in its way has ended or has lost its place."""
    return bool(turn.queued) and may_go(turn.overlap_of(turn.queued[0]), turn.running)


def _endings(turn: Turn) -> list[Ending]:
    """The sagas that the first tick in the queue wants to be ended."""
    how = ending(turn.overlap_of(turn.queued[0])) if turn.queued and _goes_on(turn) else None
    if how is None:
        return []
    at_us = turn.queued[0].at_us
    return [Ending(saga_id=saga_id, how=how, at_us=at_us) for saga_id in turn.running]


def _wake_at_us(turn: Turn) -> int | None:
    """A schedule that catches up with many ticks goes behind all that are due by now: one look
    finds the `loops.schedules.SEEN_MOST` that are due longest, and others would wait until it is
    done.
    """
    row, times = turn.row, list[int]()
    if row.status == ScheduleStatus.DELETED:
        return None
    if row.success_due_at_us is not None and row.success_due_at_us > turn.now_us:
        times.append(row.success_due_at_us)
    if _goes_on(turn):
        times += [turn.now_us] if turn.again or _is_released(turn) else []
        times += [turn.now_us + AGAIN_US] if turn.endings else []
        times += _backfill_times(turn)
    if row.status == ScheduleStatus.ACTIVE and row.fire_at_us is not None:
        times.append(row.fire_at_us)
    return max(min(times), turn.now_us) if times else None


def _backfill_times(turn: Turn) -> list[int]:
    job = turn.backfill
    if job is None or job.status != BackfillStatus.RUNNING:
        return []
    waits = decide(overlap_of(job.overlap), turn.running, turn.queued).verdict is Verdict.QUEUE
    return [] if waits else [job.next_at_us]
