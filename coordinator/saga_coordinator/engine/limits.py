"""Limits of a step that a person has changed for one saga: its retries, and its times.

They stand in the saga's state. Every decision sees the definition with them in place
(`limited.py`), and so does whoever asks when the saga is due, or why it waits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from saga_coordinator.engine import timing
from saga_coordinator.engine.definition import Step, StepKind
from saga_coordinator.engine.draft import Draft
from saga_coordinator.engine.events import ChangeLimits, Refused
from saga_coordinator.engine.facts import Acted
from saga_coordinator.engine.limited import limited_step
from saga_coordinator.engine.state import SETTLED, WAITING, Phase, Status

NAMES: Final = frozenset({"attempts", "undo_attempts", "cap_ms", "step_ms", "reask_ms", "reask_cap_ms", "attention_ms"})


def change(draft: Draft, event: ChangeLimits) -> None:
    """Change them, and let what is due later than the new limits say be due by them.

    Raises Refused (step_unknown, not_stuck, limit_refused).
    """
    step = draft.definition.by_name.get(event.step)
    if step is None:
        raise Refused("step_unknown", f"the definition has no step {event.step}")
    state = draft.step(step.name)
    if state.status in SETTLED or (state.status is Status.DONE and draft.phase is Phase.COMMITTED):
        raise Refused("not_stuck", f"step {step.name} is {state.status}: nothing of it is pending")
    changes = dict(event.changes)
    assert changes.keys() <= NAMES, "the door lets no other name in"
    if changes.get("attempts") == 0 and step.kind is not StepKind.RETRIABLE:
        raise Refused("limit_refused", f"step {step.name} stands before the point of no return: its retries must end")
    known: Mapping[str, Mapping[str, int]] = draft.saga.limits or {}
    draft.add(Acted(act="limits", actor=event.actor, reason=event.reason, step=step.name))
    draft.change_saga("28", limits={**known, step.name: {**known.get(step.name, {}), **changes}})
    _hasten(draft, limited_step(step, changes))


def _hasten(draft: Draft, step: Step) -> None:
    """What waits by the old limits need not wait longer than the new ones say."""
    state, now_us = draft.step(step.name), draft.env.now_us
    if state.due_at_us is None:
        return
    due_us = state.due_at_us
    if state.status in WAITING and state.status is not Status.ACCEPTED:
        due_us = min(due_us, now_us + timing.reask_delay_us(step, state.reasks))
    elif state.status is Status.BACKOFF:
        due_us = min(due_us, now_us + step.action.retry.cap_ms * 1000)
    elif state.status is Status.UNDO_BACKOFF and step.compensation is not None:
        due_us = min(due_us, now_us + step.compensation.retry.cap_ms * 1000)
    draft.change(step.name, "28", due_at_us=due_us)
