"""The acts that a batch may do: each is the events that it gives to one saga. Pure.

Waiving is none of them. A waive says of one step of one saga, on evidence for that step, that
nobody needs to know any more whether it was done. What holds for many sagas at once is no such
evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from saga_coordinator.engine.definition import Definition
from saga_coordinator.engine.events import Cancel, Event, Pause, Refused, Resume, RetryStep, Terminate
from saga_coordinator.engine.state import Saga, Status, StepState
from saga_schemas.record_class import record


@record
class By:
    """Who acts, and why."""

    actor: str
    reason: str


Events = Callable[[Definition, Saga, By], Sequence[Event]]
"""What a saga is given. Raises Refused where it has nothing to be given."""


@record
class Act:
    """One act."""

    name: str
    means: str
    """What it does to each saga."""
    events: Events | None
    """None: the saga is given nothing, for a new one begins (`restart`)."""


def _cancel(_definition: Definition, _saga: Saga, by: By) -> Sequence[Event]:
    return [Cancel(reason=by.reason, actor=by.actor)]


def _retry(definition: Definition, saga: Saga, by: By) -> Sequence[Event]:
    if saga.final:
        raise Refused("finished", "the saga is finished")
    steps = [step.name for step in definition.steps if is_stuck(saga.steps[step.name])]
    if not steps:
        raise Refused("not_stuck", "no step is stuck or silent: there is nothing to retry")
    return [RetryStep(step=step, reason=by.reason, actor=by.actor) for step in steps]


def _pause(_definition: Definition, _saga: Saga, by: By) -> Sequence[Event]:
    return [Pause(reason=by.reason, actor=by.actor)]


def _resume(_definition: Definition, _saga: Saga, by: By) -> Sequence[Event]:
    return [Resume(reason=by.reason, actor=by.actor)]


def _terminate(_definition: Definition, _saga: Saga, by: By) -> Sequence[Event]:
    return [Terminate(reason=by.reason, actor=by.actor)]


_STUCK: Final = frozenset({Status.STUCK_FORWARD, Status.STUCK_BACK})
_ASKED: Final = frozenset({Status.ASKED, Status.UNDO_ASKED, Status.UNDO_BACKOFF, Status.RESOLVING})


def is_stuck(step: StepState) -> bool:
    """It is stuck, or was asked again without an answer, or a person was called for it; and a retry
    is a way out."""
    return step.status in _STUCK or (step.status in _ASKED and (step.reasks > 0 or step.attention is not None))


ACTS: Final[Mapping[str, Act]] = {
    act.name: act
    for act in (
        Act(name="cancel", means="go back: undo what was done", events=_cancel),
        Act(name="retry", means="ask all its stuck and silent steps again", events=_retry),
        Act(name="pause", means="hold what is due, and apply replies", events=_pause),
        Act(name="resume", means="end the saga's own pause", events=_resume),
        Act(name="restart", means="begin a new saga with the input of this finished one", events=None),
        Act(name="terminate", means="end it as it is: what was done stays", events=_terminate),
    )
}


def act_named(name: str) -> Act:
    """The act. Raises Refused (act_unknown)."""
    found = ACTS.get(name)
    if found is None:
        raise Refused("act_unknown", f"there is no such act for a batch; there are {', '.join(ACTS)}")
    return found
