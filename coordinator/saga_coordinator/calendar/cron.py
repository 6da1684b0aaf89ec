"""Cron expressions. The library cronsim reads them; here is what it lacks, and which days and times
they name. Its own reckoning, with its own rules about clock changes, is not used.
"""

from __future__ import annotations

import calendar
import re
from bisect import bisect_left
from datetime import datetime
from functools import lru_cache
from typing import Final

from cronsim import CronSim, CronSimError

from saga_coordinator.calendar.timeline import HOUR_S

NICKNAMES: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_FIELDS: Final = ("second", "minute", "hour", "day of month", "month", "day of week")
_MAY_BE: Final = (
    "0 to 59",
    "0 to 59",
    "0 to 23",
    "1 to 31, L, L-3, 15W or LW",
    "1 to 12 or JAN to DEC",
    "0 to 7 or SUN to SAT, 5L, or MON#2",
)
_DAY: Final = 3
_ANY: Final = datetime(2000, 1, 1)
_NEAREST: Final = re.compile(r"(?a:(\d{1,2})W)")
_BEFORE_LAST: Final = re.compile(r"(?a:L-(\d{1,2}))")
_SHOWN_CHARS: Final = 40
_SATURDAY: Final = 5
_SUNDAY: Final = 6


class CronUnread(ValueError):
    """This is no cron expression; the message names the field and what it may be."""


class CronNever(ValueError):
    """This is a cron expression, and no calendar has such a day."""


class Cron:
    """One expression. Times are seconds of a day, days are bits of a month."""

    def __init__(self, read: CronSim, *, days_both: bool, nearest: frozenset[int], before_last: frozenset[int]) -> None:
        self._hours = sorted(read.hours)
        self._minutes = sorted(read.minutes)
        self._seconds = sorted(read.seconds)
        self._days = frozenset(read.days)
        self._months = frozenset(read.months)
        self._weekdays = frozenset(read.weekdays)
        self._days_both = days_both
        self._nearest = nearest
        self._before_last = before_last
        self._masks: dict[tuple[int, int, int], int] = {}
        self.hourly: Final = len(self._hours) == 24
        """It ticks in each hour that there is. Any other expression is fixed to times of day."""
        self.first_time: Final = self._hours[0] * HOUR_S + self._minutes[0] * 60 + self._seconds[0]

    def next_time(self, second: int) -> int | None:
        """The first time of a day at or after this one."""
        hour, rest = divmod(second, HOUR_S)
        minute, second = divmod(rest, 60)
        place = bisect_left(self._hours, hour)
        if place == len(self._hours):
            return None
        if self._hours[place] == hour:
            in_hour = self._in_hour(minute, second)
            if in_hour is not None:
                return hour * HOUR_S + in_hour
            place += 1
            if place == len(self._hours):
                return None
        return self._hours[place] * HOUR_S + self._minutes[0] * 60 + self._seconds[0]

    def _in_hour(self, minute: int, second: int) -> int | None:
        place = bisect_left(self._minutes, minute)
        if place == len(self._minutes):
            return None
        if self._minutes[place] == minute:
            at = bisect_left(self._seconds, second)
            if at < len(self._seconds):
                return minute * 60 + self._seconds[at]
            place += 1
            if place == len(self._minutes):
                return None
        return self._minutes[place] * 60 + self._seconds[0]

    def days(self, year: int, month: int) -> int:
        """The days of a month on which it ticks: bit 0 is the first."""
        if month not in self._months:
            return 0
        weekday, length = calendar.monthrange(year, month)
        key = (month, weekday, length)
        mask = self._masks.get(key)
        if mask is None:
            of_month, of_week = self._of_month(weekday, length), self._of_week(weekday, length)
            mask = self._masks[key] = of_month & of_week if self._days_both else of_month | of_week
        return mask

    def _of_month(self, weekday: int, length: int) -> int:
        days = {day for day in self._days if 1 <= day <= length}
        days |= {length - back for back in self._before_last if back < length}
        days |= {_working_day(day, weekday, length) for day in self._nearest if day <= length}
        if CronSim.LAST in self._days:
            days.add(length)
        if CronSim.LAST_WEEKDAY in self._days:
            days.add(_working_day(length, weekday, length))
        return sum(1 << day - 1 for day in days)

    def _of_week(self, weekday: int, length: int) -> int:
        mask = 0
        for day in range(1, length + 1):
            of_week = (weekday + day) % 7  # 0 is Sunday, as in cron
            names = (of_week, 7) if of_week == 0 else (of_week,)
            place = (day + 6) // 7
            last = day + 7 > length
            if any(
                name in self._weekdays or (name, place) in self._weekdays or (last and (name, CronSim.LAST) in self._weekdays)
                for name in names
            ):
                mask |= 1 << day - 1
        return mask


