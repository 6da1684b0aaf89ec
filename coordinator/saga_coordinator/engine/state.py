"""The state of one saga: phases, step states, and what is remembered of each step.

Frozen; changed only by folding facts (`facts.py`). The words are those of docs/ARCHITECTURE.md.
Times are microseconds of the database's clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from enum import StrEnum
from typing import Final

from saga_coordinator.engine.copying import copyable
from saga_schemas.outcomes import Kind, Outcome
from saga_schemas.record_class import record


class Phase(StrEnum):
    """Where the whole saga stands."""

    SCHEDULED = "SCHEDULED"
    """It waits for its start time: nothing was asked."""
    RUNNING = "RUNNING"
    SETTLING = "SETTLING"
    """We want to go back, but the pivot may have been asked."""
    COMMITTED = "COMMITTED"
    """Past the point of no return: only forward."""
    COMPENSATING = "COMPENSATING"
    COMPLETED = "COMPLETED"
    COMPENSATED = "COMPENSATED"
    FORCED = "FORCED"
    """An operator waived something, or ended it as it was; what is left is listed."""


FINAL = frozenset({Phase.COMPLETED, Phase.COMPENSATED, Phase.FORCED})


class Status(StrEnum):
    """Where one step stands."""

    IDLE = "idle"
    READY = "ready"
    ASKED = "asked"
    ACCEPTED = "accepted"
    BACKOFF = "backoff"
    DONE = "done"
    NO_EFFECT = "no_effect"
    UNDO_DUE = "undo_due"
    UNDO_ASKED = "undo_asked"
    UNDO_BACKOFF = "undo_backoff"
    RESOLVING = "resolving"
    UNDONE = "undone"
    KEPT = "kept"
    STUCK_FORWARD = "stuck_forward"
    STUCK_BACK = "stuck_back"
    WAIVED = "waived"
    CONFLICT = "conflict"
    """Stuck by contradicting definite evidence (row 20)."""


SETTLED = frozenset({Status.UNDONE, Status.NO_EFFECT, Status.KEPT, Status.WAIVED})
"""Nothing of this step can happen any more on the way back."""
PASSED = frozenset({Status.DONE, Status.NO_EFFECT, Status.WAIVED})
"""Steps after it may go on."""
WAITING = frozenset({Status.ASKED, Status.ACCEPTED, Status.UNDO_ASKED, Status.RESOLVING})
"""A command was sent and its answer is awaited."""


class StuckFrom(StrEnum):
    """What a step that is stuck on the way back was doing: it tells what a retry does."""

    UNDO = "undo"
    RESOLVING = "resolving"
    MAPPING = "mapping"


INLINE_BYTES = 16 * 1024
"""A payload that is larger stands in the journal alone."""
STATE_PAYLOADS_BYTES = 256 * 1024
"""What all payloads in one state may take together, the input apart: steps share it evenly."""


@record
class Kept:
    """A payload that stands outside the state: in the journal record of this version, with the fact
    that brought it.
    """

    version: int
    size: int


@record
class Wanted:
    """A kept payload that a decision reads: the `command` or the `reply` of a step."""

    step: str
    what: str
    kept: Kept


def inline_bytes(steps: int) -> int:
    """How large a payload may be to stand in the state of a saga with so many steps, each with a
    command and a reply.
    """
    return min(INLINE_BYTES, STATE_PAYLOADS_BYTES // (2 * max(steps, 1)))


@copyable
class StepState:
    """What is remembered of one step."""

    status: Status = Status.IDLE
    run: int = 1
    """Epoch of the idempotency key: raised by an operator's retry of a REJECTED or FENCED action.
    """
    asking: Kind | None = None
    """The kind of the last command sent."""
    attempt: int = 0
    """Its delivery number in this run."""
    sent: frozenset[Kind] = frozenset()
    """Kinds of command ever sent in this run."""
    dispatched: bool = False
    """A command of any run may have reached the participant."""
    known: bool = False
    """The action's SUCCEEDED was seen: its reply, if pinned, is known."""
    evidence: frozenset[Outcome] = frozenset()
    """Definite answers recorded for this run."""
    spent: int = 0
    """FAILED answers to the action in this run."""
    undo_spent: int = 0
    """FAILED answers to the compensation in this run."""
    reasks: int = 0
    """How often a command was sent again since the last answer.

    The re-ask interval grows with it.
    """
    progress: int = 0
    """The highest sequence of IN_PROGRESS seen for this kind of command.

    1 where answers carry no sequence; 0 when the command was not accepted.
    """
    asked_at_us: int | None = None
    """When the action of this run was first asked: the step's time limit counts from here."""
    silent_since_us: int | None = None
    """When the first command since the last answer was sent."""
    probed_at_us: int | None = None
    """When a command was sent again because a limit had passed (the probe)."""
    skew_us: int | None = None
    """How far the participant's clock is ahead of the database's, at least. 0: it need not be.

    Set while the last answer is EXPIRED.
    """
    due_at_us: int | None = None
    """When to ask again (waiting states) or to go on (backoff states)."""
    heartbeat_at_us: int | None = None
    """When an accepted step without news is asked again."""
    stuck_from: StuckFrom | None = None
    waiving: bool = False
    """An operator's waive waits for RESOLVE's answer."""
    answered: bool = True
    """False while a recovered saga waits for this step's definite answer."""
    hold: str | None = None
    """Why admission holds a ready step."""
    attention: str | None = None
    """The reason a person must look; None when nobody must."""
    code: str | None = None
    """Code of the last FAILED, REJECTED or mapping failure."""
    message: str | None = None
    """What the participant said with it; of accepted work, its last note."""
    command: bytes | Kept | None = None
    """The action's framed payload, as sent."""
    reply: bytes | Kept | None = None
    """The action's framed reply, kept only when something reads it."""


