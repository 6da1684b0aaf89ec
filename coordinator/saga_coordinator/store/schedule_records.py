"""What the store says and is told of schedules, their ticks, backfills and day calendars."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from uuid import UUID

from saga_schemas.record_class import record


class ScheduleStatus(StrEnum):
    """Where a schedule stands."""

    ACTIVE = "active"
    PAUSED = "paused"
    ENDED = "ended"
    """No tick comes any more: its calendar or its number of runs is over."""
    DELETED = "deleted"
    """It is kept for what it ran; a schedule of its name takes it up again."""


class TickSource(StrEnum):
    """Who asked for a tick."""

    CALENDAR = "calendar"
    TRIGGER = "trigger"
    BACKFILL = "backfill"


class TickOutcome(StrEnum):
    """What became of a tick."""

    FIRED = "fired"
    QUEUED = "queued"
    """It waits for sagas of the schedule to end."""
    SKIPPED = "skipped"
    MISSED = "missed"
    FAILED = "failed"
    """Its saga could not start."""


class BackfillStatus(StrEnum):
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"


@record
class ScheduleRow:
    """A schedule as it stands."""

    id: UUID
    tenant: str
    name: str
    version: int
    """Of its document; an update makes the next one."""
    document: str
    """`ScheduleDocument.canonical` of this version."""
    status: str
    cursor_us: int
    """All ticks of the calendar up to here are decided."""
    cursor_local: str | None
    """See `calendar/tick.py`."""
    next_at_us: int | None
    """The next tick; None: none comes."""
    fire_at_us: int | None
    """When that tick is due."""
    wake_at_us: int | None
    """When the loop looks at the schedule again; None: only when a saga of it ends."""
    uses_calendars: bool
    """It excludes days of stored calendars."""
    runs: int = 0
    """Ticks of the calendar that fired, of those that `runs` allows."""
    previous_us: int | None = None
    """The last tick that fired."""
    fired: int = 0
    queued: int = 0
    """Ticks that were queued, ever."""
    skipped: int = 0
    missed: int = 0
    failed: int = 0
    failures: int = 0
    """Sagas that ended COMPENSATED or FORCED, in a row up to now."""
    succeeded_at_us: int | None = None
    """When a saga of it last COMPLETED."""
    success_due_at_us: int | None = None
    """Without another success by then an alert stands; None: nothing is expected."""
    attention: str | None = None
    """Why a person must look: a code."""
    attention_note: str | None = None
    attention_since_us: int | None = None
    paused_at_us: int | None = None
    paused_by: str | None = None
    paused_why: str | None = None
    created_at_us: int
    changed_at_us: int
    ticks_from_us: int = 0
    """Ticks before then are not on record any more: they cannot be backfilled."""


@record
class ScheduleVersionRow:
    """One version of a schedule's document."""

    schedule_id: UUID
    version: int
    document: str
    who: str
    why: str
    at_us: int


@record
class TickRow:
    """A tick that was decided by itself."""

    schedule_id: UUID
    at_us: int
    source: str
    outcome: str
    version: int
    """Of the schedule that decided it."""
    reason: str | None = None
    """A code: why it is queued, was skipped or failed."""
    note: str | None = None
    """The same in words."""
    saga_id: UUID | None = None
    """The saga that it started; of a skipped tick, the saga that was in its way."""
    overlap: str | None = None
    """`policy` or `policy:limit` where it does not go by the schedule's own."""
    decided_at_us: int
    fired_at_us: int | None = None
    phase: str | None = None
    """In which its saga ended; None: it did not start, or is open."""
    ended_at_us: int | None = None


@record
class TickRangeRow:
    """Ticks in a row that did not start, for one reason."""

    schedule_id: UUID
    first_us: int
    last_us: int
    count: int
    outcome: str
    """skipped or missed."""
    reason: str
    note: str | None = None
    saga_id: UUID | None = None
    """The saga that was in their way."""
    decided_at_us: int


@record
class BackfillRow:
    """A range of ticks that are run afterwards."""

    id: UUID
    tenant: str
    schedule_id: UUID
    from_us: int
    until_us: int
    """Both included."""
    place_us: int
    """Ticks up to here are done with; at first the microsecond before `from_us`."""
    overlap: str
    """`policy` or `policy:limit`. With those that queue it waits instead."""
    per_minute: int
    """Ticks a minute, at most."""
    next_at_us: int
    """When its next tick may be decided."""
    found: int
    """Ticks in the range when it was made."""
    who: str
    why: str
    created_at_us: int
    status: str = BackfillStatus.RUNNING
    fired: int = 0
    known: int = 0
    """Ticks that had fired before."""
    skipped: int = 0
    failed: int = 0
    ended_at_us: int | None = None
    stopped_by: str | None = None
    stopped_why: str | None = None


@record
class DayCalendarRow:
    """A stored calendar of days."""

    tenant: str
    name: str
    version: int
    document: str
    """`DayCalendarDocument.canonical`."""
    who: str
    why: str
    at_us: int


@record
class EndedTick:
    """A tick that fired, whose saga has ended since."""

    tick: TickRow
    phase: str | None
    """None: the saga is not stored any more."""
    closed_at_us: int | None


@record
class OpenTicks:
    """Of one schedule: ticks whose sagas run, and ticks that wait."""

    running: tuple[TickRow, ...] = ()
    queued: tuple[TickRow, ...] = ()
    """Oldest first, both."""


@record
class AtTurn:
    """What a turn finds of one schedule beside its row."""

    running: tuple[UUID, ...] = ()
    """Sagas of its ticks that are open, that of the oldest tick first. No policy lets more than 100
    of a schedule run."""
    queued: tuple[TickRow, ...] = ()
    """Ticks that wait, oldest first."""
    ended: tuple[EndedTick, ...] = ()
    """Ticks that do not know yet that their sagas have ended or are gone, oldest first."""
    backfill: BackfillRow | None = None
    """The one that runs."""


@record
class TurnFirst:
    """Schedules that a transaction locks for their turn before its body begins, the longest due
    first. Those that another has locked are left out, and those whose turn it has taken.
    """

    seen: Sequence[ScheduleRow]
    """The schedules, as they were."""
    seen_at_us: int
    """When they were so. A wake-up that was due then, and is not any more, has had its turn."""
    limit: int
    """How many are locked at most."""
    silent_s: float
    """After so many seconds without a word PostgreSQL ends the transaction, so that it holds the
    schedules of an instance that is stopped for no longer; and after a few times as many in any
    case."""


@record
class ScheduleCounts:
    """Of one tenant."""

    active: int
    paused: int
    attention: int
    """Not deleted, and a person must look."""
    overdue: int
    """Not deleted, and no success when one was due."""
    due_since_us: int | None
    """When that tick was due that is due longest and not decided; None: none is due."""
    backfills: int = 0
    """Those that run."""
    now_us: int
