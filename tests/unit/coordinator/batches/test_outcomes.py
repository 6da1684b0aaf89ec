"""What a batch keeps of sagas that it could not act on is bounded, and read as it was written."""

from __future__ import annotations

from uuid import UUID

import pytest

from saga_coordinator.batches.outcomes import CODES_MOST, OTHERS, SAMPLE, Outcomes, Reason


def ids(count: int) -> list[UUID]:
    return [UUID(int=number) for number in range(count)]


def test_outcomes_are_counted_with_the_first_of_each_code() -> None:
    outcomes = Outcomes()
    for saga in ids(SAMPLE + 3):
        outcomes = outcomes.refusing("past_pivot", saga)
    outcomes = outcomes.failing("RuntimeError", UUID(int=99))

    assert outcomes.refused == {"past_pivot": Reason(SAMPLE + 3, tuple(ids(SAMPLE)))}
    assert outcomes.failed == {"RuntimeError": Reason(1, (UUID(int=99),))}
    assert Outcomes.read(outcomes.text()) == outcomes


def test_codes_beyond_the_bound_are_counted_together() -> None:
    outcomes = Outcomes()
    for number, saga in enumerate(ids(CODES_MOST + 5)):
        outcomes = outcomes.failing(f"Error{number}", saga)
    assert len(outcomes.failed) == CODES_MOST + 1
    assert outcomes.failed[OTHERS].count == 5
    assert Outcomes.read(outcomes.text()) == outcomes


def test_nothing_is_what_a_new_batch_has() -> None:
    assert Outcomes.read("{}") == Outcomes()


@pytest.mark.parametrize("document", ["[]", "null", "{"])
def test_what_is_no_document_of_ours_is_refused(document: str) -> None:
    with pytest.raises(ValueError, match=r"unexpected|no object"):
        Outcomes.read(document)
