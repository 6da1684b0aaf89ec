"""The cache of decoded states: it never shows another state than the row's."""

from __future__ import annotations

from dataclasses import replace

from saga_coordinator.batch.plan import saga_write
from saga_coordinator.engine.events import Env
from saga_coordinator.engine.state import Phase, Saga
from saga_coordinator.sagas.state_cache import LARGEST_BYTES, StateCache
from saga_coordinator.store.port import SagaRow
from support.works import NOW, a_context, done, started


def written(number: int = 1) -> tuple[SagaRow, Saga]:
    """A saga that has begun: its row as it is written, and its state."""
    work = started(a_context(), number)
    write = saga_write(work, NOW)
    assert write is not None and work.saga is not None
    return write.row, work.saga


def test_what_was_written_last_is_not_read_again() -> None:
    cache, (row, saga) = StateCache(), written()
    cache.wrote(row, saga, 100)
    known = cache.of(row)
    assert known is not None
    assert known.saga is saga
    assert known.facts_bytes == 100


def test_a_row_that_somebody_else_wrote_is_read() -> None:
    cache, (row, saga) = StateCache(), written()
    cache.wrote(row, saga, 100)
    for elsewhere in (replace(row, version=2), replace(row, facts_print=7)):
        assert cache.of(elsewhere) is None


def test_two_histories_of_one_length_have_different_fingerprints() -> None:
    rows = []
    for at_us in (NOW + 1, NOW + 2):
        work = started(a_context())
        work.apply(done("one"), Env(now_us=at_us))
        write = saga_write(work, at_us)
        assert write is not None
        rows.append(write.row)
    assert rows[0].version == rows[1].version
    assert rows[0].facts_print != rows[1].facts_print


def test_finished_and_large_states_are_not_kept() -> None:
    cache, (row, saga) = StateCache(), written()
    cache.wrote(row, saga, 100)
    cache.wrote(row, saga, LARGEST_BYTES + 1)
    assert cache.of(row) is None
    cache.wrote(row, saga, 100)
    cache.wrote(row, replace(saga, phase=Phase.COMPLETED), 100)
    assert cache.of(row) is None


def test_it_forgets_the_one_written_longest_ago() -> None:
    cache, each = StateCache(max_sagas=2), [written(number) for number in (1, 2, 3)]
    for place in (0, 1, 0, 2):
        cache.wrote(*each[place], 100)
    assert [cache.of(row) is not None for row, _ in each] == [True, False, True]


def test_it_keeps_as_many_bytes_as_it_may() -> None:
    each = [written(number) for number in (1, 2, 3)]
    most = sum(len(row.state) + 100 for row, _ in each[:2])
    cache = StateCache(max_bytes=most)
    for place in (0, 1, 0, 2):
        cache.wrote(*each[place], 100)
    assert [cache.of(row) is not None for row, _ in each] == [True, False, True]
    cache.wrote(*each[2], 150)
    assert [cache.of(row) is not None for row, _ in each] == [False, False, True], "what it wrote again counts once"
