"""The horizon as it is remembered: what was covered stays covered, and what was heard late, twice
or in another order changes nothing."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from saga_schemas.horizon import Horizon, heard
from saga_schemas.ids import uuid7

TIMES = range(1, 9)
SAGAS = [uuid7(ms * 1000, bytes([which]) * 10) for ms in TIMES for which in range(2)]
sagas = st.frozensets(st.sampled_from(SAGAS))
any_horizon = st.builds(Horizon, below_ms=st.integers(0, 10), exceptions=sagas)


def covered(horizon: Horizon) -> set[UUID]:
    return {saga_id for saga_id in SAGAS if horizon.covers(saga_id)}


def test_a_saga_is_below_where_its_millisecond_is_smaller() -> None:
    last, first = uuid7(4_999, bytes([255]) * 10), uuid7(5_000, bytes(10))

    assert Horizon(below_ms=5).covers(last)
    assert not Horizon(below_ms=5).covers(first)
    assert not Horizon(below_ms=5, exceptions=frozenset({last})).covers(last)
    assert not Horizon().covers(last)


@given(any_horizon, any_horizon)
def test_what_is_heard_never_falls_and_never_brings_an_exception_back(before: Horizon, announced: Horizon) -> None:
    after = heard(before, announced)

    assert after.below_ms == max(before.below_ms, announced.below_ms)
    assert covered(after) >= covered(before)
    assert heard(after, announced) == after


@given(any_horizon, any_horizon)
def test_no_more_is_covered_than_was_said(before: Horizon, announced: Horizon) -> None:
    assert covered(heard(before, announced)) <= covered(before) | covered(announced)


@st.composite
def histories(draw: st.DrawFn) -> list[Horizon]:
    """What a coordinator announces: what was covered once is covered for ever."""
    told = [Horizon()]
    for _ in range(draw(st.integers(1, 5))):
        below_ms = draw(st.integers(told[-1].below_ms, 9))
        may_be = sorted(saga_id for saga_id in SAGAS if saga_id.int >> 80 < below_ms and not told[-1].covers(saga_id))
        exceptions = draw(st.frozensets(st.sampled_from(may_be))) if may_be else frozenset()
        told.append(Horizon(below_ms=below_ms, exceptions=exceptions))
    return told[1:]


@given(st.data())
def test_order_and_repetition_do_not_matter(data: st.DataObject) -> None:
    told = data.draw(histories())
    remembered = Horizon()
    for horizon in data.draw(st.permutations([*told, *data.draw(st.lists(st.sampled_from(told), max_size=4))])):
        remembered = heard(remembered, horizon)

    assert remembered == told[-1]
