"""Row 22: a saga whose database was restored from a backup asks every step it ever dispatched, and
moves only when all have answered.

What it believes may be older than what happened: evidence is cleared, "never asked" is not trusted,
and no timer, cancel, dispatch or change of phase happens until the last definite answer is in.
"""

from __future__ import annotations

from typing import Any

from saga_coordinator.engine import timing
from saga_coordinator.engine.definition import Definition, MappingFailed, Step, StepKind
from saga_coordinator.engine.draft import Draft
from saga_coordinator.engine.events import Recover, Reply
from saga_coordinator.engine.forgetting import next_run
from saga_coordinator.engine.state import SETTLED, Phase, Saga, Status, StepState, is_open
from saga_schemas.outcomes import Kind, Outcome

FROM_THE_FUTURE = "reply_from_the_future"
"""A participant answered a command this database never decided: it went back.

Recovering is what mends it.
"""
_COMPENSATION_SENT = frozenset({Status.UNDO_ASKED, Status.UNDO_BACKOFF, Status.STUCK_BACK, Status.UNDONE})
_GOING_BACK = frozenset({Status.RESOLVING, Status.UNDO_DUE, Status.UNDO_ASKED, Status.UNDO_BACKOFF, Status.STUCK_BACK})
_ASKED_ANEW: dict[str, Any] = {
    "evidence": frozenset(),
    "asking": None,
    "attempt": 0,
    "silent_since_us": None,
    "probed_at_us": None,
    "reasks": 0,
    "heartbeat_at_us": None,
    "attention": None,
    "answered": False,
}


def unanswered(definition: Definition, saga: Saga) -> frozenset[str]:
    """The participants whose definite answers a recovering saga waits for."""
    if not saga.recovering:
        return frozenset()
    return frozenset(step.participant for step in definition.steps if not saga.steps[step.name].answered)


def begin(draft: Draft, event: Recover) -> None:
    """Ask everything that was ever dispatched, under the new incarnation.

    A conflict stays one: it waits for a person.
    """
    attention = None if draft.saga.attention == FROM_THE_FUTURE else draft.saga.attention
    draft.change_saga("22", incarnation=event.incarnation, recovered=True, recovering=True, attention=attention)
    for step, state in draft.steps():
        if not state.dispatched or state.status is Status.CONFLICT:
            continue
        asked_at_us = None if is_open(state) else state.asked_at_us  # deadlines are re-armed
        draft.change(step.name, "22", **_ASKED_ANEW, asked_at_us=asked_at_us)
        _ask(draft, step, _question(state), Status.ASKED if is_open(state) else state.status)
    _go_on(draft)


def _question(state: StepState) -> Kind:
    if is_open(state) or state.status in (Status.DONE, Status.STUCK_FORWARD):
        return Kind.ACTION
    if Kind.COMPENSATION in state.sent and state.status in _COMPENSATION_SENT:
        return Kind.COMPENSATION
    return Kind.RESOLVE


def _ask(draft: Draft, step: Step, kind: Kind, status: Status) -> None:
    if draft.is_held(step):
        draft.change(step.name, "22", status=status, asking=kind, due_at_us=draft.env.now_us)
        return
    try:
        draft.send(step.name, kind, "22", status=status)
    except MappingFailed:  # the compensation's mapping gives nothing: what became of the action can be asked all the same
        draft.send(step.name, Kind.RESOLVE, "22", status=status)


def ask_again(draft: Draft) -> None:
    for step, state in draft.steps():
        if not state.answered and timing.is_due(step, state, draft.env) and not draft.is_held(step):
            _ask(draft, step, state.asking or Kind.RESOLVE, state.status)


