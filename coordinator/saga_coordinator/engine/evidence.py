"""Definite answers, and when two of them contradict each other (row 20)."""

from __future__ import annotations

from saga_coordinator.engine.events import Reply
from saga_coordinator.engine.state import Evidence
from saga_schemas.outcomes import Kind, Outcome

_OF_ACTION = {Outcome.SUCCEEDED: Evidence.SUCCEEDED, Outcome.REJECTED: Evidence.REJECTED, Outcome.FENCED: Evidence.FENCED}
_DONE = int(Evidence.SUCCEEDED | Evidence.UNDONE)
_NOT_DONE = int(Evidence.REJECTED | Evidence.NOTHING_TO_UNDO)
_FENCED_THOUGH_DONE = int(Evidence.SUCCEEDED | Evidence.FENCED)
_OF_COMPENSATION = {Outcome.UNDONE: Evidence.UNDONE, Outcome.NOTHING_TO_UNDO: Evidence.NOTHING_TO_UNDO}


def evidence_of(reply: Reply) -> Evidence:
    """What the answer proves about its run; a compensation's SUCCEEDED speaks of a newer run (row 15b), its REJECTED of nothing."""
    known = _OF_COMPENSATION if reply.kind is Kind.COMPENSATION else _OF_ACTION
    return known.get(reply.outcome, Evidence.NONE)


def contradicts(evidence: Evidence, *, compensated: bool) -> bool:
    """One run was done and was not; or it was done and fenced although nobody ever asked to undo it."""
    bits = int(evidence)  # plain, as in `was_sent`
    if bits & _DONE and bits & _NOT_DONE:
        return True
    return bits & _FENCED_THOUGH_DONE == _FENCED_THOUGH_DONE and not compensated
