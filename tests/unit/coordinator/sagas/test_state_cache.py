"""The cache of decoded states: it never shows another state than the row's."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from saga_coordinator.engine.encoding import FORMAT, UnreadableState, decode_saga, encode_saga
from saga_coordinator.engine.state import Phase, Saga, StepState
from saga_coordinator.sagas.state_cache import MAX_BYTES, StateCache


def saga(number: int = 1, *, size: int = 3) -> Saga:
    return Saga(
        id=str(UUID(int=number)),
        tenant="default",
        definition="h",
        key=None,
        version=1,
        phase=Phase.RUNNING,
        incarnation=1,
        input=b"x" * size,
        steps={"one": StepState()},
        started_at_us=1,
    )


def test_what_was_written_last_is_not_decoded_again() -> None:
    cache, known = StateCache(), saga()
    cache.wrote(UUID(int=1), encode_saga(known), known)
    assert cache.read(UUID(int=1), encode_saga(known), FORMAT) is known


def test_other_bytes_are_read_for_what_they_say() -> None:
    cache, known = StateCache(), saga()
    cache.wrote(UUID(int=1), encode_saga(known), known)
    elsewhere = replace(known, version=2)
    assert cache.read(UUID(int=1), encode_saga(elsewhere), FORMAT) == elsewhere
    with pytest.raises(UnreadableState):
        cache.read(UUID(int=1), b"by hand", FORMAT)


def test_finished_and_large_states_are_not_kept() -> None:
    cache = StateCache()
    for number, each in ((1, replace(saga(), phase=Phase.COMPLETED)), (2, saga(2, size=MAX_BYTES))):
        cache.wrote(UUID(int=number), encode_saga(each), each)
        found = cache.read(UUID(int=number), encode_saga(each), FORMAT)
        assert found is not each
        assert found == decode_saga(each.id, encode_saga(each))


def test_it_forgets_the_one_written_longest_ago() -> None:
    cache = StateCache(max_sagas=2)
    written = [saga(number) for number in (1, 2, 3)]
    for each in (written[0], written[1], written[0], written[2]):
        cache.wrote(UUID(each.id), encode_saga(each), each)
    kept = [cache.read(UUID(each.id), encode_saga(each), FORMAT) is each for each in written]
    assert kept == [True, False, True]
