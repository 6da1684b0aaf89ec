"""Rows of the way back: 5b, 8b, 14 to 19.

Each function is the right-hand side of one row of `table.py`.
"""

from __future__ import annotations

from saga_coordinator.engine import progress, timing
from saga_coordinator.engine.definition import MappingFailed, Step, StepKind
from saga_coordinator.engine.draft import Draft
from saga_coordinator.engine.events import Reply
from saga_coordinator.engine.forgetting import next_run
from saga_coordinator.engine.state import Phase, Status, StuckFrom
from saga_schemas.outcomes import Kind, Outcome

_KIND_WHILE = {Status.UNDO_ASKED: Kind.COMPENSATION, Status.UNDO_BACKOFF: Kind.COMPENSATION, Status.RESOLVING: Kind.RESOLVE}


def dependents_settled(draft: Draft, step: Step, _: Reply | None) -> None:
    """Row 14."""
    send_compensation(draft, step, "14")


def send_compensation(draft: Draft, step: Step, row: str) -> None:
    """Send it; a mapping that gives no value waits for an operator (row 9b, going back)."""
    try:
        draft.send(step.name, Kind.COMPENSATION, row)
    except MappingFailed as failure:
        draft.change(step.name, "9b", code=failure.code, message=failure.detail[:500])
        draft.stick(step.name, "9b", Status.STUCK_BACK, failure.code, stuck_from=StuckFrom.MAPPING)


def ask_again(draft: Draft, step: Step, _: Reply | None) -> None:
    """Rows 16b and 17: for ever, at the cap."""
    if draft.is_held(step):
        return
    if _KIND_WHILE[draft.step(step.name).status] is Kind.COMPENSATION:
        send_compensation(draft, step, "16b" if draft.step(step.name).status is Status.UNDO_BACKOFF else "17")
    else:
        draft.send(step.name, Kind.RESOLVE, "17")


def expired(draft: Draft, step: Step, reply: Reply | None) -> None:
    """Row 8b, as row 8."""
    assert reply is not None
    first = draft.step(step.name).reasks == 0
    draft.expired(step, reply, "8b")
    if first:
        ask_again(draft, step, reply)


def in_progress(draft: Draft, step: Step, reply: Reply | None) -> None:
    """Row 8b: it will answer when the accepted work ends."""
    assert reply is not None
    progress.accept(draft, step, reply, "8b", draft.step(step.name).status)


def heartbeat_over(draft: Draft, step: Step, reply: Reply | None) -> None:
    """Row 8c, going back."""
    if draft.is_held(step):
        return
    draft.change(step.name, "8c", heartbeat_at_us=None)
    ask_again(draft, step, reply)


def unsupported(draft: Draft, step: Step, _: Reply | None) -> None:
    """Row 5b, going back. A waive that waits keeps waiting: only an unsafe waive can end it."""
    state = draft.step(step.name)
    if state.waiving:
        draft.raise_attention(step.name, "5b", "unsupported")
        return
    origin = StuckFrom.RESOLVING if state.status is Status.RESOLVING else StuckFrom.UNDO
    draft.stick(step.name, "5b", Status.STUCK_BACK, "unsupported", stuck_from=origin)


def undone(draft: Draft, step: Step, _: Reply | None) -> None:
    """Row 15."""
    draft.move(step.name, "15", Status.UNDONE, waiving=False, silent_since_us=None, probed_at_us=None, reasks=0)


def newer_run(draft: Draft, step: Step, reply: Reply | None) -> None:
    """Row 15b: the participant holds a newer run than we know (we were restored): adopt it and undo
    that one.
    """
    assert reply is not None and reply.row_run is not None
    changes = next_run(draft.step(step.name)) | {"run": reply.row_run}
    draft.move(step.name, "15b", Status.UNDO_DUE, **changes)
    if not draft.is_held(step):
        send_compensation(draft, step, "15b")


