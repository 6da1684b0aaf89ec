"""Definite answers, and when two of them contradict each other (row 20)."""

from __future__ import annotations

from collections.abc import Set
from typing import Final

from saga_coordinator.engine.events import Reply
from saga_schemas.outcomes import Kind, Outcome

_OF_ACTION: Final = frozenset({Outcome.SUCCEEDED, Outcome.REJECTED, Outcome.FENCED})
_OF_COMPENSATION: Final = frozenset({Outcome.UNDONE, Outcome.NOTHING_TO_UNDO})
_DONE: Final = frozenset({Outcome.SUCCEEDED, Outcome.UNDONE})
_NOT_DONE: Final = frozenset({Outcome.REJECTED, Outcome.NOTHING_TO_UNDO})


def is_evidence(reply: Reply) -> bool:
    """The answer proves something about its run.

    A compensation's SUCCEEDED speaks of a newer run (row 15b), and its REJECTED of nothing.
    """
    return reply.outcome in (_OF_COMPENSATION if reply.kind is Kind.COMPENSATION else _OF_ACTION)


def contradicts(evidence: Set[Outcome], *, compensated: bool) -> bool:
    """One run was done and was not; or it was done and fenced although nobody ever asked to undo it."""
    if evidence & _DONE and evidence & _NOT_DONE:
        return True
    return Outcome.SUCCEEDED in evidence and Outcome.FENCED in evidence and not compensated
