"""Instants of a calendar: RFC 3339, in whole seconds."""

from __future__ import annotations

from typing import Final

from saga_coordinator.calendar.timeline import FIRST_S, LAST_S
from saga_schemas.times import parse_us

SECOND_US: Final = 1_000_000
_EXPECTED: Final = "write an instant with its offset, such as 2027-01-01T00:00:00Z"


def whole_seconds(text: str) -> int:
    """Seconds since 1970 of an instant. Raises ValueError, which says what to write."""
    try:
        at, rest = divmod(parse_us(text), SECOND_US)
    except ValueError:
        raise ValueError(f"`{text}` is no instant: {_EXPECTED}") from None
    if rest:
        raise ValueError(f"`{text}` has a part of a second: ticks are at whole seconds")
    if not FIRST_S <= at <= LAST_S:
        raise ValueError(f"`{text}` is out of range: write a year from 1970 to 9800")
    return at