def undo_failed(draft: Draft, step: Step, reply: Reply | None) -> None:
    """Row 16: the row stays done at the participant.

    Back off and ask again, then ask for a person, resumable.
    """
    assert reply is not None and step.compensation is not None
    retry = step.compensation.retry
    spent = draft.step(step.name).undo_spent + 1
    draft.change(step.name, "16", undo_spent=spent, code=reply.code, message=reply.message, progress=0)
    if (retry.attempts is not None and spent >= retry.attempts) or (reply.code or "") in retry.never:
        draft.stick(step.name, "16", Status.STUCK_BACK, "undo_failed", stuck_from=StuckFrom.UNDO)
        return
    delay = timing.backoff_us(retry, draft.saga.id, step.name, spent, reply.retry_after_ms)
    draft.move(step.name, "16", Status.UNDO_BACKOFF, due_at_us=draft.env.now_us + delay)


def undo_rejected(draft: Draft, step: Step, reply: Reply | None) -> None:
    """Row 16: a no to an undo is for a person, at once."""
    assert reply is not None
    draft.change(step.name, "16", code=reply.code, message=reply.message)
    draft.stick(step.name, "16", Status.STUCK_BACK, "undo_rejected", stuck_from=StuckFrom.UNDO)


def silent(draft: Draft, step: Step, _: Reply | None) -> None:
    """Row 17: asked and asked again, its replies read, and no answer.

    That it had no news is not what matters any more.
    """
    if draft.step(step.name).attention == timing.NO_PROGRESS:
        draft.change(step.name, "17", attention=None)
    draft.raise_attention(step.name, "17", timing.NO_ANSWER if draft.step(step.name).skew_us is None else timing.EXPIRED)


def note_reply(draft: Draft, step: Step, _: Reply | None) -> None:
    """A late SUCCEEDED on the way back changes nothing but what is known."""
    draft.change(step.name, "18", known=True)


def it_was_done(draft: Draft, step: Step, _: Reply | None) -> None:
    """Row 18: RESOLVE (or a late reply) says the action is committed."""
    state = draft.step(step.name)
    settled = {"known": True, "silent_since_us": None, "probed_at_us": None, "reasks": 0, "waiving": False}
    if state.waiving:
        going_back = draft.phase is Phase.COMPENSATING
        draft.move(step.name, "23", Status.WAIVED if going_back else Status.DONE, **settled)
    elif step.kind is StepKind.PIVOT and draft.phase is not Phase.SETTLING:
        # a step it depends on has answered that it has no effect, so the pivot cannot be done: two
        # answers contradict each other (S7)
        draft.stick(step.name, "20", Status.CONFLICT, "conflict")
    elif step.kind is StepKind.PIVOT:
        draft.move(step.name, "18", Status.DONE, **settled)
        draft.enter_phase(Phase.COMMITTED, "18")
    elif draft.phase is Phase.COMMITTED:
        draft.move(step.name, "18", Status.DONE, **settled)
    elif step.compensation is None:
        draft.move(step.name, "13b", Status.KEPT, **settled)
    else:
        draft.move(step.name, "18", Status.UNDO_DUE, **settled)


def it_was_not_done(draft: Draft, step: Step, reply: Reply | None) -> None:
    """Row 19: fenced now, or rejected then: no effect, and there never will be one."""
    assert reply is not None
    state = draft.step(step.name)
    if state.waiving:
        draft.move(step.name, "23", Status.WAIVED, waiving=False, silent_since_us=None, probed_at_us=None, reasks=0)
        return
    without_effect = reply.outcome is Outcome.REJECTED or (step.compensation is None and step.kind is StepKind.COMPENSATABLE)
    becomes = Status.NO_EFFECT if without_effect else Status.UNDONE
    draft.move(step.name, "19", becomes, silent_since_us=None, probed_at_us=None, reasks=0)
    if step.kind is StepKind.PIVOT and draft.phase is Phase.SETTLING:
        draft.compensate("19")
