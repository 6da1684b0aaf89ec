"""Percentiles of counts in log buckets beside those of the durations themselves."""

from __future__ import annotations

from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from saga_coordinator.telemetry.log_buckets import LAST, Buckets, bucket_of, count_in, percentile_us, summed

DURATIONS = st.lists(st.integers(1, 10**13), min_size=1, max_size=200)


def counted(durations: list[int]) -> Buckets:
    buckets: Buckets = {}
    for us in durations:
        count_in(buckets, us)
    return buckets


@given(durations=DURATIONS, share=st.sampled_from([0.01, 0.5, 0.95, 0.99, 1.0]))
def test_a_percentile_is_within_five_percent_of_the_exact_one(durations: list[int], share: float) -> None:
    exact = sorted(durations)[ceil(len(durations) * share) - 1]
    found = percentile_us(counted(durations), share)
    assert found is not None
    assert abs(found - exact) <= 0.05 * exact


@given(first=DURATIONS, second=DURATIONS)
def test_merged_counts_are_those_of_all_durations(first: list[int], second: list[int]) -> None:
    assert summed([counted(first), counted(second)]) == counted(first + second)


def test_nothing_counted_has_no_percentile() -> None:
    assert percentile_us({}, 0.5) is None
    assert percentile_us({7: 0}, 0.5) is None


def test_what_no_clock_should_say_is_counted_all_the_same() -> None:
    assert bucket_of(-5) == bucket_of(0) == bucket_of(1) == 0
    assert bucket_of(2**200) == LAST
