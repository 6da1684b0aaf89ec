"""Names sort by the time of writing, never meet, and say which ids they may hold."""

from __future__ import annotations

import secrets

from hypothesis import given
from hypothesis import strategies as st

from saga_coordinator.archive.names import day_of, file_name, is_day, read_name
from support.archived import DAY_US, NOON_US, saga_id

WRITTEN = st.integers(0, 4_000_000_000_000_000)


def name(written_us: int, *started_us: int) -> str:
    return file_name(written_us, secrets.token_bytes(4), [saga_id(one) for one in started_us or (NOON_US,)])


@given(st.lists(WRITTEN, min_size=2, max_size=5, unique=True))
def test_names_sort_by_the_time_of_writing(written: list[int]) -> None:
    names = {name(one): one for one in written}

    assert [names[one] for one in sorted(names)] == sorted(written)


def test_two_instances_of_one_moment_write_two_files() -> None:
    assert len({name(NOON_US) for _ in range(20)}) == 20


@given(st.lists(WRITTEN, min_size=1, max_size=5), WRITTEN)
def test_a_name_says_which_ids_it_may_hold(started: list[int], other: int) -> None:
    found = read_name(name(NOON_US, *started))

    assert found is not None
    assert all(found.may_hold(saga_id(one)) for one in started)
    assert found.may_hold(saga_id(other)) == (min(started) // 1000 <= other // 1000 <= max(started) // 1000)


def test_other_names_are_none_of_ours() -> None:
    ours = name(NOON_US)
    assert read_name(ours) is not None
    assert [read_name(one) for one in ("", "x.avro", f".{ours}", f"{ours}.part", ours.upper(), ours[1:])] == [None] * 6


def test_the_day_changes_at_midnight_utc() -> None:
    midnight = NOON_US + DAY_US // 2
    assert (day_of(midnight - 1), day_of(midnight)) == (day_of(NOON_US), day_of(NOON_US + DAY_US))
    assert day_of(0) == "1970-01-01"


def test_what_is_a_day() -> None:
    assert [is_day(one) for one in ("2026-11-03", "2026-13-03", "20261103", "unfinished", "")] == [
        True,
        False,
        False,
        False,
        False,
    ]
