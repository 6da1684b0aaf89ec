"""The words of the protocol: kinds of command and of announcement, outcomes, states of a barrier's
row.

Truth: docs/wire.md (header values) and docs/ARCHITECTURE.md (what each outcome does to a step).
"""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """What a command asks of a participant (`ce_sagakind`)."""

    ACTION = "action"
    COMPENSATION = "compensation"
    RESOLVE = "resolve"


class AnnouncementKind(StrEnum):
    """What a record on a command topic says that is about no single saga (`ce_sagakind`)."""

    HORIZON = "horizon"
    """What may be forgotten."""
    SWEEP = "sweep"
    """Asks which rows there are."""


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


class RowState(StrEnum):
    """What the barrier's row of one (saga, step) remembers.

    No row at all means: nothing happened and nothing was forbidden.
    """

    ACCEPTED = "ACCEPTED"
    """The action was accepted and will be answered later."""
    DONE = "DONE"
    """The action's effect is committed."""
    REJECTED = "REJECTED"
    """The action was refused by the business, without effect."""
    FENCED = "FENCED"
    """No action up to the row's run may ever run."""
    UNDONE = "UNDONE"
    """The effect was undone; no action up to the row's run may ever run."""
