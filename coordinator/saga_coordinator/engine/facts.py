"""The facts a decision yields, and the fold that makes state of them.

A fact says what became, never what to decide: folding the journal's facts gives the stored state
under any later release (S8). `Fold.apply` is the only place that changes a saga; the engine works
on a Fold, and `evolve` is the same fold from the outside.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from saga_coordinator.engine.copying import changed, copyable, values_of
from saga_coordinator.engine.state import Kept, Phase, Saga, Status, StepState, inline_bytes
from saga_schemas.outcomes import Kind, Outcome


@copyable
class Started:
    id: str
    tenant: str
    definition: str
    key: str | None
    input: bytes
    incarnation: int
    steps: tuple[str, ...]
    at_us: int
    deadline_at_us: int | None
    recovered: bool = False
    """It may have begun before, in a database that was lost."""
    restarted_from: str | None = None
    """Id of the finished saga that a person restarted."""
    start_at_us: int | None = None
    """When it is to begin: until then it is SCHEDULED. None: it has begun."""


@copyable
class PhaseChanged:
    row: str
    phase: Phase
    reason: str | None = None
    at_us: int | None = None
    """Set when the phase is final."""


@copyable
class StepChanged:
    """A step's fields, as they became. `row` names the row of the transition table."""

    step: str
    row: str
    changes: Mapping[str, Any]


@copyable
class SagaChanged:
    row: str
    changes: Mapping[str, Any]


@copyable
class CommandSent:
    """A command, with the very bytes.

    Its place among the record's facts is the command id's last number.
    """

    step: str
    row: str
    kind: Kind
    run: int
    attempt: int
    participant: str
    record: str
    payload: bytes
    expiry_at_us: int
    at_us: int
    due_at_us: int
    """When it is asked again."""
    status: Status
    probe: bool = False
    causation_id: str | None = None
    """Id of the start or reply that caused it; None: a timer, an operator or a restore did."""


@copyable
class ReplySeen:
    """An answer that was applied."""

    step: str
    kind: Kind
    run: int
    attempt: int
    outcome: Outcome
    code: str | None = None
    message: str | None = None
    payload: bytes | None = None
    keep: bool = False
    """The payload becomes the step's reply."""
    causation_id: str | None = None
    """Id of the command it answers."""
    taken_at_us: int | None = None
    """When the participant began with the command, by its own clock; it may say anything."""
    handler_us: int | None = None
    """How long its handler took, as it says."""


@copyable
class Announced:
    """A lifecycle event for `saga.events`."""

    event: str
    sequence: int
    phase: Phase
    step: str | None = None
    reason: str | None = None
    causation_id: str | None = None
    """As a command's."""


@copyable
class Acted:
    """An operator did something."""

    act: str
    actor: str
    reason: str
    step: str | None = None


@copyable
class EffectLeft:
    """The saga was ended as it was, and this step's effect `stays` or `may_stay`
    (`termination.py`).
    """

    step: str
    effect: str


Fact = Started | PhaseChanged | StepChanged | SagaChanged | CommandSent | ReplySeen | Announced | Acted | EffectLeft
MESSAGES = (CommandSent, Announced)
"""The facts that leave through the outbox."""


