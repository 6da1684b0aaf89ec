"""IN_PROGRESS: any answer ends the silence, only news extends the heartbeat (rows 6 and 8b).

News is a sequence higher than any seen for this kind of command in this run; an answer without a
sequence always is. A step that says "not yet" whenever it is asked may wait as long as it likes:
for a person, for a bank. Only where the definition set a heartbeat does its end matter: the step is
asked (row 8c), and when that answer brings no news either, somebody must look: `no_progress`.
"""

from __future__ import annotations

from saga_coordinator.engine import timing
from saga_coordinator.engine.definition import Step
from saga_coordinator.engine.draft import Draft
from saga_coordinator.engine.events import Reply
from saga_coordinator.engine.state import Status, StepState


def is_news(state: StepState, reply: Reply) -> bool:
    return reply.sequence is None or reply.sequence > state.progress


def accept(draft: Draft, step: Step, reply: Reply, row: str, status: Status) -> None:
    """It was accepted and will be answered later; the note of the participant is kept for
    people."""
    state = draft.step(step.name)
    now_us, heartbeat_ms = draft.env.now_us, step.timing.heartbeat_ms
    draft.change(
        step.name,
        row,
        status=status,
        due_at_us=now_us + step.timing.reask_cap_ms * 1000,
        hold=None,
        code=None,
        message=reply.message,
    )
    if is_news(state, reply):
        draft.change(
            step.name,
            row,
            progress=reply.sequence if reply.sequence is not None else max(state.progress, 1),
            heartbeat_at_us=now_us + heartbeat_ms * 1000 if heartbeat_ms is not None else None,
        )
    elif heartbeat_ms is not None and state.heartbeat_at_us is None and state.progress > 0:
        draft.raise_attention(step.name, row, timing.NO_PROGRESS)


__all__ = ["accept", "is_news"]
