"""ISO 8601 repeating intervals: `R/start/duration`, `Rn/start/end`, `R/duration/end`.

They tick at the beginning of each interval; `Rn` has n of them. One that is given by its end counts
back from there: its last interval ends then. Weeks, days and smaller units are elapsed time. Months
and years go by the calendar, in the schedule's zone.
"""

from __future__ import annotations

import re
from typing import Final

from saga_coordinator.calendar.excluded import Excluded
from saga_coordinator.calendar.instants import whole_seconds
from saga_coordinator.calendar.sources import Elapsed, Months, Source
from saga_coordinator.calendar.timeline import DAY_S, HOUR_S, Timeline
from saga_coordinator.calendar.walls import SEARCHED_YEARS

_DURATION: Final = re.compile(
    r"(?a:P(?=\d|T)(?:(\d{1,5})Y)?(?:(\d{1,5})M)?(?:(\d{1,5})W)?(?:(\d{1,5})D)?"
    r"(?:T(?=\d)(?:(\d{1,7})H)?(?:(\d{1,9})M)?(?:(\d{1,9})S)?)?)"
)
_REPEATS: Final = re.compile(r"(?a:R(\d{0,9}))")
_LONGEST_S: Final = SEARCHED_YEARS * 366 * DAY_S
_FORM: Final = "write R/2027-01-01T00:00:00Z/PT1H, or R5/… for five of them"


class IntervalUnread(ValueError):
    """This is no repeating interval; the message says what to write."""


def interval_of(text: str, excluded: Excluded, timeline: Timeline) -> Source:
    """Read a repeating interval. Raises IntervalUnread."""
    parts = text.split("/")
    repeats = _REPEATS.fullmatch(parts[0])
    if len(parts) != 3 or repeats is None:
        raise IntervalUnread(f"`{text}` is no repeating interval: {_FORM}")
    count = int(repeats[1]) if repeats[1] else None
    if count == 0:
        raise IntervalUnread(f"`{text}` repeats not once: {_FORM}")
    backward = parts[1].startswith("P")
    if backward and parts[2].startswith("P"):
        raise IntervalUnread(f"`{text}` has neither a start nor an end: {_FORM}")
    anchor = _instant(text, parts[2] if backward else parts[1])
    first, last = (None if count is None else -count, -1) if backward else (0, None if count is None else count - 1)
    if not backward and not parts[2].startswith("P"):
        months, seconds = 0, _instant(text, parts[2]) - anchor
    else:
        months, seconds = _duration(text, parts[1] if backward else parts[2])
    if months * 28 * DAY_S + seconds < 1:
        raise IntervalUnread(f"`{text}` lasts no second: {_FORM}")
    if months * 31 * DAY_S + seconds > _LONGEST_S:
        raise IntervalUnread(f"`{text}`: an interval lasts at most {SEARCHED_YEARS} years")
    if not months:
        return Elapsed(anchor, seconds, first, last, excluded, timeline)
    return Months(anchor + timeline.offset(anchor), months, seconds, first, last, excluded, timeline)


def _instant(text: str, part: str) -> int:
    try:
        return whole_seconds(part)
    except ValueError as problem:
        raise IntervalUnread(f"`{text}`: {problem}") from None


def _duration(text: str, part: str) -> tuple[int, int]:
    """Months and seconds."""
    match = _DURATION.fullmatch(part)
    if match is None:
        raise IntervalUnread(f"`{text}`: `{part}` is no duration: write whole numbers, as in P1M, P7D or PT1H30M")
    years, months, weeks, days, hours, minutes, seconds = (int(group or 0) for group in match.groups())
    return years * 12 + months, (weeks * 7 + days) * DAY_S + hours * HOUR_S + minutes * 60 + seconds
