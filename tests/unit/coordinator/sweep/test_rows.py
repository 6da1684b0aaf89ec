"""Which rows of a participant belong to no saga, and which pages are none."""

from __future__ import annotations

from uuid import UUID

import pytest

from saga_coordinator.store.port import ParticipantSweep
from saga_coordinator.sweep.rows import check_page, lost_effects
from saga_schemas.errors import BadMessage
from saga_schemas.ids import uuid7
from saga_schemas.outcomes import RowState
from saga_schemas.records import SweepPosition, SweptRow, SweptRows

LOST, HERE, REMOVED, ODD = sagas = [uuid7(1_790_000_000_000_000 + n, bytes(10)) for n in range(4)]


def row(saga_id: UUID, state: RowState = RowState.DONE, step: str = "charge") -> SweptRow:
    return SweptRow(saga_id=saga_id, step=step, run=1, state=state)


def lost(*rows: SweptRow) -> list[tuple[UUID, str, str, bool]]:
    owned = {HERE: frozenset({("charge", "payment"), ("ship", "shipping")}), ODD: None}
    found = lost_effects(rows, participant="payment", owned=owned, finished=REMOVED.__eq__, now_us=9)
    return [(one.saga_id, one.step, one.state, one.beside) for one in found]


def test_what_stands_or_may_come_yet_and_belongs_to_nobody_is_lost() -> None:
    assert lost(row(LOST), row(LOST, RowState.ACCEPTED, "hold")) == [
        (LOST, "charge", "DONE", False),
        (LOST, "hold", "ACCEPTED", False),
    ]


@pytest.mark.parametrize("state", [RowState.REJECTED, RowState.FENCED, RowState.UNDONE])
def test_what_has_no_effect_is_not(state: RowState) -> None:
    assert lost(row(LOST, state)) == []


def test_nor_is_what_a_saga_that_is_here_or_was_removed_has_done() -> None:
    assert lost(row(HERE), row(REMOVED)) == []


def test_nor_what_a_saga_may_have_done_whose_definition_cannot_be_read() -> None:
    assert lost(row(ODD)) == []


def test_a_step_that_the_sagas_definition_has_not_at_this_participant_is_lost_beside_it() -> None:
    assert lost(row(HERE, step="refund"), row(HERE, step="ship")) == [
        (HERE, "refund", "DONE", True),
        (HERE, "ship", "DONE", True),
    ]


def page(*rows: SweptRow, to: tuple[UUID, str] | None = None) -> SweptRows:
    following = None if to is None else SweepPosition(saga_id=to[0], step=to[1])
    return SweptRows(rows=rows, next=following, asked=bytes(32))


ASKED = ParticipantSweep(participant="payment", incarnation=7, after=(LOST, "charge"))


def test_a_page_lies_behind_what_was_told() -> None:
    check_page(page(), ASKED)
    check_page(page(row(LOST, step="a"), row(HERE), to=(HERE, "charge")), ASKED)


@pytest.mark.parametrize(
    "bad",
    [
        page(row(HERE), row(LOST)),
        page(row(HERE), to=(LOST, "z")),
        page(to=(HERE, "charge")),
        page(row(LOST), to=(LOST, "charge")),
    ],
    ids=["out of order", "back", "nothing and more", "stays"],
)
def test_another_is_none(bad: SweptRows) -> None:
    with pytest.raises(BadMessage, match=r"saga\.v1\.SweptRows"):
        check_page(bad, ASKED)
