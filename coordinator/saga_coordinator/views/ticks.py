"""The views of ticks that were decided, of backfills, of the versions of a schedule, and of the
tick that started a saga."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from saga_coordinator.schedules.document import ScheduleDocument
from saga_coordinator.schedules.tick_names import tick_text
from saga_coordinator.schedules.words import reason_words
from saga_coordinator.store.schedule_records import (
    BackfillRow,
    ScheduleRow,
    ScheduleVersionRow,
    TickRangeRow,
    TickRow,
    TickSource,
)
from saga_coordinator.views.schedule_file import file_of
from saga_schemas.times import format_us


@dataclass(frozen=True, slots=True, kw_only=True)
class TickView:
    """A tick that was decided by itself."""

    kind: Literal["tick"] = "tick"
    tick: str
    """Its name: the instant in UTC."""
    source: str
    """`calendar`, `trigger` or `backfill`."""
    outcome: str
    """`fired`, `queued`, `skipped`, `missed` or `failed`."""
    reason: str | None
    """A code: why it is queued, was skipped or failed."""
    sentence: str | None
    """The same in words."""
    saga_id: str | None
    """The saga that it started; of one that did not start, the saga that was in its way."""
    phase: str | None
    """In which its saga ended; None: it did not start, or is open."""
    version: int
    """Of the schedule that decided it."""
    overlap: str | None
    """Where it does not go by the schedule's own."""
    decided_at: str
    fired_at: str | None
    late_ms: int | None
    """From the tick to its start, jitter included; None: it did not fire by itself."""
    ended_at: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TickRangeView:
    """Ticks in a row that did not start, for one reason."""

    kind: Literal["range"] = "range"
    first: str
    last: str
    count: int
    outcome: str
    """`skipped` or `missed`."""
    reason: str
    sentence: str
    saga_id: str | None
    """The saga that was in their way."""
    decided_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillView:
    """A range of ticks that are run afterwards."""

    id: str
    status: str
    """`running`, `done` or `stopped`."""
    first_at: str
    last_at: str
    """Of the range, both included."""
    done_until: str
    """Ticks up to here are done with."""
    overlap: str
    per_minute: int
    """Ticks a minute, at most."""
    found: int
    """Ticks in the range when it was made."""
    fired: int
    known: int
    """Ticks that had fired before: they do not run twice."""
    skipped: int
    failed: int
    actor: str
    reason: str
    created_at: str
    ended_at: str | None
    stopped_by: str | None
    stopped_why: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleVersionView:
    """One version of a schedule's document."""

    version: int
    at: str
    actor: str
    reason: str
    file: str
    """The document as YAML in the shape of its file, every default written out: two versions can be
    compared line by line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledView:
    """Of a saga: the schedule that started it, and for which tick."""

    name: str
    tick: str


def tick_view(row: TickRow) -> TickView:
    on_time = row.source == TickSource.CALENDAR and row.fired_at_us is not None
    return TickView(
        tick=tick_text(row.at_us),
        source=row.source,
        outcome=row.outcome,
        reason=row.reason,
        sentence=None if row.reason is None else row.note or reason_words(row.reason),
        saga_id=None if row.saga_id is None else str(row.saga_id),
        phase=row.phase,
        version=row.version,
        overlap=row.overlap,
        decided_at=format_us(row.decided_at_us),
        fired_at=maybe_time(row.fired_at_us),
        late_ms=((row.fired_at_us or 0) - row.at_us) // 1000 if on_time else None,
        ended_at=maybe_time(row.ended_at_us),
    )


def range_view(row: TickRangeRow) -> TickRangeView:
    return TickRangeView(
        first=tick_text(row.first_us),
        last=tick_text(row.last_us),
        count=row.count,
        outcome=row.outcome,
        reason=row.reason,
        sentence=row.note or reason_words(row.reason),
        saga_id=None if row.saga_id is None else str(row.saga_id),
        decided_at=format_us(row.decided_at_us),
    )


def merged(
    ticks: Sequence[TickRow], ranges: Sequence[TickRangeRow], limit: int
) -> tuple[list[TickRow | TickRangeRow], int | None]:
    """One page of ticks and ranges, newest first; a range stands where it begins.

    Args:
        ticks: The newest `limit + 1` before some instant, as far as there are.
        ranges: The same of ranges.
        limit: How many the page has; it has more where the next ones begin at the same instant.

    Returns:
        The page, and the instant before which the next one begins; None where there is none.
    """
    both: list[TickRow | TickRangeRow] = [*ticks, *ranges]
    rows = sorted(both, key=_begins, reverse=True)
    end = limit
    while 0 < end < len(rows) and _begins(rows[end]) == _begins(rows[end - 1]):
        end += 1
    return rows[:end], _begins(rows[end - 1]) if end < len(rows) else None


def decided_view(row: TickRow | TickRangeRow) -> TickView | TickRangeView:
    return tick_view(row) if isinstance(row, TickRow) else range_view(row)


def backfill_view(row: BackfillRow) -> BackfillView:
    return BackfillView(
        id=str(row.id),
        status=row.status,
        first_at=format_us(row.from_us),
        last_at=format_us(row.until_us),
        done_until=format_us(row.place_us),
        overlap=row.overlap,
        per_minute=row.per_minute,
        found=row.found,
        fired=row.fired,
        known=row.known,
        skipped=row.skipped,
        failed=row.failed,
        actor=row.who,
        reason=row.why,
        created_at=format_us(row.created_at_us),
        ended_at=maybe_time(row.ended_at_us),
        stopped_by=row.stopped_by,
        stopped_why=row.stopped_why,
    )


def version_view(row: ScheduleVersionRow) -> ScheduleVersionView:
    """Raises DocumentInvalid where a later release wrote the document."""
    file = file_of(ScheduleDocument.parse(row.document))
    return ScheduleVersionView(version=row.version, at=format_us(row.at_us), actor=row.who, reason=row.why, file=file)


def scheduled_view(schedule: ScheduleRow, tick: TickRow) -> ScheduledView:
    return ScheduledView(name=schedule.name, tick=tick_text(tick.at_us))


def maybe_time(us: int | None) -> str | None:
    return None if us is None else format_us(us)


def _begins(row: TickRow | TickRangeRow) -> int:
    return row.at_us if isinstance(row, TickRow) else row.first_us
