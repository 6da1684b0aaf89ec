"""When a saga is to begin, as requests say it: a time, or a duration from now."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from saga_coordinator.api.problems import Problem
from saga_coordinator.definitions.fields import parsed_duration
from saga_coordinator.engine.delaying import AHEAD_MOST_US, START_TOO_FAR, TOO_FAR
from saga_schemas.times import parse_us

_AT = "a time with its zone, as 2027-01-01T09:30:00Z"
_IN = "a duration, as 500ms, 30s, 10m, 2h or 1d"


async def start_time_us(at: str | None, after: str | None, now_us: Callable[[], Awaitable[int]]) -> int | None:
    """The start time that was asked for; None where none was.

    Args:
        at: RFC 3339.
        after: A duration from now.
        now_us: The database's clock; read only for a duration.

    Raises:
        Problem: Both were given, one cannot be read, or it is too far ahead.
        StoreError: The clock cannot be read.
    """
    if at is not None and after is not None:
        raise _invalid("start_in", "start_at or start_in, not both")
    if at is not None:
        try:
            return parse_us(at)
        except ValueError:
            raise _invalid("start_at", _AT) from None
    if after is None:
        return None
    after_ms = parsed_duration(after)
    if after_ms is None:
        raise _invalid("start_in", _IN)
    if after_ms * 1000 > AHEAD_MOST_US:
        raise Problem(START_TOO_FAR, TOO_FAR)
    return await now_us() + after_ms * 1000


async def needed_start_time_us(at: str | None, after: str | None, now_us: Callable[[], Awaitable[int]]) -> int:
    """As `start_time_us`, where one of the two must be given."""
    found = await start_time_us(at, after, now_us)
    if found is None:
        raise _invalid("start_at", "start_at or start_in")
    return found


def _invalid(field: str, expected: str) -> Problem:
    return Problem("request_invalid", f"{field}: expected {expected}", field=field, expected=expected)
