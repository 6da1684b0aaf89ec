"""What can happen to a saga, and what the engine is told of the world while it decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Final

from saga_coordinator.engine.pauses import NO_PAUSES, Pauses
from saga_schemas.outcomes import Kind, Outcome
from saga_schemas.record_class import record


@record
class Start:
    """A saga begins."""

    id: str
    tenant: str
    key: str | None
    input: bytes
    """Framed, under the pinned input schema."""
    incarnation: int
    message_id: str | None = None
    """Id of the message or request that asks for it."""
    recovered: bool = False
    """It may have begun before, in a database that was lost: "never asked" is not trusted."""
    restarted_from: str | None = None
    """Id of the finished saga that a person restarted."""
    start_at_us: int | None = None
    """When it is to begin; None, or a time that has passed: at once."""


@record
class Reply:
    """A participant's answer.

    Token and framing are verified already, and the payload is under the pinned reader schema.
    """

    step: str
    kind: Kind
    run: int
    attempt: int
    incarnation: int
    version: int
    """The saga's version when the command was decided, echoed."""
    outcome: Outcome
    sequence: int | None = None
    row_run: int | None = None
    code: str | None = None
    message: str | None = None
    retry_after_ms: int | None = None
    payload: bytes | None = None
    causation_id: str | None = None
    """Id of the command it answers."""
    message_id: str | None = None
    """Its own id."""
    time_us: int | None = None
    """When it was made, by the participant's clock."""
    taken_at_us: int | None = None
    """When the participant began with the command, by its clock.

    This and the next are kept for people. No decision reads them: they may say anything.
    """
    handler_us: int | None = None
    """How long its handler took."""

    @property
    def is_evidence(self) -> bool:
        """The answer proves something about its run.

        A compensation's SUCCEEDED speaks of a newer run (row 15b), and its REJECTED of nothing.
        """
        return self.outcome in (_PROOFS_OF_COMPENSATION if self.kind is Kind.COMPENSATION else _PROOFS_OF_ACTION)


_PROOFS_OF_ACTION: Final = frozenset({Outcome.SUCCEEDED, Outcome.REJECTED, Outcome.FENCED})
_PROOFS_OF_COMPENSATION: Final = frozenset({Outcome.UNDONE, Outcome.NOTHING_TO_UNDO})


@record
class WakeUp:
    """The timer fired: a request to look, not an order."""


@record
class Cancel:
    reason: str
    actor: str


@record
class RetryStep:
    step: str
    reason: str
    actor: str


@record
class WaiveStep:
    step: str
    evidence: str
    actor: str
    unsafe: bool = False
    """Do not ask the participant first."""


@record
class Pause:
    """Hold what is due of this saga, until it is resumed."""

    reason: str
    actor: str


@record
class Resume:
    reason: str
    actor: str


@record
class Terminate:
    """End it as it is, whatever is left of it."""

    reason: str
    actor: str


@record
class ChangeLimits:
    """Change retries and times of a step that is not settled, for this saga."""

    step: str
    changes: Mapping[str, int]
    """By the names of `limits.py`."""
    reason: str
    actor: str


@record
class MoveStart:
    """Let a saga that waits for its start time begin at another."""

    start_at_us: int
    reason: str
    actor: str


@record
class Recover:
    """The database was restored from a backup under a new incarnation (row 22)."""

    incarnation: int


Act = Cancel | RetryStep | WaiveStep | Pause | Resume | Terminate | ChangeLimits | MoveStart
"""What a person does; one that the state does not allow is refused."""
Event = Start | Reply | WakeUp | Act | Recover


@record
class Env:
    """What a decision may know besides the saga. Nothing is read or drawn inside."""

    now_us: int
    """The database's clock, microseconds."""
    caught_up_at_us: Mapping[str, int] = field(default_factory=dict)
    """By participant: the earliest `caught_up_at_us` over all partitions of its reply topic.

    Absent: not caught up.
    """
    unread: frozenset[str] = frozenset()
    """Steps that say they are done in a reply which cannot be read yet.

    No limit acts on them as if nothing had come.
    """
    holds: Mapping[str, str] = field(default_factory=dict)
    """Admission: steps that may not be asked now, with the named reason."""
    pauses: Pauses = NO_PAUSES
    """Of definitions and participants; a saga's own is in its state."""
    alive_since_us: int | None = 0
    """Since when, without a lapse, some coordinator has fired timers and reached the broker.

    None: nobody knows that one does now, so no limit acts and nothing proves silence. 0: this
    decision fires no timers.
    """

    @property
    def lived_since_us(self) -> int:
        return self.now_us if self.alive_since_us is None else self.alive_since_us


class Refused(Exception):
    """An operator's act that the saga's state does not allow.

    `code` is one of the API's: past_pivot, finished, not_stuck, not_paused, limit_refused,
    step_unknown, is_pivot, recovering, not_scheduled, start_too_far.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
