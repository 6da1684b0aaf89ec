"""Rows of the way forward: 1 to 10.

Each function is the right-hand side of one row of `table.py`.
"""

from __future__ import annotations

from saga_coordinator.engine import progress, timing
from saga_coordinator.engine.definition import MappingFailed, Step, StepKind
from saga_coordinator.engine.draft import Draft
from saga_coordinator.engine.events import Reply
from saga_coordinator.engine.payloads import NotLoaded
from saga_coordinator.engine.state import Phase, Status, StuckFrom
from saga_schemas.outcomes import Kind


def dependencies_met(draft: Draft, step: Step, _: Reply | None) -> None:
    """Row 1, and 9b for a `when:` that gives no truth."""
    try:
        holds = step.when is None or step.when.holds(draft.context(step.when.reads))
    except NotLoaded:
        return
    except MappingFailed as failure:
        cannot_ask(draft, step, failure)
        return
    draft.move(step.name, "1", Status.READY if holds else Status.NO_EFFECT)


def admitted(draft: Draft, step: Step, _: Reply | None) -> None:
    """Row 2: the first dispatch of a retriable step passes the point of no return, also where the
    pivot was skipped.
    """
    hold = "paused" if draft.is_held(step) else draft.env.holds.get(step.name)
    if hold is not None:
        draft.change(step.name, "2", hold=hold, due_at_us=None)
        return
    try:
        draft.send(step.name, Kind.ACTION, "2")
    except MappingFailed as failure:
        cannot_ask(draft, step, failure)
        return
    if step.kind is StepKind.RETRIABLE and draft.phase is Phase.RUNNING:
        draft.enter_phase(Phase.COMMITTED, "2")


def cannot_ask(draft: Draft, step: Step, failure: MappingFailed) -> None:
    """Row 9b, forward: an expression, mapping or encoding gave no value; the step was never asked.

    The same inputs give the same failure, so this is evidence: a step before the pivot that could
    not be asked was not asked before a restore either, and the pivot was not reached.
    """
    reason = f"{step.name}: {failure.code}"
    draft.change(step.name, "9b", code=failure.code, message=failure.detail[:500])
    if draft.phase is Phase.RUNNING and not draft.recovered:
        draft.move(step.name, "9b", Status.NO_EFFECT)
        draft.go_back("9b", reason)
    elif draft.phase is Phase.RUNNING:
        _cannot_ask_recovered(draft, step, failure, reason)
    else:
        draft.stick(step.name, "9b", Status.STUCK_FORWARD, failure.code)


def _cannot_ask_recovered(draft: Draft, step: Step, failure: MappingFailed, reason: str) -> None:
    """The same in a saga that may have been further before it was restored."""
    match step.kind:
        case StepKind.COMPENSATABLE:
            draft.move(step.name, "9b", Status.NO_EFFECT)
            draft.go_back("9b", reason, by_evidence=True)
        case StepKind.PIVOT:
            draft.settle_pivot("9b", reason)
        case StepKind.RETRIABLE:  # the pivot was skipped, and another retriable step may have been asked
            draft.enter_phase(Phase.COMMITTED, "9b")
            draft.stick(step.name, "9b", Status.STUCK_FORWARD, failure.code)


def succeeded(draft: Draft, step: Step, reply: Reply | None) -> None:
    """Row 3."""
    draft.move(
        step.name, "3", Status.DONE, known=True, silent_since_us=None, probed_at_us=None, reasks=0, code=None, message=None
    )
    if step.kind is StepKind.PIVOT and draft.phase in (Phase.RUNNING, Phase.SETTLING):
        draft.enter_phase(Phase.COMMITTED, "3")


def rejected(draft: Draft, step: Step, reply: Reply | None) -> None:
    """Row 4: a definite business no."""
    assert reply is not None
    draft.change(step.name, "4", code=reply.code, message=reply.message)
    if draft.phase is Phase.COMMITTED:
        draft.stick(step.name, "4", Status.STUCK_FORWARD, "rejected")
    else:
        draft.move(step.name, "4", Status.NO_EFFECT)
        draft.compensate("4", f"{step.name}: REJECTED {reply.code or ''}".rstrip())