def answer(draft: Draft, step: Step, reply: Reply) -> None:
    """Only definite answers count."""
    state = draft.step(step.name)
    if reply.kind is Kind.COMPENSATION and reply.outcome is Outcome.SUCCEEDED:
        _adopt(draft, step, state, reply)
        return
    if not reply.is_evidence:
        return
    draft.see(step, reply, keep_words=False)
    known = state.known or reply.outcome is Outcome.SUCCEEDED
    fresh = {"answered": True, "waiving": False, "silent_since_us": None, "probed_at_us": None, "reasks": 0, "known": known}
    draft.move(step.name, "22", _becomes(draft, step, state, reply), **fresh)
    _go_on(draft)


def conflict(draft: Draft, step: Step) -> None:
    """A contradiction is an answer too: it waits for a person, and the others need not wait for
    it."""
    draft.change(step.name, "22", answered=True)
    _go_on(draft)


def _adopt(draft: Draft, step: Step, state: StepState, reply: Reply) -> None:
    """Row 15b while recovering: the participant holds a newer run; that is the one to undo."""
    draft.change(step.name, "15b", **(next_run(state) | {"run": reply.row_run}))
    _ask(draft, step, Kind.COMPENSATION, state.status)


def _becomes(draft: Draft, step: Step, state: StepState, reply: Reply) -> Status:
    """Rows 3, 4, 7, 15, 18 and 19, without what they do to the phase.

    That is decided when all have answered.
    """
    if is_open(state) or state.status in (Status.DONE, Status.STUCK_FORWARD):
        if reply.outcome is Outcome.SUCCEEDED:
            return Status.DONE
        if draft.phase is Phase.COMMITTED:
            return Status.STUCK_FORWARD
        return Status.NO_EFFECT if reply.outcome is Outcome.REJECTED else Status.UNDONE
    if state.status not in _GOING_BACK:
        return state.status
    if reply.outcome in (Outcome.UNDONE, Outcome.NOTHING_TO_UNDO):
        return Status.UNDONE
    if reply.outcome is not Outcome.SUCCEEDED:
        return _without_effect(step, state, reply.outcome)
    if step.kind is StepKind.PIVOT or draft.phase is Phase.COMMITTED:
        return Status.DONE
    if state.waiving:
        return Status.WAIVED
    return Status.KEPT if step.compensation is None else Status.UNDO_DUE


def _without_effect(step: Step, state: StepState, outcome: Outcome) -> Status:
    if state.waiving:
        return Status.WAIVED
    never = outcome is Outcome.REJECTED or (step.compensation is None and step.kind is StepKind.COMPENSATABLE)
    return Status.NO_EFFECT if never else Status.UNDONE


def _go_on(draft: Draft) -> None:
    """All have answered: the evidence decides the phase, deadlines start anew, and the saga goes
    on.
    """
    if not all(state.answered for _, state in draft.steps()):
        return
    deadline_ms = draft.definition.deadline_ms if draft.phase is not Phase.SCHEDULED else None
    deadline = draft.env.now_us + deadline_ms * 1000 if deadline_ms is not None else None
    draft.change_saga("22", recovering=False, deadline_at_us=deadline)
    for step, state in draft.steps():
        if state.status is Status.STUCK_FORWARD and state.attention is None:
            draft.stick(step.name, "22", Status.STUCK_FORWARD, "recovered_without_effect")
    _decide_phase(draft)


def _decide_phase(draft: Draft) -> None:
    if draft.phase not in (Phase.RUNNING, Phase.SETTLING):
        return
    pivot = draft.definition.pivot
    if pivot is not None:
        state = draft.step(pivot.name)
        if state.status is Status.DONE:
            draft.enter_phase(Phase.COMMITTED, "22")
            return
        if state.status in SETTLED and (draft.phase is Phase.SETTLING or state.dispatched):
            draft.compensate("22", "recovered: the pivot has no effect")
            return
    if draft.phase is Phase.RUNNING:
        undone = [s.name for s, state in draft.steps() if state.dispatched and state.status in (Status.UNDONE, Status.NO_EFFECT)]
        if undone:
            draft.go_back("22", f"recovered: {undone[0]} has no effect", by_evidence=True)
