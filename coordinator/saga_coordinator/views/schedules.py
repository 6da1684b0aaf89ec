"""The views of schedules: what a person or a program reads of them, and of what they will do.

Ticks that were decided, backfills and versions are in `views/ticks.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, Final

from saga_coordinator.calendar.calendar import calendar_of
from saga_coordinator.calendar.document import CalendarDocument, DayCalendarDocument
from saga_coordinator.calendar.problem import CalendarInvalid
from saga_coordinator.calendar.tick import Cursor, Tick
from saga_coordinator.calendar.words import in_words
from saga_coordinator.calendar.zones import ZoneUnknown, tzdata_version, zone
from saga_coordinator.definitions.document import DocumentInvalid
from saga_coordinator.definitions.fields import duration_text
from saga_coordinator.schedules.document import ScheduleDocument
from saga_coordinator.schedules.source import source_of
from saga_coordinator.schedules.tick_names import tick_text
from saga_coordinator.schedules.words import Need, needs
from saga_coordinator.store.schedule_records import DayCalendarRow, OpenTicks, ScheduleRow, ScheduleStatus
from saga_coordinator.views.schedule_file import file_of
from saga_coordinator.views.ticks import TickView, maybe_time, tick_view
from saga_schemas.times import format_us

DaysByName = Mapping[str, DayCalendarDocument]
"""The calendars of days that are stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NextTickView:
    """A tick that is to come."""

    tick: str
    """Its name: the instant in UTC."""
    due_at: str
    """The same with its jitter."""
    local: str
    """The wall clock that its expression names, in the calendar's zone: `2027-03-28T02:30:00`."""
    odd: str | None
    """What is odd about it, such as an hour that is skipped."""
    words: str
    """`in 3 h, Sunday 02:30, the hour is skipped: runs 03:00`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TickCountsView:
    """Ticks of the schedule since it was created, by what became of them."""

    fired: int
    queued: int
    """Those that waited first; they are counted once more by what became of them then."""
    skipped: int
    missed: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PausedScheduleView:
    """Who paused it, and why."""

    at: str
    actor: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedView:
    """Why a person should look at it."""

    code: str
    since: str
    sentence: str
    note: str
    way_out: str
    command: str
    """What may help, in a terminal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleHealthView:
    """How its sagas end."""

    failures: int
    """Sagas that ended COMPENSATED or FORCED, in a row up to now."""
    pause_after_failures: int | None
    """So many in a row pause it."""
    succeeded_at: str | None
    """When a saga of it last COMPLETED."""
    success_due_at: str | None
    """Without another success by then an alert stands; none: nothing is expected."""
    overdue: bool
    """No success came by then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleLine:
    """A schedule in a list."""

    name: str
    status: str
    """`active`, `paused`, `ended` or `deleted`."""
    version: int
    definition: str
    definition_version: int | None
    """None: the version that is active at the tick."""
    zone: str
    calendar: tuple[str, ...]
    """Its expressions: `30 2 * * *`, `every 90s`, `R/2027-01-01T00:00:00Z/PT1H`."""
    next: NextTickView | None
    """None: it is not active, or nothing comes any more."""
    previous: str | None
    """The last tick that fired."""
    counts: TickCountsView
    running: int
    """Its sagas that are open."""
    waiting: int
    """Its ticks that are queued."""
    paused: PausedScheduleView | None
    needs: tuple[NeedView, ...]
    """Why a person should look at it, the worst first."""
    note: str
    changed_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleView(ScheduleLine):
    """One schedule."""

    id: str
    health: ScheduleHealthView
    coming: tuple[NextTickView, ...]
    """Its next ticks; of one that is paused, those that are not decided yet."""
    open: tuple[TickView, ...]
    """Ticks whose sagas run, oldest first."""
    queued: tuple[TickView, ...]
    """Ticks that wait, oldest first."""
    runs_left: int | None
    """Ticks that may still fire, of those that `runs` allows."""
    document: dict[str, Any]
    """In the shape of its file, with every default written out."""
    file: str
    """The same as YAML."""
    tzdata: str
    """The release of the time zones."""
    created_at: str
    ticks_from: str | None
    """Ticks before then are not on record any more: they cannot be backfilled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayCalendarView:
    """A stored calendar of days, such as holidays."""

    name: str
    version: int
    dates: tuple[str, ...]
    ranges: tuple[tuple[str, str], ...]
    """First and last day of each, both included."""
    note: str
    actor: str
    """Who put this version, and why."""
    reason: str
    at: str


def schedule_line(row: ScheduleRow, open_ticks: OpenTicks, days: DaysByName, now_us: int) -> ScheduleLine:
    """A schedule in a list; of one that a later release wrote, what its row says."""
    try:
        document = ScheduleDocument.parse(row.document)
    except DocumentInvalid:
        return ScheduleLine(**_row_line(row, open_ticks, now_us), **_UNREADABLE)
    return ScheduleLine(**_line(row, document, open_ticks, days, now_us))