def failed(draft: Draft, step: Step, reply: Reply | None) -> None:
    """Row 5: a hint.

    Back off and ask again with the same key, until the policy is spent; after the pivot it never
    is.

    While SETTLING it is not either: the pivot's answer decides where the saga goes.
    """
    assert reply is not None
    retry = step.action.retry
    spent = draft.step(step.name).spent + 1
    draft.change(step.name, "5", spent=spent, code=reply.code, message=reply.message, progress=0)
    exhausted = (retry.attempts is not None and spent >= retry.attempts) or (reply.code or "") in retry.never
    if exhausted and draft.limiting_phase is Phase.RUNNING:
        _give_up(draft, step, "5", f"{step.name}: FAILED {reply.code or ''}".rstrip())
        return
    delay = timing.backoff_us(retry, draft.saga.id, step.name, spent, reply.retry_after_ms)
    draft.move(step.name, "5", Status.BACKOFF, due_at_us=draft.env.now_us + delay, attention=draft.step(step.name).attention)
    if exhausted and draft.limiting_phase is Phase.COMMITTED:
        draft.raise_attention(step.name, "5", "retries_spent")


def _give_up(draft: Draft, step: Step, row: str, reason: str) -> None:
    """A compensatable step turns the saga back; a pivot must be asked what became of it."""
    if step.kind is StepKind.PIVOT:
        draft.settle_pivot(row, reason)
    else:
        draft.go_back(row, reason)


def unsupported(draft: Draft, step: Step, reply: Reply | None) -> None:
    """Row 5b, forward: the participant does not know this command."""
    if draft.phase is Phase.COMMITTED:
        draft.stick(step.name, "5b", Status.STUCK_FORWARD, "unsupported")
    elif draft.only_evidence_turns_back:
        draft.raise_attention(step.name, "5b", "unsupported")
    elif draft.phase is Phase.RUNNING:
        _give_up(draft, step, "5b", f"{step.name}: UNSUPPORTED")
    else:
        draft.stick(step.name, "5b", Status.STUCK_BACK, "unsupported", stuck_from=StuckFrom.RESOLVING)


def in_progress(draft: Draft, step: Step, reply: Reply | None) -> None:
    """Row 6."""
    assert reply is not None
    progress.accept(draft, step, reply, "6", Status.ACCEPTED)


def fenced(draft: Draft, step: Step, _: Reply | None) -> None:
    """Row 7: it never ran and never will."""
    if draft.phase is Phase.COMMITTED:
        draft.stick(step.name, "7", Status.STUCK_FORWARD, "fenced")
        return
    draft.move(step.name, "7", Status.UNDONE)
    if draft.phase is Phase.RUNNING:
        draft.announce("attention", step=step.name, reason="fenced")
    if step.kind is StepKind.PIVOT or draft.phase is Phase.SETTLING:
        draft.compensate("7", f"{step.name}: FENCED")
    else:
        draft.go_back("7", f"{step.name}: FENCED", by_evidence=True)


def ask_again(draft: Draft, step: Step, _: Reply | None) -> None:
    """Row 8: the answer is missing."""
    if not draft.is_held(step):
        draft.send(step.name, Kind.ACTION, "8", status=draft.step(step.name).status)


def expired(draft: Draft, step: Step, reply: Reply | None) -> None:
    """Row 8: no sign of life. At once only the first time: a skewed clock must not spin."""
    assert reply is not None
    first = draft.step(step.name).reasks == 0
    draft.expired(step, reply, "8")
    if first:
        ask_again(draft, step, reply)


def heartbeat_over(draft: Draft, step: Step, reply: Reply | None) -> None:
    """Row 8c."""
    if draft.is_held(step):
        return
    draft.change(step.name, "8c", status=Status.ASKED, heartbeat_at_us=None)
    draft.send(step.name, Kind.ACTION, "8c")


def time_over(draft: Draft, step: Step, _: Reply | None) -> None:
    """Row 9: the step's time is over and every reply that was waiting has been read.

    Never while SETTLING: there is no limit then.
    """
    if draft.limiting_phase is Phase.COMMITTED:
        draft.raise_attention(step.name, "9", timing.TIME_OVER)
    else:
        _give_up(draft, step, "9", f"{step.name}: time over")


def backoff_due(draft: Draft, step: Step, _: Reply | None) -> None:
    """Row 10. An attention for spent retries stays until the step moves on."""
    draft.change(step.name, "10", status=Status.READY, due_at_us=None)
