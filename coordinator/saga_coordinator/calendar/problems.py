"""What is wrong with a calendar. What a code means stands in `definitions/codes.py`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from saga_coordinator.calendar.building import Built, build, excluded_ranges
from saga_coordinator.calendar.calendar import Calendar
from saga_coordinator.calendar.document import CalendarDocument, DayCalendarDocument, ExcludeDocument
from saga_coordinator.calendar.instants import SECOND_US
from saga_coordinator.calendar.problem import Path, Problem
from saga_coordinator.calendar.sources import Source
from saga_coordinator.calendar.tick import Cursor
from saga_coordinator.calendar.walls import SEARCHED_YEARS
from saga_schemas.times import format_us

__all__ = ["Problem", "problems_of", "problems_of_days"]

_LOOKED_AT: Final = 100
"""Ticks of each expression that are looked at for a rate by mistake."""
_IN_A_ROW: Final = 10
_OFTEN_S: Final = 60
_NO_DAYS: Final = ExcludeDocument(dates=(), ranges=(), cron=(), calendars=())


def problems_of(document: CalendarDocument, days: Mapping[str, DayCalendarDocument], now_us: int) -> list[Problem]:
    """All that is wrong with a calendar; empty where nothing is. Paths begin in the calendar."""
    built = build(document, days)
    if built.problems:
        return list(built.problems)
    return [*_never(document, days, built, now_us), *_too_often(built, now_us)]


def problems_of_days(document: DayCalendarDocument) -> list[Problem]:
    """All that is wrong with a day calendar."""
    problems: list[Problem] = []
    excluded_ranges(document.dates, document.ranges, (), problems)
    if not document.dates and not document.ranges:
        problems.append(Problem(path=(), code="S325", message="the day calendar has no day", warning=False))
    return problems


def _never(document: CalendarDocument, days: Mapping[str, DayCalendarDocument], built: Built, now_us: int) -> Iterator[Problem]:
    if built.start_us is not None and built.end_us is not None and built.end_us <= built.start_us:
        yield _of_never(("end",), f"it never ticks: its end, {document.end}, is not after its start, {document.start}")
        return
    if built.end_us is not None and built.end_us <= now_us:
        yield _of_never(("end",), f"it never ticks again: its end, {document.end}, is past")
        return
    silent = [place for place, one in enumerate(built.sources) if _first(built, (one[1],), now_us) is None]
    free = build(document.model_copy(update={"exclude": _NO_DAYS}), days) if silent else built
    for place in silent:
        path, source = free.sources[place]
        if source.next(_after(built, now_us), None) is None:
            yield _of_never(path, f"it never ticks: not within {SEARCHED_YEARS} years")
        elif _first(free, (source,), now_us) is None:
            yield _of_never(path, "it never ticks between the calendar's start and its end")
        else:
            yield _of_never(path, "it never ticks: each of its days is excluded")


def _of_never(path: Path, message: str) -> Problem:
    return Problem(path=path, code="S322", message=message, warning=False)


def _after(built: Built, now_us: int) -> int:
    return max(now_us, (built.start_us or now_us) - 1) // SECOND_US


def _calendar(built: Built, sources: tuple[Source, ...]) -> Calendar:
    return Calendar(name="", sources=sources, start_us=built.start_us, end_us=built.end_us, jitter_ms=0)


def _first(built: Built, sources: tuple[Source, ...], now_us: int) -> object:
    return _calendar(built, sources).next(Cursor(after_us=now_us))


def _too_often(built: Built, now_us: int) -> Iterator[Problem]:
    """By each source, else by all together."""
    found = False
    for path, source in built.sources:
        rate = _rate(_calendar(built, (source,)), now_us)
        if rate:
            found = True
            yield Problem(path=path, code="S323", message=rate, warning=True)
    rate = None if found else _rate(_calendar(built, tuple(source for _, source in built.sources)), now_us)
    if rate:
        yield Problem(path=(), code="S323", message=rate, warning=True)


def _rate(calendar: Calendar, now_us: int) -> str | None:
    """What to say where ten ticks come within less than ten minutes."""
    begin = calendar.next(Cursor(after_us=now_us))
    if begin is None:
        return None
    until_us = begin.at_us + _LOOKED_AT * _OFTEN_S * SECOND_US
    ticks = calendar.ticks(Cursor(after_us=begin.at_us - 1), until_us=until_us, limit=_LOOKED_AT)
    for first, last in zip(ticks, ticks[_IN_A_ROW:], strict=False):
        lasts = (last.at_us - first.at_us) // SECOND_US
        if lasts < _IN_A_ROW * _OFTEN_S:
            each = "second" if lasts == _IN_A_ROW else f"{lasts / _IN_A_ROW:g} seconds"
            return f"it ticks every {each} from {format_us(first.at_us)[:19]}Z on: more often than once a minute"
    return None
