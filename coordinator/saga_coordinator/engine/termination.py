"""Row 27: an operator ends a saga whatever its steps are. Nobody is asked any more, and what stays
is listed.

`effect_of` is also what a preview says beforehand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from saga_coordinator.engine.definition import Definition
from saga_coordinator.engine.draft import Draft
from saga_coordinator.engine.events import Terminate
from saga_coordinator.engine.facts import Acted, EffectLeft, PhaseChanged
from saga_coordinator.engine.forgetting import LEFT_BEHIND
from saga_coordinator.engine.state import Phase, Saga, Status, StepState
from saga_schemas.outcomes import Kind, Outcome

_NAMED = 20
"""Steps that a lifecycle event names of each kind; the journal has all."""
_OVER: Mapping[str, Any] = {"attention": None, "recovering": False, "paused_at_us": None, "paused_by": None, "paused_why": None}
_SETTLED_WITHOUT = frozenset({Status.UNDONE, Status.NO_EFFECT})
_STANDS = frozenset({Status.DONE, Status.KEPT})
_NEVER = frozenset({Outcome.REJECTED, Outcome.FENCED})
_GONE = frozenset({Outcome.UNDONE, Outcome.NOTHING_TO_UNDO})


class Left(StrEnum):
    """What a saga that ends now leaves of a step."""

    STAYS = "stays"
    """It was done, and nobody was asked to undo it."""
    MAY_STAY = "may_stay"
    """It was asked, and nobody knows: it may be done or undone, now or later."""


def effect_of(saga: Saga, state: StepState) -> Left | None:
    """What is left of the step if nobody is asked any more; None: no effect, now or ever."""
    if not state.answered:
        return Left.MAY_STAY  # restored, and its participant has not answered since
    if not state.dispatched:
        unsure = saga.recovered and state.status in (Status.IDLE, Status.READY)
        return Left.MAY_STAY if unsure else None
    if state.status in _SETTLED_WITHOUT:
        return None
    if state.status in _STANDS:
        return Left.STAYS
    if state.status is Status.CONFLICT:
        return Left.MAY_STAY
    return _by_evidence(state)


def _by_evidence(state: StepState) -> Left | None:
    """Of a step that is under way, stuck or waived: its last word, where nothing that was sent can
    change it any more.
    """
    if Kind.COMPENSATION in state.sent:
        return None if state.evidence & _GONE else Left.MAY_STAY
    if state.known:
        return Left.STAYS
    return None if state.evidence & _NEVER else Left.MAY_STAY


def effects_left(definition: Definition, saga: Saga) -> list[tuple[str, Left]]:
    """The steps of which something is or may be left, in the definition's order."""
    found = ((step.name, effect_of(saga, saga.steps[step.name])) for step in definition.steps)
    return [(name, left) for name, left in found if left is not None]


def terminate(draft: Draft, event: Terminate) -> None:
    """End the saga as it is."""
    draft.add(Acted(act="terminate", actor=event.actor, reason=event.reason))
    left = effects_left(draft.definition, draft.saga)
    for name, effect in left:
        draft.add(EffectLeft(step=name, effect=effect.value))
    for step, _ in draft.steps():
        draft.change(step.name, "27", **LEFT_BEHIND, waiving=False, answered=True)
    over = {name: value for name, value in _OVER.items() if getattr(draft.saga, name) != value}
    if over:
        draft.change_saga("27", **over)
    reason = f"terminate: {event.reason}"
    kept = reason if draft.reason is None else None
    draft.add(PhaseChanged(row="27", phase=Phase.FORCED, reason=kept, at_us=draft.env.now_us))
    draft.announce("finished", reason=f"{reason}{_said(left)}")


def _said(left: list[tuple[str, Left]]) -> str:
    """What stays, in words, for whoever follows the lifecycle events."""
    stays = _names(name for name, effect in left if effect is Left.STAYS)
    may_stay = _names(name for name, effect in left if effect is Left.MAY_STAY)
    said = [f"stays: {stays}"] * bool(stays) + [f"may stay: {may_stay}"] * bool(may_stay)
    return "; ".join(["", *said]) or "; nothing stays"


def _names(names: Iterable[str]) -> str:
    known = list(names)
    more = f" and {len(known) - _NAMED} more" if len(known) > _NAMED else ""
    return ", ".join(known[:_NAMED]) + more