def schedule_view(row: ScheduleRow, open_ticks: OpenTicks, coming: Sequence[Tick], days: DaysByName, now_us: int) -> ScheduleView:
    """All that there is to show of one; `coming` are its next ticks. Raises DocumentInvalid."""
    document = ScheduleDocument.parse(row.document)
    return ScheduleView(
        **_line(row, document, open_ticks, days, now_us),
        id=str(row.id),
        health=_health(row, document, now_us),
        coming=next_tick_views(coming, document.calendar, now_us),
        open=tuple(map(tick_view, open_ticks.running)),
        queued=tuple(map(tick_view, open_ticks.queued)),
        runs_left=None if document.runs is None else max(0, document.runs - row.runs),
        document=source_of(document),
        file=file_of(document),
        tzdata=tzdata_version(),
        created_at=format_us(row.created_at_us),
        ticks_from=maybe_time(row.ticks_from_us or None),
    )


def next_tick_views(ticks: Sequence[Tick], calendar: CalendarDocument, now_us: int) -> tuple[NextTickView, ...]:
    """Ticks that are to come, by the clock of their calendar."""
    if (found := _zone(calendar)) is None:
        return ()
    return tuple(_next_tick(tick, found, now_us) for tick in ticks)


def day_calendar_view(row: DayCalendarRow) -> DayCalendarView:
    document = DayCalendarDocument.model_validate_json(row.document)
    return DayCalendarView(
        name=row.name,
        version=row.version,
        dates=document.dates,
        ranges=tuple((one.first, one.last) for one in document.ranges),
        note=document.note,
        actor=row.who,
        reason=row.why,
        at=format_us(row.at_us),
    )


def expressions(calendar: CalendarDocument) -> tuple[str, ...]:
    """What names its ticks, as people write it."""
    elapsed = (f"every {duration_text(one.every_ms)}" for one in calendar.every)
    return (*calendar.cron, *elapsed, *calendar.intervals)


def next_tick_of(row: ScheduleRow, calendar: CalendarDocument, days: DaysByName) -> Tick | None:
    """The tick that a schedule waits for, with what is odd about it; None where none comes.

    A row knows the instant only; the calendar knows the rest. Where it does not name that instant
    (any more), the instant is shown without more.
    """
    if row.status != ScheduleStatus.ACTIVE or row.next_at_us is None:
        return None
    cursor = Cursor(after_us=row.next_at_us - 1, local=row.cursor_local)
    try:
        found = calendar_of(calendar, row.name, days).next(cursor)
    except CalendarInvalid:
        found = None
    if found is not None and found.at_us == row.next_at_us:
        return found
    fire_at_us = row.next_at_us if row.fire_at_us is None else row.fire_at_us
    return Tick(at_us=row.next_at_us, local=format_us(row.next_at_us)[:19], fixed=False, fire_at_us=fire_at_us)


# --- parts ----------------------------------------------------------------------------------------


_UNREADABLE: Final[Mapping[str, Any]] = {
    "definition": "",
    "definition_version": None,
    "zone": "",
    "calendar": (),
    "next": None,
    "note": "A later release wrote this schedule: ask an instance of that release.",
}


def _line(row: ScheduleRow, document: ScheduleDocument, open_ticks: OpenTicks, days: DaysByName, now_us: int) -> dict[str, Any]:
    """The fields of a ScheduleLine."""
    tick = next_tick_of(row, document.calendar, days)
    coming = () if tick is None else next_tick_views([tick], document.calendar, now_us)
    return {
        **_row_line(row, open_ticks, now_us),
        "definition": document.definition,
        "definition_version": document.definition_version,
        "zone": document.calendar.zone,
        "calendar": expressions(document.calendar),
        "next": coming[0] if coming else None,
        "note": document.note,
    }


def _row_line(row: ScheduleRow, open_ticks: OpenTicks, now_us: int) -> dict[str, Any]:
    """Those of its fields that its row says."""
    counted = TickCountsView(fired=row.fired, queued=row.queued, skipped=row.skipped, missed=row.missed, failed=row.failed)
    return {
        "name": row.name,
        "status": row.status,
        "version": row.version,
        "previous": None if row.previous_us is None else tick_text(row.previous_us),
        "counts": counted,
        "running": len(open_ticks.running),
        "waiting": len(open_ticks.queued),
        "paused": _paused(row),
        "needs": tuple(_need(one) for one in needs(row, now_us)),
        "changed_at": format_us(row.changed_at_us),
    }


def _next_tick(tick: Tick, of: tzinfo, now_us: int) -> NextTickView:
    return NextTickView(
        tick=tick_text(tick.at_us),
        due_at=format_us(tick.fire_at_us),
        local=tick.local,
        odd=tick.reason,
        words=in_words(tick, of, now_us),
    )


def _zone(calendar: CalendarDocument) -> tzinfo | None:
    """None where this release does not know it any more; attention says so."""
    try:
        return zone(calendar.zone)
    except ZoneUnknown:
        return None


def _paused(row: ScheduleRow) -> PausedScheduleView | None:
    if row.paused_at_us is None:
        return None
    return PausedScheduleView(at=format_us(row.paused_at_us), actor=row.paused_by or "", reason=row.paused_why or "")


def _need(need: Need) -> NeedView:
    return NeedView(
        code=need.code,
        since=format_us(need.since_us),
        sentence=need.sentence,
        note=need.note,
        way_out=need.way_out,
        command=need.command,
    )


def _health(row: ScheduleRow, document: ScheduleDocument, now_us: int) -> ScheduleHealthView:
    return ScheduleHealthView(
        failures=row.failures,
        pause_after_failures=document.pause_after_failures,
        succeeded_at=maybe_time(row.succeeded_at_us),
        success_due_at=maybe_time(row.success_due_at_us),
        overdue=row.success_due_at_us is not None and row.success_due_at_us <= now_us,
    )
