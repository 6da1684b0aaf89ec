"""Row 24: what a pause does to one saga.

While a saga is paused, replies are applied and nothing is sent. A pause is the saga's own (an
operator's act), its definition's, or a participant's; the last holds that participant's steps
alone. Nothing that a pause has held counts against the saga once it is over. So the first decision
after its end moves the saga's times, once, and notes up to when pauses were counted:

- the limit of a step and the saga's deadline move by the length of the pause;
- silence and heartbeats are counted anew from its end, and a probe from before it proves nothing,
  as after a lapse (`timing.py`): nobody was asked meanwhile, and a participant that was paused may
  have been down.

Where instances hear of a pause at different times, the saga gets more time and never less.
"""

from __future__ import annotations

from typing import Any

from saga_coordinator.engine import timing
from saga_coordinator.engine.definition import Step
from saga_coordinator.engine.draft import Draft
from saga_coordinator.engine.events import Pause, Refused, Resume
from saga_coordinator.engine.facts import Acted
from saga_coordinator.engine.pauses import Interval, known_until, last_end_us, paused_us
from saga_coordinator.engine.state import Phase, Status, StepState, is_open

NOT_PAUSED = "not_paused"


def pause(draft: Draft, event: Pause) -> None:
    """The saga's own pause. Pausing what is paused already is fine and changes nothing."""
    if draft.saga.paused_at_us is not None:
        return
    draft.add(Acted(act="pause", actor=event.actor, reason=event.reason))
    draft.change_saga("24", paused_at_us=draft.env.now_us, paused_by=event.actor, paused_why=event.reason)


def resume(draft: Draft, event: Resume) -> None:
    """The saga's own pause ends. What it held is due now."""
    if draft.saga.paused_at_us is None:
        of_definition = draft.definition.name in draft.env.pauses.paused_definitions
        more = f": its definition {draft.definition.name} is" if of_definition else ""
        raise Refused(NOT_PAUSED, f"the saga itself is not paused{more}")
    draft.add(Acted(act="resume", actor=event.actor, reason=event.reason))
    draft.change_saga("24", paused_at_us=None, paused_by=None, paused_why=None)


def count(draft: Draft, *, resuming: bool) -> None:
    """Move the saga's times by the pauses that have ended since they were last counted.

    `resuming`: this decision ends the saga's own pause.
    """
    saga, pauses = draft.saga, draft.env.pauses
    if saga.phase is Phase.SCHEDULED:
        return  # no time of it counts before it begins
    counted_us = max(saga.pauses_counted_us, saga.started_at_us)
    if not resuming and pauses.last_end_us <= counted_us:
        return
    now_us = draft.env.now_us
    known_us = now_us if pauses.as_of_us is None else min(pauses.as_of_us, now_us)
    whole = known_until(pauses.definitions.get(draft.definition.name, ()), known_us)
    if saga.paused_at_us is not None:
        whole += known_until([Interval(saga.paused_at_us, now_us if resuming else None)], known_us)
    of_step = {
        step.name: [*whole, *known_until(pauses.participants.get(step.participant, ()), known_us)]
        for step in draft.definition.steps
    }
    if not any(paused_us(held, counted_us) for held in of_step.values()):
        return
    for step, state in draft.steps():
        if timing.has_limits(state) and paused_us(of_step[step.name], counted_us):
            draft.change(step.name, "24", **_moved(step, state, of_step[step.name], counted_us))
    changes: dict[str, Any] = {"pauses_counted_us": max(known_us, counted_us)}
    if saga.deadline_at_us is not None and saga.phase is Phase.RUNNING:
        waits = [held for step, state in draft.steps() if _is_wanted(state) for held in of_step[step.name]]
        changes["deadline_at_us"] = saga.deadline_at_us + paused_us([*whole, *waits], counted_us)
    draft.change_saga("24", **changes)
    draft.take_as_given()


def _is_wanted(state: StepState) -> bool:
    """The saga waits for it now."""
    return state.status is Status.READY or is_open(state)


def _moved(step: Step, state: StepState, held: list[Interval], counted_us: int) -> dict[str, Any]:
    """The step's times after these pauses."""
    end_us = last_end_us(held)
    changes: dict[str, Any] = {"probed_at_us": None}
    if state.asked_at_us is not None:
        changes["asked_at_us"] = state.asked_at_us + paused_us(held, max(counted_us, state.asked_at_us))
    if state.silent_since_us is not None:
        changes["silent_since_us"] = max(state.silent_since_us, end_us)
    if state.heartbeat_at_us is not None:
        changes["heartbeat_at_us"] = max(state.heartbeat_at_us, end_us + (step.timing.heartbeat_ms or 0) * 1000)
    return changes
