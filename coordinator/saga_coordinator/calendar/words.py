"""A tick in words for people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from saga_coordinator.calendar.tick import Tick
from saga_coordinator.calendar.timeline import DAY_S, HOUR_S
from saga_coordinator.calendar.walls import parse_wall, time_text, wall_text

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_SPANS: Final = {DAY_S: "the day", HOUR_S: "the hour", HOUR_S // 2: "the half hour"}
_SECOND_US: Final = 1_000_000


def in_words(tick: Tick, zone: tzinfo, now_us: int) -> str:
    """`in 3 h, Sunday 02:30, the hour is skipped: runs 03:00`.

    The time of day is the one that the expression names, in the zone given; a day further away than
    six is a date.
    """
    wall, shown = parse_wall(tick.local), _shown(tick.at_us, zone)
    text = f"{_from_now(tick.at_us - now_us)}, {_day(wall, _shown(now_us, zone))} {time_text(wall)}"
    if tick.fixed and wall < shown:
        skipped = _SPANS.get(shown - _shown(tick.at_us - _SECOND_US, zone) - 1, "the time")
        day = "" if wall // DAY_S == shown // DAY_S else f"{_day(shown, _shown(now_us, zone))} "
        return f"{text}, {skipped} is skipped: runs {day}{time_text(shown)}"
    return f"{text}, {tick.reason}" if tick.reason else text


def _shown(at_us: int, zone: tzinfo) -> int:
    """The wall clock at an instant."""
    local = (_EPOCH + timedelta(microseconds=at_us)).astimezone(zone).replace(tzinfo=UTC)
    return (local - _EPOCH) // timedelta(seconds=1)


def _day(wall: int, now_wall: int) -> str:
    if abs(wall // DAY_S - now_wall // DAY_S) > 6:
        return wall_text(wall)[:10]
    return _WEEKDAYS[(wall // DAY_S + 3) % 7]  # the first of January 1970 was a Thursday


def _from_now(us: int) -> str:
    seconds = abs(us) // _SECOND_US
    if not seconds:
        return "now"
    for unit_s, name, least in ((DAY_S, "d", 2 * DAY_S), (HOUR_S, "h", HOUR_S), (60, "min", 60), (1, "s", 1)):
        if seconds >= least:
            span = f"{seconds // unit_s} {name}"
            break
    return f"in {span}" if us > 0 else f"{span} ago"
