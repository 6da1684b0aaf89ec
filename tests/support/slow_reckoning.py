"""When an expression ticks, reckoned slowly and by another idea than the coordinator's.

It walks over every second of a window, asks zoneinfo what a wall clock shows, and reads the fields
of an expression by itself. An hourly expression ticks at each second whose wall clock fits. A fixed
one looks at the latest wall clock that was ever shown: it ticks when that comes to, or jumps over,
one that fits.
"""

from __future__ import annotations

import importlib.resources
from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

_ZERO = datetime(1970, 1, 1)
_BOUNDS = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


@cache
def tz(name: str) -> ZoneInfo:
    with importlib.resources.files("tzdata").joinpath(f"zoneinfo/{name}").open("rb") as file:
        return ZoneInfo.from_file(file)


def wall(at: int, name: str) -> int:
    """What the clock shows at an instant, as seconds."""
    return (datetime.fromtimestamp(at, tz(name)).replace(tzinfo=None) - _ZERO) // timedelta(seconds=1)


def changes(name: str, first_year: int, last_year: int) -> list[int]:
    """The instants at which a zone changes its offset, by asking every six hours, and halving those
    in which it changed."""
    begin = int(datetime(first_year, 1, 1, tzinfo=UTC).timestamp())
    end = int(datetime(last_year + 1, 1, 1, tzinfo=UTC).timestamp())
    found = []
    before = wall(begin, name) - begin
    for at in range(begin, end, 6 * 3600):
        if wall(at, name) - at != before:
            hours, was = range(at - 6 * 3600, at + 1), before
            found.append(hours[bisect_left(hours, True, key=lambda second: wall(second, name) - second != was)])
            before = wall(at, name) - at
    return found


@cache
def walk(name: str, begin: int, end: int, whole_minutes: bool) -> list[tuple[int, int, int]]:
    """Each second, the latest wall clock that was shown before it, and the one shown.

    `whole_minutes`: only those seconds that show a whole minute or jump over one. The walk is of
    some hours, so that a day of the month tells the day.
    """
    zone, highest, found = tz(name), wall(begin - 1, name), []
    days: dict[int, int] = {}
    for at in range(begin, end):
        shown = datetime.fromtimestamp(at, zone)
        day = shown.day
        if day not in days:
            days[day] = (shown.toordinal() - _ZERO.toordinal()) * 86_400
        second = shown.second
        number = days[day] + shown.hour * 3_600 + shown.minute * 60 + second
        if not second or not whole_minutes or number > highest + 1:
            found.append((at, highest, number))
        if number > highest:
            highest = number
    return found


def reckoned(expression: str, name: str, begin: int, end: int) -> list[int]:
    """The instants of `[begin, end)` at which an expression ticks.

    The window begins where no clock was set back lately. Fields are `*`, numbers, lists, ranges and
    steps.
    """
    fields = expression.split()
    steps = walk(name, begin, end, len(fields) == 5)
    spelled = fields if len(fields) == 6 else ["0", *fields]
    values = [_values(field, place) for place, field in enumerate(spelled)]
    both = spelled[3][0] == "*" or spelled[5][0] == "*"
    if values[2] == set(range(24)):
        return [at for at, _, shown in steps if _fits(shown, values, both)]
    return [at for at, highest, shown in steps if any(_fits(one, values, both) for one in range(highest + 1, shown + 1))]


def _fits(shown: int, values: list[set[int]], both: bool) -> bool:
    if shown % 60 not in values[0] or shown // 60 % 60 not in values[1] or shown // 3_600 % 24 not in values[2]:
        return False
    day = _ZERO + timedelta(seconds=shown)
    of_month, of_week = day.day in values[3], day.isoweekday() % 7 in {value % 7 for value in values[5]}
    return day.month in values[4] and (of_month and of_week if both else of_month or of_week)


def _values(field: str, place: int) -> set[int]:
    return {value for term in field.split(",") for value in _term(term, *_BOUNDS[place])}


def _term(term: str, low: int, high: int) -> Iterator[int]:
    span, _, step = term.partition("/")
    if span == "*":
        first, last = low, high
    else:
        first, last = int(span.split("-")[0]), int(span.split("-")[-1])
        last = high if step and "-" not in span else last
    return iter(range(first, last + 1, int(step or 1)))
