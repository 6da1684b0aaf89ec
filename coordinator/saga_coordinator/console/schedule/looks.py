"""States of schedules, of their ticks and of backfills, as shapes and words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from saga_coordinator.console.formatting import PHASES, Look
from saga_coordinator.store.schedule_records import BackfillStatus, ScheduleStatus, TickOutcome, TickRow

STATUSES: Final[Mapping[str, Look]] = {
    ScheduleStatus.ACTIVE: Look(shape="run", tone="fwd", words="it ticks by its calendar"),
    ScheduleStatus.PAUSED: Look(shape="pause", tone="wait", words="no tick runs until somebody resumes it"),
    ScheduleStatus.ENDED: Look(shape="done", tone="soft", words="its calendar, or its number of runs, is over"),
    ScheduleStatus.DELETED: Look(shape="no", tone="soft", words="it is kept for what it ran"),
}
BACKFILLS: Final[Mapping[str, Look]] = {
    BackfillStatus.RUNNING: Look(shape="run", tone="fwd", words="it goes on by itself"),
    BackfillStatus.DONE: Look(shape="done", tone="done", words="all its ticks are decided"),
    BackfillStatus.STOPPED: Look(shape="forced", tone="wait", words="a person stopped it"),
}
TO_COME: Final = Look(shape="idle", tone="soft", words="to come")
UNKNOWN: Final = Look(shape="none", tone="soft", words="a state that this release does not know")
_RUNS: Final = Look(shape="run", tone="fwd", words="its saga is open")
_GONE: Final = Look(shape="idle", tone="soft", words="its saga is not stored any more")
_NOT_FIRED: Final[Mapping[str, Look]] = {
    TickOutcome.QUEUED: Look(shape="wait", tone="wait", words="it waits for sagas of the schedule to end"),
    TickOutcome.SKIPPED: Look(shape="none", tone="soft", words="it did not run"),
    TickOutcome.MISSED: Look(shape="no", tone="wait", words="nobody decided it in time"),
    TickOutcome.FAILED: Look(shape="alert", tone="hot", words="its saga could not start"),
}


def tick_state(tick: TickRow) -> tuple[str, Look]:
    """What became of a tick: `running`, the phase in which its saga ended, or the outcome."""
    if tick.outcome != TickOutcome.FIRED:
        return not_fired(tick.outcome)
    if tick.phase is not None:
        return tick.phase.lower(), PHASES.get(tick.phase, UNKNOWN)
    return ("gone", _GONE) if tick.ended_at_us is not None else ("running", _RUNS)


def not_fired(outcome: str) -> tuple[str, Look]:
    return outcome, _NOT_FIRED.get(outcome, UNKNOWN)
