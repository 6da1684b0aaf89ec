"""Which partitions are made and dropped: no gap, no overlap, whatever was set before."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saga_coordinator.retention.periods import (
    AHEAD_US,
    MARGIN_US,
    MOST_BYTES,
    MOST_ROWS,
    REST_BYTES,
    Length,
    boundary_after,
    is_over,
    is_sparse,
    missing,
)
from saga_coordinator.store.partition_port import Left, Partition, Period

DAY_US = 86_400_000_000
lengths = st.sampled_from(["week", "month"])
times = st.integers(min_value=0, max_value=200 * 365 * DAY_US)


def us(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("every", "at", "then"),
    [
        ("month", "2026-11-29T19:00:00", "2026-12-01"),
        ("month", "2026-12-01", "2027-01-01"),
        ("month", "2028-01-31T23:59:59", "2028-02-01"),
        ("month", "2028-02-29", "2028-03-01"),
        ("week", "2026-11-29T19:00:00", "2026-11-30"),
        ("week", "2026-11-30", "2026-12-07"),
        ("week", "2026-12-29", "2027-01-04"),
    ],
)
def test_boundaries_are_mondays_and_firsts_of_a_month(every: Length, at: str, then: str) -> None:
    assert boundary_after(us(at), every) == us(then)


@given(every=lengths, now_us=times)
def test_partitions_follow_one_another_from_well_ahead_to_far_ahead(every: Length, now_us: int) -> None:
    made = missing(every, now_us)
    assert made[0].since_us >= now_us + MARGIN_US
    assert made[-1].until_us >= now_us + AHEAD_US[every]
    assert all(one.until_us == after.since_us for one, after in pairwise(made))
    assert all(one.since_us < one.until_us for one in made)
    assert len(made) <= 6
    assert missing(every, now_us, made[-1].until_us) == []


@given(before=lengths, every=lengths, made_us=times, later_us=st.integers(min_value=0, max_value=400 * DAY_US))
def test_they_go_on_where_the_last_ends_whatever_its_length_was(
    before: Length, every: Length, made_us: int, later_us: int
) -> None:
    end_us = missing(before, made_us)[-1].until_us
    more = missing(every, made_us + later_us, end_us)
    if more:
        assert more[0].since_us == max(end_us, boundary_after(made_us + later_us + MARGIN_US, every))
        assert more[-1].until_us >= made_us + later_us + AHEAD_US[every]


def test_none_makes_none() -> None:
    assert missing("none", us("2026-11-29")) == []


def partition(size_bytes: int, *, until_us: int | None = None) -> Partition:
    return Partition(name="p", period=None if until_us is None else Period(since_us=0, until_us=until_us), size_bytes=size_bytes)


def test_a_partition_is_over_when_its_time_is_and_the_rest_when_it_is_large() -> None:
    assert is_over(partition(1, until_us=100), 100 + MARGIN_US)
    assert not is_over(partition(10**12, until_us=100), 99 + MARGIN_US)
    assert is_over(partition(REST_BYTES), 0)
    assert not is_over(partition(REST_BYTES - 1), 10**18)


@pytest.mark.parametrize(
    ("rows", "left_bytes", "size_bytes", "sparse"),
    [
        (0, 0, 8192, True),
        (10, 1000, 10_000, True),
        (10, 1001, 10_000, False),
        (MOST_ROWS, 100, 10**9, True),
        (MOST_ROWS + 1, 100, 10**9, False),
        (10, MOST_BYTES + 1, 10**12, False),
    ],
)
def test_what_is_left_moves_where_it_is_little(rows: int, left_bytes: int, size_bytes: int, sparse: bool) -> None:
    assert is_sparse(partition(size_bytes, until_us=1), Left(rows=rows, size_bytes=left_bytes)) is sparse
