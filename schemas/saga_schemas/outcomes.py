"""The words of the protocol: kinds of command and outcomes of one.

Truth: docs/wire.md (header values) and docs/ARCHITECTURE.md (what each outcome does to a step).
"""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """What a command asks of a participant (`ce_sagakind`)."""

    ACTION = "action"
    COMPENSATION = "compensation"
    RESOLVE = "resolve"


class Outcome(StrEnum):
    """What a participant answers (`ce_sagaoutcome`).

    Silence is not an outcome: it is UNKNOWN to the coordinator.
    """

    SUCCEEDED = "SUCCEEDED"
    """The effect is committed, now or before."""
    REJECTED = "REJECTED"
    """A definite business no, remembered, without effect."""
    FAILED = "FAILED"
    """A hint, never remembered: this attempt had no effect."""
    IN_PROGRESS = "IN_PROGRESS"
    """Accepted; the answer comes later. Ordered by `ce_sagaseq`."""
    FENCED = "FENCED"
    """Never ran and never will."""
    UNDONE = "UNDONE"
    """The effect was undone."""
    NOTHING_TO_UNDO = "NOTHING_TO_UNDO"
    """There was no effect and there never will be."""
    EXPIRED = "EXPIRED"
    """Too old to be accepted: undecided."""
    UNSUPPORTED = "UNSUPPORTED"
    """Unknown kind, record or protocol version."""
