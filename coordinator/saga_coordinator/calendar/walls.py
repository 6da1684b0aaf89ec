"""Wall clocks: numbers of seconds as `timeline` has them, and the next one on a day that counts."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final, Protocol

from saga_coordinator.calendar.cron import Cron
from saga_coordinator.calendar.excluded import Excluded
from saga_coordinator.calendar.timeline import DAY_S

SEARCHED_YEARS: Final = 50
"""A search ends there: what does not tick by then, never does."""
SEARCHED_S: Final = SEARCHED_YEARS * 366 * DAY_S
_EPOCH: Final = datetime(1970, 1, 1)
_EPOCH_ORDINAL: Final = _EPOCH.toordinal()
_SECOND: Final = timedelta(seconds=1)


class _Days(Protocol):
    def days(self, year: int, month: int) -> int: ...


def wall_text(wall: int) -> str:
    """`2027-03-28T02:30:00`."""
    return (_EPOCH + timedelta(seconds=wall)).isoformat()


def parse_wall(text: str) -> int:
    """The other way. Raises ValueError."""
    return (datetime.fromisoformat(text) - _EPOCH) // _SECOND


def wall_of(day: date, second: int = 0) -> int:
    """The wall clock of a time of a day."""
    return (day.toordinal() - _EPOCH_ORDINAL) * DAY_S + second


def day_of(wall: int) -> date:
    """The day that a wall clock shows."""
    return date.fromordinal(wall // DAY_S + _EPOCH_ORDINAL)


def time_text(wall: int) -> str:
    """`02:30`, or `02:30:15` where there are seconds."""
    text = wall_text(wall)[11:]
    return text[:5] if text.endswith(":00") else text


class Walls:
    """The wall clocks that an expression names, but for those of excluded days."""

    def __init__(self, cron: Cron, excluded: Excluded) -> None:
        self._cron = cron
        self._excluded = excluded

    def next(self, wall: int) -> int | None:
        """The first at or after this one; None where there is none within SEARCHED_YEARS."""
        day, second = divmod(wall, DAY_S)
        if self._counts(day):
            time = self._cron.next_time(second)
            if time is not None:
                return day * DAY_S + time
        following = next_day(day + 1, self._cron, self._excluded)
        return None if following is None else following * DAY_S + self._cron.first_time

    def _counts(self, day: int) -> bool:
        today = date.fromordinal(day + _EPOCH_ORDINAL)
        mask = self._cron.days(today.year, today.month) & ~self._excluded.days(today.year, today.month)
        return bool(mask >> today.day - 1 & 1)


def next_day(day: int, included: _Days | None, excluded: Excluded) -> int | None:
    """The first day at or after this one that counts, in days since 1970; None where there is none
    within SEARCHED_YEARS. `included` None: every day is."""
    begin = date.fromordinal(day + _EPOCH_ORDINAL)
    year, month, first, skipped = begin.year, begin.month, day, begin.day - 1
    while first - day <= SEARCHED_YEARS * 366:
        mask = -1 if included is None else included.days(year, month)
        if mask:
            length = _length(year, month)
            mask = (mask & (1 << length) - 1 & ~excluded.days(year, month)) >> skipped
        if mask:
            return first + (mask & -mask).bit_length() - 1
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
        first, skipped = date(year, month, 1).toordinal() - _EPOCH_ORDINAL, 0
    return None


def _length(year: int, month: int) -> int:
    following = date(year, month + 1, 1) if month < 12 else date(year + 1, 1, 1)
    return following.toordinal() - date(year, month, 1).toordinal()
