"""Both directions of each step, as its boxes in the graph, its lines in the timeline and the list
of steps say them.

A step has one state, which may be about either direction. Of the other the attempts tell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from saga_coordinator.console.drawing.graph import Side
from saga_coordinator.console.formatting import STATUSES, Look, duration
from saga_coordinator.console.saga.plan import StepPlan
from saga_coordinator.views.saga import SagaView, StepView
from saga_coordinator.views.step_history import AttemptView
from saga_schemas.outcomes import Outcome
from saga_schemas.record_class import record

_UNDOING: Final = frozenset({"undo_due", "undo_asked", "undo_backoff"})
_AFTERWARDS: Final = frozenset({*_UNDOING, "undone", "resolving", "stuck_back", "kept", "waived", "conflict"})
"""States of a step whose action was before."""
_STUCK: Final = frozenset({"stuck_forward", "stuck_back", "conflict"})
SETTLED: Final = frozenset({"undone", "no_effect", "kept", "waived"})
_GOING_BACK: Final = frozenset({"SETTLING", "COMPENSATING", "COMPENSATED"})
_FORWARD: Final = frozenset({"SCHEDULED", "RUNNING", "COMMITTED", "COMPLETED"})
_UNKNOWN_LOOK: Final = Look(shape="wait", tone="soft", words="its state is not known")
_NEVER_RAN: Final = Look(shape="none", tone="soft", words="never ran")
_REFUSED: Final = Look(shape="no", tone="hot", words="refused: it had no effect")
_FAILED: Final = Look(shape="no", tone="wait", words="failed: that attempt had no effect")
_NOT_KNOWN: Final = Look(shape="settle", tone="wait", words="asked; whether it was done is not known")
_SKIPPED: Final = Look(shape="none", tone="soft", words="skipped: its condition is false")
_NOT_REACHED: Final = Look(shape="idle", tone="soft", words="not reached")
_UNDONE: Final = Look(shape="undone", tone="back", words="undone")
_NOTHING: Final = Look(shape="undone", tone="back", words="nothing to undo: it never had an effect")


UNKNOWN_SIDE: Final = Side(look=_UNKNOWN_LOOK, detail="state not known", reached=False)
"""Of a step of a saga whose state cannot be read."""


@record
class StepSides:
    """One step."""

    view: StepView
    plan: StepPlan
    forward: Side
    undo: Side | None
    """None: it is not being undone, and need not be."""


def step_sides(view: SagaView, plans: Mapping[str, StepPlan]) -> list[StepSides]:
    """All steps of the saga, in their order."""
    by_name = {step.name: step for step in view.steps}
    names = [*(name for name in plans if name in by_name), *(name for name in by_name if name not in plans)]
    behind = _behind({name: plan.after for name, plan in plans.items()})
    needs = {one.step for one in view.attention if one.step is not None}
    found = []
    for name in names:
        step, plan = by_name[name], plans.get(name) or StepPlan(name=name, participant=None, kind=None, after=())
        forward = _forward(step, plan, name in needs, view.phase)
        undo = _undo(step, plan, name in needs, view.phase, _blocking(behind.get(name, ()), by_name))
        found.append(StepSides(view=step, plan=plan, forward=forward, undo=undo))
    return found


def attempts_of(step: StepView, *directions: str) -> list[AttemptView]:
    return [one for one in step.attempts if one.direction in directions]


def last_word(step: StepView, *directions: str) -> AttemptView | None:
    """The last attempt that was answered."""
    answered = [one for one in attempts_of(step, *directions) if one.outcome is not None]
    return answered[-1] if answered else None


def was_done(step: StepView) -> bool:
    """The action, or the question what became of it, was answered SUCCEEDED."""
    return any(one.outcome is Outcome.SUCCEEDED for one in attempts_of(step, "action", "resolve"))


def is_undoing(step: StepView) -> bool:
    """The step's state is about undoing it."""
    if step.status in _UNDOING or (step.status == "undone" and bool(attempts_of(step, "compensation"))):
        return True
    if step.status in ("stuck_back", "resolving", "waived", "conflict"):
        return bool(attempts_of(step, "compensation")) or (step.status == "stuck_back" and was_done(step))
    return False


# --- forward --------------------------------------------------------------------------------------


