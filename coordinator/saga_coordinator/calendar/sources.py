"""What names ticks: fixed and hourly expressions, elapsed intervals, intervals of months.

Each source gives its next tick after an instant, in whole seconds. Its search is bounded.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from saga_coordinator.calendar.excluded import Excluded
from saga_coordinator.calendar.timeline import DAY_S, LAST_S, Timeline
from saga_coordinator.calendar.walls import SEARCHED_S, Walls, day_of, next_day, time_text, wall_text

_MONTH_S: Final = 2_629_746
"""A month's mean length."""
_LAST_YEAR: Final = 9_800


class Named(NamedTuple):
    """A tick as one source names it."""

    at: int
    """The instant, in seconds since 1970."""
    wall: int
    """What its expression names; of several the last."""
    fixed: bool
    reason: str | None


class Source(Protocol):
    """One expression or interval of a calendar."""

    def next(self, after: int, decided: int | None) -> Named | None:
        """The first tick after an instant. `decided`: the wall clock up to which fixed ticks are
        decided. None: there is none, or none within SEARCHED_YEARS."""


@dataclass(frozen=True, slots=True)
class FixedTimes:
    """A cron expression with times of the day.

    Each wall clock that it names ticks once: at the first instant that shows it, or at the end of
    the gap that skips it.
    """

    walls: Walls
    timeline: Timeline

    def next(self, after: int, decided: int | None) -> Named | None:
        reached = self.timeline.reached(after)
        wall = self.walls.next((reached if decided is None else max(reached, decided)) + 1)
        if wall is None:
            return None
        at = self.timeline.first_instant(wall)
        shown = at + self.timeline.offset(at)
        if shown != wall:
            return self._after_gap(wall, at, shown)
        twice = self.timeline.comes_again(wall, at)
        reason = f"{time_text(wall)} comes twice on this day: it runs once, at the first" if twice else None
        return Named(at, wall, True, reason)

    def _after_gap(self, wall: int, at: int, shown: int) -> Named:
        skipped, last = [], wall
        following: int | None = wall
        while following is not None and following <= shown:
            if following < shown:
                skipped.append(following)
            last = following
            following = self.walls.next(following + 1)
        return Named(at, last, True, _gap_words(skipped, shown, with_end=last == shown))


@dataclass(frozen=True, slots=True)
class EachHour:
    """A cron expression that ticks in every hour: at each instant whose wall clock it names."""

    walls: Walls
    timeline: Timeline

    def next(self, after: int, decided: int | None) -> Named | None:
        at = after + 1
        while at <= after + SEARCHED_S:
            offset, until = self.timeline.span(at)
            wall = self.walls.next(at + offset)
            if wall is None:
                return None
            if wall - offset < until:
                return Named(wall - offset, wall, False, self._reason(wall - offset, wall))
            at = until
        return None

    def _reason(self, at: int, wall: int) -> str | None:
        if self.timeline.first_instant(wall) < at:
            return f"{time_text(wall)} comes twice on this day: this is the second"
        before = self.timeline.offset(at - 1)
        if at + before < wall:
            return f"the clock goes from {time_text(at + before)} to {time_text(wall)}"
        if self.timeline.comes_again(wall, at):
            return f"{time_text(wall)} comes twice on this day: this is the first"
        return None


@dataclass(frozen=True, slots=True)
class Elapsed:
    """An instant, and whole steps before and after it."""

    anchor: int
    step: int
    """In seconds."""
    first: int | None
    """The number of the first step, from the anchor; None: there is no first."""
    last: int | None
    excluded: Excluded
    timeline: Timeline

    def next(self, after: int, decided: int | None) -> Named | None:
        end = None
        while True:
            at = self._following(after)
            end = at + SEARCHED_S if end is None and at is not None else end
            if at is None or end is None or at > min(end, LAST_S):
                return None
            wall = at + self.timeline.offset(at)
            if not _is_excluded(wall, self.excluded):
                return Named(at, wall, False, None)
            day = next_day(wall // DAY_S, None, self.excluded)
            if day is None:
                return None
            # A clock that is set back may show a day that counts before the next one begins.
            after = max(at, min(self.timeline.first_instant(day * DAY_S), self.timeline.span(at)[1]) - 1)

    def _following(self, after: int) -> int | None:
        number = (after - self.anchor) // self.step + 1
        if self.first is not None:
            number = max(number, self.first)
        if self.last is not None and number > self.last:
            return None
        return self.anchor + number * self.step


@dataclass(frozen=True, slots=True)
class Months:
    """A wall clock, and whole numbers of months before and after it, each with so many seconds
    besides. A day that a month does not have is its last."""

    anchor: int
    """A wall clock."""
    months: int
    seconds: int
    first: int | None
    """The number of the first step, from the anchor; None: there is no first."""
    last: int | None
    excluded: Excluded
    timeline: Timeline

    def next(self, after: int, decided: int | None) -> Named | None:
        number = (after - self.anchor) // (self.months * _MONTH_S + self.seconds) - 2
        if self.first is not None:
            number = max(number, self.first)
        end = None
        fixed = self.seconds == 0
        while self.last is None or number <= self.last:
            wall = self._wall(number)
            if wall is None:
                return None
            at = self.timeline.first_instant(wall) + number * self.seconds
            shown = at + self.timeline.offset(at)
            if at > after:
                end = at + SEARCHED_S if end is None else end
                if at > min(end, LAST_S):
                    return None
                named = wall if fixed else shown
                past = fixed and decided is not None and wall <= decided
                if not past and not _is_excluded(named, self.excluded):
                    return Named(at, named, fixed, self._reason(wall, at, shown) if fixed else None)
            number += 1
        return None

    def _wall(self, number: int) -> int | None:
        begin = day_of(self.anchor)
        year, month = divmod(begin.year * 12 + begin.month - 1 + number * self.months, 12)
        if not 5 <= year <= _LAST_YEAR:
            return None
        day = min(begin.day, calendar.monthrange(year, month + 1)[1])
        days = begin.replace(year=year, month=month + 1, day=day) - begin
        return self.anchor + days.days * DAY_S

    def _reason(self, wall: int, at: int, shown: int) -> str | None:
        if shown != wall:
            return _gap_words([wall], shown, with_end=False)
        if self.timeline.comes_again(wall, at):
            return f"{time_text(wall)} comes twice on this day: it runs once, at the first"
        return None


def _is_excluded(wall: int, excluded: Excluded) -> bool:
    if excluded.nothing:
        return False
    day = day_of(wall)
    return bool(excluded.days(day.year, day.month) >> day.day - 1 & 1)


def _gap_words(skipped: list[int], shown: int, *, with_end: bool) -> str:
    """`02:30 does not exist on this day: it runs at 03:00`."""
    same_day = skipped[0] // DAY_S == shown // DAY_S
    end = time_text(shown) if same_day else f"{wall_text(shown)[:10]} {time_text(shown)}"
    together = f", with the tick of {time_text(shown)}" if with_end else ""
    if len(skipped) == 1:
        return f"{time_text(skipped[0])} does not exist on this day: it runs at {end}{together}"
    times = [time_text(wall) for wall in skipped]
    if len(times) > 3:
        times = [*times[:2], f"{len(times) - 2} more"]
    return f"{', '.join(times[:-1])} and {times[-1]} do not exist on this day: they run once, at {end}{together}"
