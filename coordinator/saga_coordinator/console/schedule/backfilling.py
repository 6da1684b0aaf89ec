"""What a backfill would come to, how far one is, and what became of a trigger. Pure."""

from __future__ import annotations

from typing import Final

from saga_coordinator.schedules.words import reason_words
from saga_coordinator.store.schedule_records import BackfillRow, BackfillStatus, TickOutcome, TickRow
from saga_schemas.record_class import record

PER_MINUTE: Final = 60
"""What the form says at first."""
_MINUTE_MS: Final = 60_000


@record
class Asked:
    """The fields of the form, as they were sent."""

    from_text: str
    until_text: str
    overlap: str
    limit: str
    per_minute: str


@record
class Tried:
    """A backfill that may be begun."""

    from_us: int
    until_us: int
    """Both included."""
    count: int
    """Ticks in the range."""
    per_minute: int

    @property
    def takes_ms(self) -> int:
        """How long it takes at least."""
        return self.count * _MINUTE_MS // self.per_minute


def far(row: BackfillRow) -> float:
    """How far it is, from 0 to 1."""
    done = row.fired + row.known + row.skipped + row.failed
    return 1.0 if row.status == BackfillStatus.DONE else min(1.0, done / max(1, row.found))


def told_of_tick(tick: TickRow) -> str:
    """What became of a trigger, as a sentence."""
    why = f": {tick.note or reason_words(tick.reason)}" if tick.reason is not None else ""
    match tick.outcome:
        case TickOutcome.FIRED:
            return f"It runs: saga {tick.saga_id}."
        case TickOutcome.QUEUED:
            return f"It waits{why}. It runs once that has ended."
        case TickOutcome.FAILED:
            return f"Its saga could not start{why}."
        case _:
            return f"It does not run{why}."
