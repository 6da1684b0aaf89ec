"""What a person may do to a saga: rows 11, 23, 24, 27 and 30, and what is refused.

Each act that the state allows leaves a fact `Acted` with who and why. What the act does to one step
stands in the table (`operator_actions.py`), what it does to the saga beside it.
"""

from __future__ import annotations

from saga_coordinator.engine import delaying, limits, pausing, termination
from saga_coordinator.engine.definition import StepKind
from saga_coordinator.engine.draft import Draft
from saga_coordinator.engine.events import (
    Act,
    Cancel,
    ChangeLimits,
    MoveStart,
    Pause,
    Refused,
    Resume,
    RetryStep,
    Terminate,
    WaiveStep,
)
from saga_coordinator.engine.facts import Acted
from saga_coordinator.engine.state import Phase
from saga_coordinator.engine.table import Trigger, fire


def act(draft: Draft, event: Act) -> None:
    """Raises Refused."""
    match event:
        case Cancel():
            _cancel(draft, event)
        case RetryStep() | WaiveStep():
            _on_step(draft, event)
        case Pause():
            pausing.pause(draft, event)
        case Resume():
            pausing.resume(draft, event)
        case ChangeLimits():
            limits.change(draft, event)
        case Terminate():
            termination.terminate(draft, event)
        case MoveStart():
            delaying.move(draft, event)


def _cancel(draft: Draft, event: Cancel) -> None:
    """Row 11. Cancelling what is going back already is fine and changes nothing."""
    if draft.phase is Phase.COMMITTED:
        raise Refused("past_pivot", "the saga is past its point of no return: it can only go forward")
    if draft.recovering:
        raise Refused("recovering", "the saga waits for every participant's answer after a restore")
    if draft.only_evidence_turns_back:
        raise Refused("recovering", "the saga was restored and may be past its pivot: cancel it once the pivot has been asked")
    if draft.phase in (Phase.RUNNING, Phase.SCHEDULED):
        unbegun = draft.phase is Phase.SCHEDULED and not draft.recovered
        draft.add(Acted(act="cancel", actor=event.actor, reason=event.reason))
        draft.go_back("11", f"cancel: {event.reason}" + (f"; {delaying.UNBEGUN}" if unbegun else ""))


def _on_step(draft: Draft, event: RetryStep | WaiveStep) -> None:
    step = draft.definition.by_name.get(event.step)
    if step is None:
        raise Refused("step_unknown", f"the definition has no step {event.step}")
    if draft.recovering:
        raise Refused("recovering", "the saga waits for every participant's answer after a restore")
    if isinstance(event, RetryStep):
        draft.add(Acted(act="retry", actor=event.actor, reason=event.reason, step=step.name))
        acted = fire(draft, step, Trigger.RETRY)
    else:
        if step.kind is StepKind.PIVOT:
            raise Refused("is_pivot", f"step {step.name} is the pivot: whether it was done is never waived")
        draft.add(Acted(act="waive", actor=event.actor, reason=event.evidence, step=step.name))
        acted = fire(draft, step, Trigger.WAIVE_UNSAFE if event.unsafe else Trigger.WAIVE)
    if not acted:
        wish = "retry" if isinstance(event, RetryStep) else "waive"
        raise Refused("not_stuck", f"step {step.name} is {draft.step(step.name).status}: there is nothing to {wish}")