def _working_day(day: int, first_weekday: int, length: int) -> int:
    """The day of Monday to Friday that is nearest, in the same month."""
    weekday = (first_weekday + day - 1) % 7
    if weekday == _SATURDAY:
        return day - 1 if day > 1 else day + 2
    if weekday == _SUNDAY:
        return day + 1 if day < length else day - 2
    return day


@lru_cache(maxsize=4096)
def cron_of(text: str) -> Cron:
    """Read an expression of five fields, of six with seconds first, or a nickname.

    Raises CronUnread, and CronNever for a date that no month has.
    """
    fields = _fields(text)
    terms = fields[_DAY].split(",")
    nearest = frozenset(_number(text, match) for term in terms if (match := _NEAREST.fullmatch(term)))
    before_last = frozenset(int(match[1]) for term in terms if (match := _BEFORE_LAST.fullmatch(term)))
    plain = [term for term in terms if not _NEAREST.fullmatch(term) and not _BEFORE_LAST.fullmatch(term)]
    read = _read(text, [*fields[:_DAY], ",".join(plain) or "1", *fields[_DAY + 1 :]])
    if not plain:
        read.days = set()
    days_both = fields[_DAY].startswith("*") or fields[5].startswith("*")
    return Cron(read, days_both=days_both, nearest=nearest, before_last=before_last)


def _fields(text: str) -> list[str]:
    shown = text[:_SHOWN_CHARS]
    fields = NICKNAMES.get(text.strip().lower(), text).upper().split()
    if fields and fields[0].startswith("@"):
        what = "write `every:` instead" if fields[0] == "@EVERY" else f"there are {', '.join(NICKNAMES)}"
        raise CronUnread(f"`{shown}` is no nickname of an expression: {what}")
    if len(fields) not in (5, 6):
        raise CronUnread(f"`{shown}` has {len(fields)} fields: write five, or six with seconds first")
    return fields if len(fields) == 6 else ["0", *fields]


def _number(text: str, match: re.Match[str]) -> int:
    day = int(match[1])
    if not 1 <= day <= 31:
        raise CronUnread(_unread(text, _DAY, match[0]))
    return day


def _read(text: str, fields: list[str]) -> CronSim:
    try:
        return CronSim(" ".join(fields), _ANY)
    except CronSimError:
        pass
    for place, field in enumerate(fields):
        alone = ["*"] * 6
        alone[place] = field
        try:
            CronSim(" ".join(alone), _ANY)
        except CronSimError:
            raise CronUnread(_unread(text, place, field)) from None
    raise CronNever(f"`{text[:_SHOWN_CHARS]}` never ticks: none of its months has such a day")


def _unread(text: str, place: int, field: str) -> str:
    spelled = text.split()
    number = place if len(spelled) == 5 else place + 1
    where = f"field {number}, {_FIELDS[place]}, `{field[:_SHOWN_CHARS]}`"
    upward = "; a range goes upward" if "-" in field else ""
    return f"`{text[:_SHOWN_CHARS]}`: {where}: write {_MAY_BE[place]}, lists, ranges or steps of it{upward}"
