"""Row 23: what an operator may do to a stuck or silent step."""

from __future__ import annotations

from saga_coordinator.engine.backward import send_compensation
from saga_coordinator.engine.definition import Step
from saga_coordinator.engine.draft import Draft
from saga_coordinator.engine.events import Reply
from saga_coordinator.engine.forgetting import next_run
from saga_coordinator.engine.state import Status, StuckFrom
from saga_schemas.outcomes import Kind, Outcome


def retry(draft: Draft, step: Step, _: Reply | None) -> None:
    """Ask again now.

    A REJECTED or FENCED action is asked in a new run: the old one is closed for good.
    """
    state = draft.step(step.name)
    match state.status:
        case Status.STUCK_FORWARD:
            raised = next_run(state) if state.evidence & {Outcome.REJECTED, Outcome.FENCED} else {"spent": 0, "asked_at_us": None}
            draft.move(step.name, "23", Status.READY, **raised)
        case Status.ASKED:
            draft.send(step.name, Kind.ACTION, "23")
        case Status.UNDO_ASKED | Status.UNDO_BACKOFF:
            send_compensation(draft, step, "23")
        case Status.RESOLVING:
            draft.send(step.name, Kind.RESOLVE, "23")
        case _:
            _retry_stuck_back(draft, step, state.stuck_from)


def _retry_stuck_back(draft: Draft, step: Step, stuck_from: StuckFrom | None) -> None:
    if stuck_from is StuckFrom.RESOLVING:
        draft.send(step.name, Kind.RESOLVE, "23")
    elif stuck_from is StuckFrom.MAPPING:
        draft.move(step.name, "23", Status.UNDO_DUE)
    else:
        draft.change(step.name, "23", undo_spent=0)
        send_compensation(draft, step, "23")


def waive(draft: Draft, step: Step, _: Reply | None) -> None:
    """RESOLVE first: the waive holds only for what was not done, or cannot be undone."""
    draft.change(step.name, "23", waiving=True)
    draft.send(step.name, Kind.RESOLVE, "23")


def waive_unsafe(draft: Draft, step: Step, _: Reply | None) -> None:
    """Without asking: the evidence is the operator's word."""
    draft.move(step.name, "23", Status.WAIVED, waiving=False, silent_since_us=None, probed_at_us=None, reasks=0)
