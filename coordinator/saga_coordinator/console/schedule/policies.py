"""What a schedule's document says, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final, get_args

from cronsim import CronSim, CronSimError

from saga_coordinator.calendar.cron import NICKNAMES
from saga_coordinator.calendar.document import CalendarDocument, ExcludeDocument
from saga_coordinator.console.formatting import number
from saga_coordinator.definitions.fields import duration_text
from saga_coordinator.schedules.document import MissedDocument, OverlapDocument, OverlapPolicy

OVERLAPS: Final[tuple[str, ...]] = get_args(OverlapPolicy)
LIMITED: Final = ("queue_all", "allow")
"""Policies with a number of their own."""
_OVERLAP_WORDS: Final[Mapping[str, str]] = {
    "skip": "a tick is skipped while a saga of it is open",
    "queue_one": "one tick waits for the open saga to end, the newest",
    "queue_all": "ticks wait for the open saga to end, {} at most",
    "allow": "up to {} sagas of it run at a time",
    "cancel_other": "the open saga is cancelled, then the tick runs",
    "terminate_other": "the open saga is terminated, then the tick runs",
}
_MISSED_WORDS: Final[Mapping[str, str]] = {
    "skip": "none of them runs",
    "run_one": "the latest of them runs",
    "run_all": "all of them run, oldest first",
}
_SHOWN: Final = 3
_ANY: Final = datetime(2000, 1, 1)


def overlap_words(overlap: OverlapDocument) -> str:
    return _OVERLAP_WORDS[overlap.policy].format(overlap.limit)


def overlap_text(policy: str, limit: str) -> str:
    """`policy` or `policy:limit`, of two fields of a form."""
    return f"{policy}:{limit}" if policy in LIMITED and limit else policy


def missed_words(missed: MissedDocument) -> str:
    late, window = duration_text(missed.grace_ms), duration_text(missed.window_ms)
    within = "" if missed.policy == "skip" else f", if they are no older than {window}"
    return f"of ticks that are decided more than {late} late {_MISSED_WORDS[missed.policy]}{within}"


def calendar_words(calendar: CalendarDocument) -> str:
    """When it ticks, in a line: `at 02:30 every day, Europe/Berlin; not on german-holidays`."""
    return "; ".join(_parts(calendar))


def cron_words(expression: str) -> str:
    """`at 02:30 every day`; the expression itself where nobody has words for it."""
    try:
        words = CronSim(NICKNAMES.get(expression.strip().lower(), expression).upper(), _ANY).explain()
    except CronSimError:
        return expression
    return words[:1].lower() + words[1:]


def _parts(calendar: CalendarDocument) -> Iterator[str]:
    if calendar.cron:
        yield f"{_some(tuple(map(cron_words, calendar.cron[:_SHOWN])), len(calendar.cron))}, {calendar.zone}"
    for one in calendar.every[:_SHOWN]:
        yield f"every {duration_text(one.every_ms)}, counted from {one.phase}"
    if calendar.intervals:
        yield _some(calendar.intervals[:_SHOWN], len(calendar.intervals))
    excluded = list(_excluded(calendar.exclude))
    if excluded:
        yield f"not on {', '.join(excluded)}"
    if calendar.start:
        yield f"from {calendar.start}"
    if calendar.end:
        yield f"before {calendar.end}"
    if calendar.jitter_ms:
        yield f"up to {duration_text(calendar.jitter_ms)} later"


def _excluded(exclude: ExcludeDocument) -> Iterator[str]:
    yield from exclude.calendars[:_SHOWN]
    days = [*exclude.dates, *(f"{one.first} to {one.last}" for one in exclude.ranges)]
    if len(days) <= _SHOWN:
        yield from days
    else:
        yield f"{number(len(days))} days and ranges"
    yield from (f"days of {expression}" for expression in exclude.cron[:_SHOWN])


def _some(shown: tuple[str, ...], count: int) -> str:
    """The first few of so many."""
    said = " and ".join(shown)
    return said if count == len(shown) else f"{said} and {count - len(shown)} more"
