"""What a step forgets: when it leaves a state, when something else is asked of it, and when its run
is raised.
"""

from __future__ import annotations

from typing import Any, Final

from saga_coordinator.engine.state import Status, StepState
from saga_schemas.outcomes import Kind

_FORWARD = frozenset({Status.READY, Status.BACKOFF, Status.ASKED, Status.ACCEPTED})
LEFT_BEHIND: Final = {
    "due_at_us": None,
    "heartbeat_at_us": None,
    "hold": None,
    "attention": None,
    "stuck_from": None,
    "skew_us": None,
}
"""What belongs to the state a step leaves."""


def fresh_asking(state: StepState, kind: Kind, becomes: Status) -> dict[str, Any]:
    """What is forgotten when another kind of command is asked than before, or another state
    entered.
    """
    changes: dict[str, Any] = {}
    if state.asking is not kind:
        changes |= {"attempt": 0, "silent_since_us": None, "probed_at_us": None, "reasks": 0, "progress": 0, "skew_us": None}
    if state.status is not becomes:
        changes |= {"heartbeat_at_us": None, "stuck_from": None}
        if state.status not in _FORWARD:  # spent retries stay a matter for a person while they go on
            changes["attention"] = None
    return changes


def next_run(state: StepState) -> dict[str, Any]:
    """The fields of a step whose run is raised: evidence and counters belong to a run."""
    return {
        "run": state.run + 1,
        "asking": None,
        "attempt": 0,
        "sent": frozenset(),
        "known": False,
        "evidence": frozenset(),
        "spent": 0,
        "undo_spent": 0,
        "progress": 0,
        "asked_at_us": None,
        "silent_since_us": None,
        "probed_at_us": None,
        "reasks": 0,
        "skew_us": None,
        "code": None,
        "message": None,
    }