class Fold:
    """A saga while facts are applied to it."""

    __slots__ = ("_inline_bytes", "fields", "saga", "steps")

    def __init__(self, saga: Saga | None) -> None:
        self.saga = saga
        """As it was before; a saga that starts: as `Started` made it."""
        self.steps: dict[str, StepState] = {}
        self.fields: dict[str, Any] = {}
        """The saga's own fields, as they became."""
        if saga is not None:
            self._open(saga)

    def _open(self, saga: Saga) -> None:
        self.steps = dict(saga.steps)
        self._inline_bytes = inline_bytes(len(saga.steps))
        self.fields = dict(values_of(saga))

    def apply(self, fact: Fact) -> None:
        match fact:
            case StepChanged():
                self.steps[fact.step] = changed(self.steps[fact.step], fact.changes)
            case CommandSent():
                self.steps[fact.step] = self._after_sending(self.steps[fact.step], fact)
            case ReplySeen():
                if fact.keep:
                    self.steps[fact.step] = changed(self.steps[fact.step], {"reply": self._remembered(fact.payload)})
            case PhaseChanged():
                self.fields["phase"] = fact.phase
                if fact.reason is not None:
                    self.fields["reason"] = fact.reason
                if fact.at_us is not None:
                    self.fields["closed_at_us"] = fact.at_us
            case SagaChanged():
                self.fields.update(fact.changes)
            case Announced():
                self.fields["announced"] = fact.sequence
            case Started():
                self.saga = _begun(fact)
                self._open(self.saga)
            case Acted() | EffectLeft():
                pass

    def _remembered(self, payload: bytes | None) -> bytes | Kept | None:
        """As the state holds it: small ones themselves, large ones by where they stand."""
        if payload is None or len(payload) <= self._inline_bytes:
            return payload
        assert self.saga is not None
        return Kept(version=self.saga.version + 1, size=len(payload))

    def _after_sending(self, step: StepState, sent: CommandSent) -> StepState:
        is_action = sent.kind is Kind.ACTION
        changes = {
            "status": sent.status,
            "asking": sent.kind,
            "attempt": sent.attempt,
            "sent": step.sent | {sent.kind},
            "dispatched": True,
            "reasks": step.reasks + 1 if step.silent_since_us is not None else 0,
            "asked_at_us": sent.at_us if is_action and step.asked_at_us is None else step.asked_at_us,
            "silent_since_us": sent.at_us if step.silent_since_us is None else step.silent_since_us,
            "probed_at_us": sent.at_us if sent.probe else step.probed_at_us,
            "due_at_us": sent.due_at_us,
            "hold": None,
            "command": self._remembered(sent.payload) if is_action and step.command is None else step.command,
        }
        return changed(step, changes)

    def rebase(self) -> None:
        """What was applied so far becomes the saga as it was before."""
        assert self.saga is not None, "a saga that starts has nothing before it"
        self.saga = changed(self.saga, {**self.fields, "steps": dict(self.steps)})

    def result(self) -> Saga:
        """The saga one version on."""
        assert self.saga is not None, "the first fact of a saga is Started"
        return changed(self.saga, {**self.fields, "version": self.saga.version + 1, "steps": self.steps})


def evolve(saga: Saga | None, facts: Iterable[Fact]) -> Saga:
    """Fold one transition's facts into the saga.

    Args:
        saga: The saga before the transition; None for the first.
        facts: All facts of the transition, in order.

    Returns:
        The saga one version on.
    """
    fold = Fold(saga)
    for fact in facts:
        fold.apply(fact)
    return fold.result()


def payload_in(facts: Iterable[Fact], step: str, what: str) -> bytes | None:
    """The payload that a transition's facts brought to the step's `command` or `reply`."""
    for fact in facts:
        match fact:
            case CommandSent() if what == "command" and fact.step == step and fact.kind is Kind.ACTION:
                return fact.payload
            case ReplySeen() if what == "reply" and fact.step == step and fact.keep:
                return fact.payload
    return None


_FRESH = StepState()


def _begun(fact: Started) -> Saga:
    return Saga(
        id=fact.id,
        tenant=fact.tenant,
        definition=fact.definition,
        key=fact.key,
        version=0,
        phase=Phase.RUNNING if fact.start_at_us is None else Phase.SCHEDULED,
        incarnation=fact.incarnation,
        recovered=fact.recovered,
        input=fact.input,
        steps=dict.fromkeys(fact.steps, _FRESH),
        started_at_us=fact.at_us,
        deadline_at_us=fact.deadline_at_us,
        restarted_from=fact.restarted_from,
        start_at_us=fact.start_at_us,
    )