def _forward(step: StepView, plan: StepPlan, needs: bool, phase: str) -> Side:
    undoing = is_undoing(step)
    look = _forward_look(step, undoing, phase)
    alarm = (needs or step.status in _STUCK) and not undoing
    reached = bool(attempts_of(step, "action")) or step.status not in ("idle", "ready", "no_effect")
    return Side(look=look, detail=_forward_detail(step, plan, look), reached=reached, alarm=alarm)


def _forward_look(step: StepView, undoing: bool, phase: str) -> Look:
    word = last_word(step, "action")
    if step.status in _AFTERWARDS and undoing:
        return STATUSES["done"] if was_done(step) else _NOT_KNOWN
    if step.status == "undone":
        return STATUSES["done"] if was_done(step) else _NEVER_RAN
    if step.status == "no_effect":
        if word is not None and word.outcome is Outcome.REJECTED:
            return _REFUSED
        if word is not None and word.outcome is Outcome.FAILED:
            return _FAILED
        if step.attempts or step.code is not None:
            return STATUSES["no_effect"]
        return _SKIPPED if phase in _FORWARD else _NOT_REACHED
    return STATUSES.get(step.status, _UNKNOWN_LOOK)


def _forward_detail(step: StepView, plan: StepPlan, look: Look) -> str:
    said = [plan.participant or "?"]
    word = last_word(step, "action")
    if look is _NOT_REACHED or step.status == "idle":
        said.append("not reached")
    elif look is _SKIPPED:
        said.append("skipped")
    elif word is not None and word.outcome is Outcome.SUCCEEDED and word.duration_ms is not None:
        said.append(duration(word.duration_ms))
    elif step.code and step.status not in ("done", "undone"):
        said.append(step.code)
    elif step.status in ("asked", "accepted", "resolving", "ready"):
        said.append(STATUSES[step.status].words.partition(";")[0])
    if plan.kind == "compensatable" and plan.command is not None and plan.compensation is None:
        said.append("no undo")
    return " · ".join(said)


# --- undo -----------------------------------------------------------------------------------------


def _undo(step: StepView, plan: StepPlan, needs: bool, phase: str, blocked_by: str | None) -> Side | None:
    made = attempts_of(step, "compensation")
    if not (is_undoing(step) or made or _to_be_undone(step, plan, phase)):
        return None
    look = _undo_look(step)
    alarm = needs or step.status in _STUCK
    return Side(look=look, detail=_undo_detail(step, plan, blocked_by), reached=bool(made), alarm=alarm)


def _to_be_undone(step: StepView, plan: StepPlan, phase: str) -> bool:
    return phase in _GOING_BACK and step.status == "resolving" and plan.compensation is not None and not plan.is_pivot


def _undo_look(step: StepView) -> Look:
    word = last_word(step, "compensation")
    if step.status == "undone":
        return _NOTHING if word is not None and word.outcome is Outcome.NOTHING_TO_UNDO else _UNDONE
    return STATUSES.get(step.status, _UNKNOWN_LOOK)


def _undo_detail(step: StepView, plan: StepPlan, blocked_by: str | None) -> str:
    word, made = last_word(step, "compensation"), attempts_of(step, "compensation")
    if step.status == "undo_due":
        return f"waits for undo {blocked_by}" if blocked_by else "its turn comes"
    if step.status == "undone" and word is not None and word.duration_ms is not None:
        return f"{plan.participant or '?'} · {duration(word.duration_ms)}"
    if word is not None and word.outcome not in (Outcome.UNDONE, Outcome.NOTHING_TO_UNDO):
        times = f"{made[-1].attempt} × " if made[-1].attempt > 1 else ""
        return f"{times}{word.outcome} {word.code or ''}".rstrip()
    return f"{plan.participant or '?'} · {STATUSES[step.status].words.partition(';')[0]}" if step.status in STATUSES else "?"


def _behind(after: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Of each step those that wait for it directly."""
    found: dict[str, list[str]] = {name: [] for name in after}
    for name, befores in after.items():
        for before in befores:
            found.setdefault(before, []).append(name)
    return found


def _blocking(behind: Sequence[str], steps: Mapping[str, StepView]) -> str | None:
    """The first of the steps behind one that is not settled yet."""
    return next((name for name in behind if name in steps and steps[name].status not in SETTLED), None)
