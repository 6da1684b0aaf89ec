"""Days on which nothing ticks."""

from __future__ import annotations

import calendar
from bisect import bisect_left
from collections.abc import Iterable
from datetime import date
from typing import Final

from saga_coordinator.calendar.cron import Cron

_MOST_KEPT: Final = 128


class Excluded:
    """Excluded days, as bits of a month. `ranges` are first and last day, both included."""

    def __init__(self, ranges: Iterable[tuple[date, date]] = (), crons: Iterable[Cron] = ()) -> None:
        self._ranges = _merged(ranges)
        self._ends = [end for _, end in self._ranges]
        self._crons = tuple(crons)
        self._masks: dict[tuple[int, int], int] = {}
        self.nothing: Final = not self._ranges and not self._crons

    def days(self, year: int, month: int) -> int:
        """The days of a month that are excluded: bit 0 is the first."""
        if self.nothing:
            return 0
        mask = self._masks.get((year, month))
        if mask is None:
            if len(self._masks) >= _MOST_KEPT:
                self._masks.clear()
            mask = self._masks[(year, month)] = self._of_ranges(year, month)
            for cron in self._crons:
                mask |= cron.days(year, month)
            self._masks[(year, month)] = mask
        return mask

    def _of_ranges(self, year: int, month: int) -> int:
        first, last = date(year, month, 1), date(year, month, calendar.monthrange(year, month)[1])
        mask = 0
        for begin, end in self._ranges[bisect_left(self._ends, first) :]:
            if begin > last:
                break
            low = begin.day if begin > first else 1
            high = end.day if end < last else last.day
            mask |= (1 << high) - (1 << low - 1)
        return mask


def _merged(ranges: Iterable[tuple[date, date]]) -> list[tuple[date, date]]:
    """In order, and none over another: thousands of holidays cost a month no more than few."""
    merged: list[tuple[date, date]] = []
    for begin, end in sorted(ranges):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged
