"""From a calendar's document to the sources of its ticks, with all that is wrong on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Final

from saga_coordinator.calendar.cron import Cron, CronNever, CronUnread, cron_of
from saga_coordinator.calendar.document import CalendarDocument, DateRange, DayCalendarDocument, EveryDocument
from saga_coordinator.calendar.excluded import Excluded
from saga_coordinator.calendar.instants import SECOND_US, whole_seconds
from saga_coordinator.calendar.intervals import IntervalUnread, interval_of
from saga_coordinator.calendar.problem import Path, Problem
from saga_coordinator.calendar.sources import EachHour, Elapsed, FixedTimes, Source
from saga_coordinator.calendar.timeline import Timeline
from saga_coordinator.calendar.walls import Walls
from saga_coordinator.calendar.zones import ZoneUnknown, timeline_of
from saga_schemas.record_class import record

Timelines = Callable[[str], Timeline]
"""The zone of a name. Raises ZoneUnknown."""
_SECOND_MS: Final = 1_000


@record
class Built:
    """What a document is made of. With problems, the sources are those that could be read."""

    sources: tuple[tuple[Path, Source], ...]
    start_us: int | None
    end_us: int | None
    problems: tuple[Problem, ...]


def build(document: CalendarDocument, days: Mapping[str, DayCalendarDocument], timelines: Timelines = timeline_of) -> Built:
    """Read all of a document."""
    problems: list[Problem] = []
    timeline = _timeline(document.zone, timelines, problems)
    excluded = _excluded(document, days, problems)
    sources: list[tuple[Path, Source]] = []
    for place, text in enumerate(document.cron):
        cron = _cron(text, ("cron", place), problems)
        if cron is not None:
            walls = Walls(cron, excluded)
            sources.append((("cron", place), (EachHour if cron.hourly else FixedTimes)(walls, timeline)))
    for place, every in enumerate(document.every):
        elapsed = _every(every, ("every", place), excluded, timeline, problems)
        if elapsed is not None:
            sources.append((("every", place), elapsed))
    for place, text in enumerate(document.intervals):
        try:
            sources.append((("intervals", place), interval_of(text, excluded, timeline)))
        except IntervalUnread as problem:
            _add(problems, ("intervals", place), "S324", str(problem))
    if not document.cron and not document.every and not document.intervals:
        _add(problems, (), "S325", "the calendar names no tick: write `cron:`, `every:` or `interval:`")
    return Built(
        sources=tuple(sources),
        start_us=_bound(document.start, "start", problems),
        end_us=_bound(document.end, "end", problems),
        problems=tuple(problems),
    )


def excluded_ranges(
    dates: Iterable[str], ranges: Iterable[DateRange], path: Path, problems: list[Problem]
) -> list[tuple[date, date]]:
    """First and last days, both included; what is no date is a problem below the path."""
    found = []
    for place, text in enumerate(dates):
        day = _date(text, (*path, "dates", place), problems)
        if day is not None:
            found.append((day, day))
    for place, one in enumerate(ranges):
        where = (*path, "ranges", place)
        first, last = _date(one.first, (*where, "first"), problems), _date(one.last, (*where, "last"), problems)
        if first is not None and last is not None:
            if last < first:
                _add(problems, where, "S329", f"the range ends on {one.last}, before it begins on {one.first}")
            found.append((first, last))
    return found


def _add(problems: list[Problem], path: Path, code: str, message: str) -> None:
    problems.append(Problem(path=path, code=code, message=message, warning=False))


def _timeline(name: str, timelines: Timelines, problems: list[Problem]) -> Timeline:
    try:
        return timelines(name)
    except ZoneUnknown as problem:
        _add(problems, ("zone",), "S320", str(problem))
        return timeline_of("UTC")


def _cron(text: str, path: Path, problems: list[Problem]) -> Cron | None:
    try:
        return cron_of(text)
    except CronUnread as problem:
        _add(problems, path, "S321", str(problem))
    except CronNever as problem:
        _add(problems, path, "S322", str(problem))
    return None


def _excluded(document: CalendarDocument, days: Mapping[str, DayCalendarDocument], problems: list[Problem]) -> Excluded:
    exclude = document.exclude
    ranges = excluded_ranges(exclude.dates, exclude.ranges, ("exclude",), problems)
    crons = [_cron(text, ("exclude", "cron", place), problems) for place, text in enumerate(exclude.cron)]
    for place, name in enumerate(exclude.calendars):
        path = ("exclude", "calendars", place)
        if name in days:
            ranges += excluded_ranges(days[name].dates, days[name].ranges, path, problems)
        else:
            _add(problems, path, "S326", f"there is no day calendar `{name}`")
    return Excluded(ranges, [cron for cron in crons if cron is not None])


def _date(text: str, path: Path, problems: list[Problem]) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        _add(problems, path, "S327", f"`{text}` is no date: no month has such a day")
        return None


def _every(every: EveryDocument, path: Path, excluded: Excluded, timeline: Timeline, problems: list[Problem]) -> Source | None:
    step, rest = divmod(every.every_ms, _SECOND_MS)
    if rest or not step:
        _add(problems, (*path, "every"), "S328", "it is no whole number of seconds: ticks are at whole seconds")
    try:
        anchor = whole_seconds(every.phase)
    except ValueError as problem:
        _add(problems, (*path, "phase"), "S327", str(problem))
        return None
    return None if rest or not step else Elapsed(anchor, step, None, None, excluded, timeline)


def _bound(text: str | None, key: str, problems: list[Problem]) -> int | None:
    if text is None:
        return None
    try:
        return whole_seconds(text) * SECOND_US
    except ValueError as problem:
        _add(problems, (key,), "S327", str(problem))
        return None
