"""The horizon goes as high as its exceptions allow."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from saga_coordinator.store.horizon_choice import choose
from saga_coordinator.store.identifiers import first_id
from saga_schemas.ids import uuid7_unix_ms


def saga(ms: int, number: int = 0) -> UUID:
    return UUID(int=first_id(ms * 1000).int + number)


def test_with_as_many_exceptions_as_are_allowed_it_goes_all_the_way() -> None:
    candidates = [saga(1), saga(2), saga(3)]
    chosen = choose(10, candidates, 3)
    assert (chosen.below_ms, list(chosen.exceptions), chosen.held_back) == (10, candidates, False)


def test_with_one_more_it_stops_at_that_one() -> None:
    chosen = choose(10, [saga(1), saga(2), saga(5)], 2)
    assert (chosen.below_ms, list(chosen.exceptions), chosen.held_back) == (5, [saga(1), saga(2)], True)


def test_sagas_of_the_same_millisecond_are_all_below_it_or_none() -> None:
    chosen = choose(10, [saga(1), saga(5, 1), saga(5, 2), saga(5, 3)], 2)
    assert (chosen.below_ms, list(chosen.exceptions), chosen.held_back) == (5, [saga(1)], True)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3)), unique=True), st.integers(0, 12))
def test_it_is_the_highest_that_keeps_the_limit(places: list[tuple[int, int]], limit: int) -> None:
    candidates = sorted(saga(*place) for place in places)
    chosen = choose(31, candidates, limit)

    def below(ms: int) -> list[UUID]:
        return [id for id in candidates if uuid7_unix_ms(id) < ms]

    assert list(chosen.exceptions) == below(chosen.below_ms)
    assert len(chosen.exceptions) <= limit
    assert chosen.held_back == (chosen.below_ms < 31)
    assert chosen.below_ms == 31 or len(below(chosen.below_ms + 1)) > limit
