"""Definite answers, and when two of them contradict each other (row 20)."""

from __future__ import annotations

from saga_coordinator.engine.events import Reply
from saga_coordinator.engine.state import Evidence
from saga_schemas.outcomes import Kind, Outcome

_OF_ACTION = {Outcome.SUCCEEDED: Evidence.SUCCEEDED, Outcome.REJECTED: Evidence.REJECTED, Outcome.FENCED: Evidence.FENCED}
_OF_COMPENSATION = {Outcome.UNDONE: Evidence.UNDONE, Outcome.NOTHING_TO_UNDO: Evidence.NOTHING_TO_UNDO}


def evidence_of(reply: Reply) -> Evidence:
    """What the answer proves about its run; a compensation's SUCCEEDED speaks of a newer run (row 15b), its REJECTED of nothing."""
    known = _OF_COMPENSATION if reply.kind is Kind.COMPENSATION else _OF_ACTION
    return known.get(reply.outcome, Evidence.NONE)


def contradicts(evidence: Evidence, *, compensated: bool) -> bool:
    """One run was done and was not; or it was done and fenced although nobody ever asked to undo it."""
    done = evidence & (Evidence.SUCCEEDED | Evidence.UNDONE)
    not_done = evidence & (Evidence.REJECTED | Evidence.NOTHING_TO_UNDO)
    fenced = evidence & Evidence.SUCCEEDED and evidence & Evidence.FENCED
    return bool((done and not_done) or (fenced and not compensated))
