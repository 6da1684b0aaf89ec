"""Whether a participant's row fits what the coordinator has recorded of a step. Pure.

A row that says less was lost, or set back, with the participant's database. Where a step is asked
right now, nothing can be said of its row.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from saga_coordinator.engine.state import Saga, Status, StepState
from saga_schemas.outcomes import Outcome, RowState
from saga_schemas.record_class import record


@record
class BarrierRow:
    """What is compared of a participant's row."""

    state: RowState
    run: int


class Recorded(StrEnum):
    """What the coordinator knows of a step's effect by definite answers."""

    NOTHING = "nothing"
    """It has no answer, and wants none."""
    UNDECIDED = "undecided"
    """It asks, or a person has settled it: any row fits."""
    STANDS = "stands"
    LEAVING = "leaving"
    """It was done. It is to be undone, or two answers contradict each other."""
    UNDONE = "undone"
    NOT_DONE = "not_done"


class Trouble(StrEnum):
    """How a row does not fit."""

    GONE = "gone"
    """The effect is not there any more."""
    OLDER = "older"
    """There is an effect, of a run before the one that was answered."""
    STANDS_AGAIN = "stands_again"
    COMES_AGAIN = "comes_again"
    """What was undone is accepted, and may be done at any time."""
    UNOWNED = "unowned"
    """It is done or accepted, and for the saga it never was."""
    FORGOTTEN = "forgotten"
    """Nothing stands. But a command that is still under way would be done, not refused."""


_ENDED: Final[Mapping[RowState | None, Trouble | None]] = {RowState.REJECTED: None, RowState.UNDONE: None, RowState.FENCED: None}
_GONE: Final[Mapping[RowState | None, Trouble | None]] = dict.fromkeys((None, RowState.ACCEPTED, *_ENDED), Trouble.GONE)
_UNOWNED: Final[Mapping[RowState | None, Trouble | None]] = {
    RowState.ACCEPTED: Trouble.UNOWNED,
    RowState.DONE: Trouble.UNOWNED,
}
_TABLE: Final[Mapping[Recorded, Mapping[RowState | None, Trouble | None]]] = {
    Recorded.NOTHING: {None: None, **_ENDED, **_UNOWNED},
    Recorded.UNDECIDED: dict.fromkeys((None, *RowState)),
    Recorded.STANDS: {**_GONE, RowState.DONE: None},
    Recorded.LEAVING: {**_GONE, RowState.DONE: None, RowState.UNDONE: None},
    Recorded.UNDONE: {
        None: Trouble.FORGOTTEN,
        **_ENDED,
        RowState.ACCEPTED: Trouble.COMES_AGAIN,
        RowState.DONE: Trouble.STANDS_AGAIN,
    },
    Recorded.NOT_DONE: {None: Trouble.FORGOTTEN, **_ENDED, **_UNOWNED},
}
_OF_OLDER_RUN: Final = {
    Recorded.STANDS: Trouble.OLDER,
    Recorded.LEAVING: Trouble.OLDER,
    Recorded.UNDONE: Trouble.FORGOTTEN,
    Recorded.NOT_DONE: Trouble.FORGOTTEN,
}
"""A definite answer leaves a row of its run or of a newer one."""
_LEAVING: Final = frozenset(
    {Status.UNDO_DUE, Status.UNDO_ASKED, Status.UNDO_BACKOFF, Status.STUCK_BACK, Status.RESOLVING, Status.CONFLICT}
)


def recorded(saga: Saga, step: StepState, *, asks_again: bool) -> Recorded:
    """What the coordinator knows of a step.

    Args:
        saga: The saga.
        step: Its step.
        asks_again: The saga is open, and is about to ask all of its steps again.
    """
    if not saga.final and (asks_again or not step.answered):
        return Recorded.UNDECIDED
    match step.status:
        case Status.DONE | Status.KEPT:
            return Recorded.STANDS
        case Status.UNDONE:
            return Recorded.UNDONE
        case Status.NO_EFFECT:
            return Recorded.NOT_DONE if step.evidence else Recorded.NOTHING
        case Status.IDLE:
            return Recorded.NOTHING
    return Recorded.LEAVING if step.status in _LEAVING and Outcome.SUCCEEDED in step.evidence else Recorded.UNDECIDED


def compare(known: Recorded, row: BarrierRow | None, *, run: int, final: bool, late: bool) -> Trouble | None:
    """How the row does not fit; None where it does.

    Args:
        known: What the coordinator has recorded.
        row: The participant's row; None: there is none.
        run: The step's run.
        final: The saga is finished.
        late: Commands of the saga may still come: not all have expired.
    """
    trouble = _TABLE[known][None if row is None else row.state]
    if trouble is None and row is not None and row.run < run:
        trouble = _OF_OLDER_RUN.get(known)
    if trouble is Trouble.FORGOTTEN and not late:
        return None
    if known is Recorded.NOTHING and not final:
        return None  # it may have been asked just now
    return trouble


_BY_HAND: Final = "undo it by hand, and set its row to UNDONE in the same transaction"
_ASK_AGAIN: Final = "stop the coordinators, then `saga recover participant`: it is asked again"
_CONFLICT: Final = "find out in the service's own data what holds, then `saga step waive --unsafe`"
_FINISHED: Final = {
    Trouble.GONE: "do it again by hand: a finished saga asks nothing",
    Trouble.OLDER: "see in the service's own data whether the effect is the right one",
    Trouble.STANDS_AGAIN: _BY_HAND,
    Trouble.COMES_AGAIN: "call its work off, and set its row to FENCED",
    Trouble.UNOWNED: _BY_HAND,
    Trouble.FORGOTTEN: "look again when its commands have expired: until then one that comes late would be done",
}
_OPEN: Final = {
    **_FINISHED,
    Trouble.GONE: _ASK_AGAIN,
    Trouble.OLDER: _ASK_AGAIN,
    Trouble.STANDS_AGAIN: _ASK_AGAIN,
    Trouble.COMES_AGAIN: _ASK_AGAIN,
}


def way_out(trouble: Trouble, step: StepState, *, final: bool) -> str:
    """What a person can do."""
    if step.status is Status.CONFLICT:
        return _CONFLICT
    return (_FINISHED if final else _OPEN)[trouble]
