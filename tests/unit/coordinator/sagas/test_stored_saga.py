"""A saga is read from its state and the journal since, or not at all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from saga_coordinator.batch.plan import saga_write
from saga_coordinator.engine.encoding import UnreadableState, encode_saga, read_facts
from saga_coordinator.engine.events import Env
from saga_coordinator.engine.facts import evolve
from saga_coordinator.engine.state import Saga
from saga_coordinator.sagas.stored_saga import facts_print, stored_saga
from saga_coordinator.store.port import SagaWrite
from support.works import NOW, a_context, done, started


def completed() -> tuple[SagaWrite, Saga]:
    """A saga of three transitions, written at once."""
    work = started(a_context())
    work.apply(done("one"), Env(now_us=NOW + 1))
    work.apply(done("two"), Env(now_us=NOW + 2))
    write = saga_write(work, NOW + 2)
    assert write is not None and work.saga is not None
    return write, work.saga


def test_the_journal_alone_gives_a_saga_whose_state_was_never_stored() -> None:
    write, saga = completed()
    assert (write.row.state, write.row.state_version) == (b"", 0)
    assert stored_saga(write.row, write.journal) == saga


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_state_and_the_journal_since_give_the_same(version: int) -> None:
    write, saga = completed()
    earlier: Saga | None = None
    for record in write.journal[:version]:
        earlier = evolve(earlier, read_facts(record))
    assert earlier is not None
    row = replace(write.row, state=encode_saga(earlier), state_version=version)
    assert stored_saga(row, write.journal[version:]) == saga


def test_a_missing_record_is_never_guessed() -> None:
    write, _ = completed()
    for journal in (write.journal[1:], write.journal[:-1], (write.journal[0], write.journal[2]), ()):
        with pytest.raises(UnreadableState, match="lacks records"):
            stored_saga(write.row, journal)


def test_a_record_that_follows_from_nothing_is_unreadable() -> None:
    write, _ = completed()
    first = replace(write.journal[0], facts=write.journal[1].facts)
    with pytest.raises(UnreadableState, match="does not follow"):
        stored_saga(write.row, [first, *write.journal[1:]])


def test_a_fingerprint_is_of_all_facts_in_their_order() -> None:
    one, other = facts_print(facts_print(0, b"a"), b"b"), facts_print(facts_print(0, b"b"), b"a")
    assert len({one, other, facts_print(0, b"ab"), facts_print(0, b"b")}) == 4
    assert all(-(2**63) <= print < 2**63 for print in (one, other))
