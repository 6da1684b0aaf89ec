"""The name of a tick: its instant, as RFC 3339 in UTC."""

from __future__ import annotations

from typing import Final

from saga_schemas.times import format_us

_SECOND_US: Final = 1_000_000
_SECONDS: Final = len("2027-03-28T01:00:00")


def tick_text(at_us: int) -> str:
    """`2027-03-28T01:00:00Z`; with microseconds where it is no whole second, as of a trigger.

    Raises ValueError outside the years 1 to 9999.
    """
    text = format_us(at_us)
    return text if at_us % _SECOND_US else f"{text[:_SECONDS]}Z"