@copyable
class Saga:
    """One saga. `version` counts transitions; each has one journal record."""

    id: str
    tenant: str
    definition: str
    """Hash of the definition it is pinned to."""
    key: str | None
    version: int
    phase: Phase
    incarnation: int
    recovered: bool = False
    """It was carried over from a backup at least once: "never asked" is not trusted."""
    recovering: bool = False
    input: bytes
    steps: Mapping[str, StepState]
    reason: str | None = None
    """Why it went back: `<step>: <what>`, `cancel: …`, `deadline`."""
    started_at_us: int
    deadline_at_us: int | None = None
    closed_at_us: int | None = None
    announced: int = 0
    """Sequence of the last lifecycle event."""
    attention: str | None = None
    """A reason that concerns the saga as a whole."""
    paused_at_us: int | None = None
    """Since when the saga itself is paused. Pauses of its definition or of participants are none of
    its state.
    """
    paused_by: str | None = None
    paused_why: str | None = None
    limits: Mapping[str, Mapping[str, int]] | None = None
    """By step: the limits that a person has changed (`limits.py`)."""
    restarted_from: str | None = None
    """Id of the finished saga whose input it has, where a person restarted that."""
    pauses_counted_us: int = 0
    """Up to when pauses have moved its limits (`pausing.py`)."""
    start_at_us: int | None = None
    """When it begins, or was to begin, where its start was delayed (`delaying.py`)."""
    begun_at_us: int | None = None
    """When it began, where it waited for that."""

    @property
    def final(self) -> bool:
        return self.phase in FINAL

    @property
    def ran_from_us(self) -> int:
        """From when its time counts: the wait for its start time is none of it."""
        return self.started_at_us if self.begun_at_us is None else self.begun_at_us


def is_open(step: StepState) -> bool:
    """Asked, accepted, backoff, or ready after having been asked."""
    return step.status in _OPEN or (step.status is Status.READY and step.dispatched)


_OPEN = frozenset({Status.ASKED, Status.ACCEPTED, Status.BACKOFF})


_DONE: Final = frozenset({Outcome.SUCCEEDED, Outcome.UNDONE})
_NOT_DONE: Final = frozenset({Outcome.REJECTED, Outcome.NOTHING_TO_UNDO})


def contradicts(evidence: Set[Outcome], *, compensated: bool) -> bool:
    """Two definite answers of one run contradict each other (row 20).

    The run was done and was not; or it was done and fenced although nobody ever asked to undo it.
    """
    if evidence & _DONE and evidence & _NOT_DONE:
        return True
    return Outcome.SUCCEEDED in evidence and Outcome.FENCED in evidence and not compensated
