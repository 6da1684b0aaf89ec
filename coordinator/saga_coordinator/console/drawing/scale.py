"""Round numbers for an axis, and times for the other. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

_STEPS: Final = (1, 2, 2.5, 5, 10)


def ticks(most: float, wanted: int = 3) -> list[float]:
    """Round numbers from zero on, evenly apart; the last is at least `most`.

    Example:
        `ticks(47.0) == [0, 20, 40, 60]`
    """
    if most <= 0 or not math.isfinite(most):
        return [0, 1]
    rough = most / wanted
    size = 10 ** math.floor(math.log10(rough))
    step = next(factor * size for factor in _STEPS if factor * size >= rough * 0.999)
    return [round(step * number, 10) for number in range(math.ceil(most / step * 0.999999) + 1)]


def clock_times(at: Sequence[str], wanted: int) -> list[tuple[int, str]]:
    """Places along a series and the time of each, as `14:05`, in UTC. `at`: RFC 3339."""
    every = max(math.ceil(len(at) / max(wanted, 1)), 1)
    return [(place, clock_time(at[place])) for place in range(0, len(at), every)]


def clock_time(at: str) -> str:
    """`14:05` of an RFC 3339 time."""
    return f"{datetime.fromisoformat(at).astimezone(UTC):%H:%M}"
