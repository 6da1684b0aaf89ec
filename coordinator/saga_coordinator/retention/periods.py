"""Which partitions are made, and which are dropped. Pure.

Partitions follow one another without a gap, from a boundary that lies well ahead on. What is made
late leaves a gap behind: the rest has the sagas of that time, and nothing has to be moved.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from saga_coordinator.store.partition_port import Left, Partition, Period

Length = Literal["week", "month"]
Every = Length | Literal["none"]
"""`none`: no more are made, and those that there are go."""

_DAY_US: Final = 86_400_000_000
MARGIN_US: Final = 7 * _DAY_US
"""A partition begins so far ahead, at least: no saga can be started in it while it is made. And it
has ended for so long before it is dropped: by so much clocks may be wrong."""
AHEAD_US: Final = {"week": 35 * _DAY_US, "month": 100 * _DAY_US}
"""Partitions reach so far ahead, at least."""
MOST_ROWS: Final = 20_000
"""So many rows are moved at most when a partition is dropped: about a fifth of a second, in which
no transaction writes."""
MOST_BYTES: Final = 16_000_000
REST_BYTES: Final = 64_000_000
"""A rest that is smaller is not worth replacing."""
_SPARSE: Final = 10
"""Rows are moved only where they fill less than one part in so many of the partition."""


def boundary_after(at_us: int, every: Length) -> int:
    """The first boundary that is later: midnight (UTC) before a Monday, or before the first of a
    month."""
    day = datetime.fromtimestamp(at_us // _DAY_US * 86_400, UTC)
    if every == "week":
        following = day + timedelta(days=7 - day.weekday())
    else:
        following = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    return int(following.timestamp()) * 1_000_000


def missing(every: Every, now_us: int, after_us: int = 0) -> list[Period]:
    """The partitions to make, behind the end of the latest that there is."""
    if every == "none":
        return []
    since_us = max(after_us, boundary_after(now_us + MARGIN_US, every))
    made: list[Period] = []
    while since_us < now_us + AHEAD_US[every]:
        made.append(Period(since_us=since_us, until_us=boundary_after(since_us, every)))
        since_us = made[-1].until_us
    return made


def is_over(partition: Partition, now_us: int) -> bool:
    """Whether it may be dropped as soon as little is left in it."""
    if partition.period is None:
        return partition.size_bytes >= REST_BYTES
    return partition.period.until_us + MARGIN_US <= now_us


def is_sparse(partition: Partition, left: Left) -> bool:
    """Whether so little is left that it is moved, to give the space back."""
    if left.rows > MOST_ROWS or left.size_bytes > MOST_BYTES:
        return False
    return left.size_bytes * _SPARSE <= partition.size_bytes
