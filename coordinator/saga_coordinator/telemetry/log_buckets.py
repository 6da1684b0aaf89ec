"""Durations in buckets whose bounds grow by a tenth: a few counts from which any percentile is
known within five percent, and which are merged by adding them up. Pure.

It is the sketch of Masson, Rim and Lee (DDSketch, VLDB 2019) with growth 1.1: the middle of a
bucket is off by (1.1 - 1) / (1.1 + 1), which is 4.8 %, at most.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import ceil, log
from typing import Final

Buckets = dict[int, int]
"""How many durations were in each bucket. Bucket n has those in (1.1^(n-1), 1.1^n] microseconds."""

GROWTH: Final = 1.1
LAST: Final = 400
"""The bucket of all that is longer than a thousand years."""
_PER_BUCKET: Final = 1 / log(GROWTH)


def bucket_of(us: int) -> int:
    """The bucket of a duration in microseconds; what is not positive counts as one microsecond."""
    return min(ceil(log(us) * _PER_BUCKET), LAST) if us > 1 else 0


def count_in(buckets: Buckets, us: int) -> None:
    """Count one duration. A hot path."""
    bucket = bucket_of(us)
    buckets[bucket] = buckets.get(bucket, 0) + 1


def add(to: Buckets, more: Mapping[int, int]) -> None:
    """Merge counts into others."""
    for bucket, count in more.items():
        to[bucket] = to.get(bucket, 0) + count


def summed(many: Iterable[Mapping[int, int]]) -> Buckets:
    """All of these together."""
    found: Buckets = {}
    for one in many:
        add(found, one)
    return found


def percentile_us(buckets: Mapping[int, int], share: float) -> float | None:
    """The duration that this share of all durations does not exceed, in microseconds.

    Args:
        buckets: The counts.
        share: 0.95 for the 95th percentile (nearest rank).

    Returns:
        The middle of its bucket; None where nothing was counted.
    """
    left = ceil(sum(buckets.values()) * share)
    for bucket in sorted(buckets):
        left -= buckets[bucket]
        if left <= 0 and buckets[bucket]:
            return middle_us(bucket)
    return None


def middle_us(bucket: int) -> float:
    """What a duration of this bucket is taken for."""
    return 2 * GROWTH**bucket / (GROWTH + 1) if bucket else 1.0
