"""Calendars of schedules, short to write, and fake time zones."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo

from saga_coordinator.calendar.calendar import Calendar, calendar_of
from saga_coordinator.calendar.document import (
    CalendarDocument,
    DateRange,
    DayCalendarDocument,
    EveryDocument,
    ExcludeDocument,
)
from saga_coordinator.calendar.tick import Cursor, Tick
from saga_coordinator.calendar.timeline import Timeline
from saga_schemas.times import format_us, parse_us

EPOCH_TEXT = "1970-01-01T00:00:00Z"
ALL_DAYS = "* * * * *"


def calendar_document(
    *cron: str,
    zone: str = "UTC",
    every_s: float | None = None,
    phase: str = EPOCH_TEXT,
    intervals: Sequence[str] = (),
    dates: Sequence[str] = (),
    ranges: Sequence[tuple[str, str]] = (),
    excluded: Sequence[str] = (),
    calendars: Sequence[str] = (),
    start: str | None = None,
    end: str | None = None,
    jitter_ms: int = 0,
) -> CalendarDocument:
    """A calendar's document. `excluded`: expressions whose days are excluded."""
    return CalendarDocument(
        zone=zone,
        cron=cron,
        every=() if every_s is None else (EveryDocument(every_ms=round(every_s * 1000), phase=phase),),
        intervals=tuple(intervals),
        exclude=ExcludeDocument(
            dates=tuple(dates),
            ranges=tuple(DateRange(first=first, last=last) for first, last in ranges),
            cron=tuple(excluded),
            calendars=tuple(calendars),
        ),
        start=start,
        end=end,
        jitter_ms=jitter_ms,
    )


def day_calendar(*dates: str, ranges: Sequence[tuple[str, str]] = (), name: str = "holidays") -> DayCalendarDocument:
    found = tuple(DateRange(first=first, last=last) for first, last in ranges)
    return DayCalendarDocument(format=1, calendar=name, dates=dates, ranges=found, note="")


def calendar(document: CalendarDocument, name: str = "settlement", *days: DayCalendarDocument) -> Calendar:
    return calendar_of(document, name, {one.calendar: one for one in days})


def ticks_from(made: Calendar, begin: str, count: int, local: str | None = None) -> list[Tick]:
    """So many ticks after an instant."""
    return made.ticks(Cursor(after_us=parse_us(begin), local=local), until_us=parse_us("9000-01-01T00:00:00Z"), limit=count)


def short(at_us: int) -> str:
    """`2027-03-28T01:00:00Z`."""
    assert at_us % 1_000_000 == 0
    return f"{format_us(at_us)[:19]}Z"


class FakeZone(tzinfo):
    """A zone of one offset, and of another from an instant on."""

    def __init__(self, before_s: int, change: datetime, after_s: int) -> None:
        self._before, self._after = timedelta(seconds=before_s), timedelta(seconds=after_s)
        self._change = change.astimezone(UTC).replace(tzinfo=None)

    def fromutc(self, dt: datetime) -> datetime:
        at = dt.replace(tzinfo=None)
        return _Shown.of(at, self._before if at < self._change else self._after, self)

    def utcoffset(self, dt: datetime | None) -> timedelta:
        assert isinstance(dt, _Shown)
        return dt.offset

    def dst(self, dt: datetime | None) -> timedelta:
        return timedelta(0)

    def tzname(self, dt: datetime | None) -> str:
        return "fake"


class _Shown(datetime):
    """A wall clock that knows its offset."""

    offset: timedelta

    @classmethod
    def of(cls, at: datetime, offset: timedelta, zone: tzinfo) -> _Shown:
        shown = at + offset
        made = cls(shown.year, shown.month, shown.day, shown.hour, shown.minute, shown.second, tzinfo=zone)
        made.offset = offset
        return made


def changing(before_h: float, change: datetime, after_h: float) -> Timeline:
    """The offsets of a fake zone, in hours."""
    return Timeline(FakeZone(round(before_h * 3600), change, round(after_h * 3600)))
