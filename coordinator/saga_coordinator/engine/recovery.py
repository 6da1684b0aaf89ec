"""Row 22: a saga whose database was restored from a backup asks every step it ever dispatched, and moves only when all have answered.

What it believes may be older than what happened: evidence is cleared, "never asked" is not trusted, and no timer, cancel, dispatch or
change of phase happens until the last definite answer is in.
"""

from __future__ import annotations

from saga_coordinator.engine.definition import MappingFailed, Step
from saga_coordinator.engine.draft import Draft
from saga_coordinator.engine.events import Recover, Reply
from saga_coordinator.engine.evidence import evidence_of
from saga_coordinator.engine.facts import ReplySeen
from saga_coordinator.engine.state import SETTLED, Evidence, Phase, Sent, Status, StepState, is_open
from saga_schemas.outcomes import Kind, Outcome

_COMPENSATION_SENT = frozenset({Status.UNDO_ASKED, Status.UNDO_BACKOFF, Status.STUCK_BACK, Status.UNDONE})


def begin(draft: Draft, event: Recover) -> None:
    """Ask everything that was ever dispatched, under the new incarnation."""
    draft.change_saga("22", incarnation=event.incarnation, recovered=True, recovering=True)
    for step, state in draft.steps():
        if not state.dispatched:
            continue
        kind = _question(state)
        draft.change(
            step.name,
            "22",
            evidence=Evidence.NONE,
            sent=Sent.NONE,
            asking=None,
            attempt=0,
            silent_since=None,
            probed_at=None,
            reasks=0,
            heartbeat_at=None,
            attention=None,
            answered=False,
            asked_at=None if is_open(state) else state.asked_at,
        )
        status = Status.ASKED if is_open(state) else state.status
        _ask(draft, step, kind, status)
    _go_on(draft)


def _question(state: StepState) -> Kind:
    if is_open(state) or state.status in (Status.DONE, Status.STUCK_FORWARD):
        return Kind.ACTION
    if Sent.COMPENSATION in state.sent and state.status in _COMPENSATION_SENT:
        return Kind.COMPENSATION
    return Kind.RESOLVE


def _ask(draft: Draft, step: Step, kind: Kind, status: Status) -> None:
    try:
        draft.send(step.name, kind, "22", status=status)
    except MappingFailed:  # the compensation's mapping gives nothing: what became of the action can be asked all the same
        draft.send(step.name, Kind.RESOLVE, "22", status=status)


def ask_again(draft: Draft) -> None:
    for step, state in draft.steps():
        if not state.answered and state.due_at is not None and state.due_at <= draft.env.now:
            _ask(draft, step, state.asking or Kind.RESOLVE, state.status)


def answer(draft: Draft, step: Step, reply: Reply) -> None:
    """Only definite answers count."""
    if evidence_of(reply) is Evidence.NONE:
        return
    keep = step.reply_needed and reply.outcome is Outcome.SUCCEEDED
    draft.add(
        ReplySeen(
            step=step.name,
            kind=reply.kind,
            run=reply.run,
            attempt=reply.attempt,
            outcome=reply.outcome,
            payload=reply.payload,
            keep=keep,
        )
    )
    state = draft.step(step.name)
    becomes = _becomes(draft, state, reply)
    draft.move(
        step.name,
        "22",
        becomes or state.status,
        answered=True,
        silent_since=None,
        probed_at=None,
        reasks=0,
        known=state.known or reply.outcome is Outcome.SUCCEEDED,
        stuck_from=None if becomes else state.stuck_from,
    )
    _go_on(draft)


def _becomes(draft: Draft, state: StepState, reply: Reply) -> Status | None:
    forward = is_open(state) or state.status in (Status.DONE, Status.STUCK_FORWARD)
    if reply.outcome is Outcome.SUCCEEDED:
        if forward:
            return Status.DONE
        return Status.UNDO_DUE if state.status is Status.RESOLVING else None
    if reply.outcome in (Outcome.REJECTED, Outcome.FENCED):
        return _without_effect(draft, state, reply.outcome, forward)
    return Status.UNDONE if state.status in _COMPENSATION_SENT else None


def _without_effect(draft: Draft, state: StepState, outcome: Outcome, forward: bool) -> Status | None:
    settled = Status.NO_EFFECT if outcome is Outcome.REJECTED else Status.UNDONE
    if forward:
        return Status.STUCK_FORWARD if draft.phase is Phase.COMMITTED else settled
    return settled if state.status in (Status.RESOLVING, Status.UNDO_DUE) else None


def _go_on(draft: Draft) -> None:
    """All have answered: the evidence decides the phase, deadlines start anew, and the saga goes on."""
    if not all(state.answered for _, state in draft.steps()):
        return
    deadline_ms = draft.definition.deadline_ms
    deadline = draft.env.now + deadline_ms * 1000 if deadline_ms is not None else None
    draft.change_saga("22", recovering=False, deadline_at=deadline)
    for step, state in draft.steps():
        if (
            state.status in (Status.ASKED, Status.STUCK_FORWARD)
            and state.attention is None
            and state.status is Status.STUCK_FORWARD
        ):
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
