"""decide(definition, saga, event, env) -> facts: the whole behaviour of a saga, as a pure function.

An empty answer means that nothing changed: the event was stale, a duplicate or early. Operators'
acts that the state does not allow raise `Refused` (`operating.py`). What one step does stands in
`table.py`; here stands what concerns the saga: identity of replies (S11), conflict (row 20), the
deadline (11), the end (21, 21b), and the loop that lets one change cause the next within one
transition.
"""

from __future__ import annotations

from saga_coordinator.engine import delaying, operating, pausing, recovery, timing
from saga_coordinator.engine.definition import Definition, Step
from saga_coordinator.engine.draft import Draft
from saga_coordinator.engine.events import Act, Env, Event, Recover, Refused, Reply, Resume, Start, WakeUp
from saga_coordinator.engine.facts import Fact, Started, evolve
from saga_coordinator.engine.limited import limited
from saga_coordinator.engine.payloads import NO_PAYLOADS, Payloads, PayloadsWanted
from saga_coordinator.engine.progress import is_news
from saga_coordinator.engine.state import PASSED, SETTLED, Phase, Saga, Status, StepState, contradicts, is_open
from saga_coordinator.engine.table import Trigger, fire, row_for
from saga_schemas.outcomes import Kind, Outcome

ENGINE_REV = 1
"""A changed behaviour is a new revision; a saga keeps the one it started with."""

_TRIGGERS = {
    (Kind.ACTION, Outcome.FAILED): Trigger.FAILED,
    (Kind.COMPENSATION, Outcome.FAILED): Trigger.UNDO_FAILED,
    (Kind.COMPENSATION, Outcome.REJECTED): Trigger.UNDO_REJECTED,
    (Kind.COMPENSATION, Outcome.UNDONE): Trigger.UNDONE,
    (Kind.COMPENSATION, Outcome.NOTHING_TO_UNDO): Trigger.NOTHING_TO_UNDO,
    **{
        (kind, o): Trigger(o.value)
        for kind in (Kind.ACTION, Kind.RESOLVE)
        for o in (Outcome.SUCCEEDED, Outcome.REJECTED, Outcome.FENCED)
    },
    **{(kind, o): Trigger(o.value) for kind in Kind for o in (Outcome.IN_PROGRESS, Outcome.EXPIRED, Outcome.UNSUPPORTED)},
}
_ONLY_CURRENT_ATTEMPT = frozenset({Outcome.FAILED, Outcome.EXPIRED, Outcome.UNSUPPORTED, Outcome.IN_PROGRESS})


def decide(
    definition: Definition, saga: Saga | None, event: Event, env: Env, *, empty: bytes, payloads: Payloads = NO_PAYLOADS
) -> tuple[Fact, ...]:
    """Decide what becomes of a saga on one event.

    Args:
        definition: The definition that the saga is pinned to.
        saga: The saga as it is; None for a Start.
        event: What happened.
        env: The time, and what else the decision may know.
        empty: The framed `saga.v1.Empty`, which RESOLVE carries.
        payloads: Those of the saga's kept payloads that are loaded.

    Returns:
        The facts, in order. Empty when nothing changes.

    Raises:
        Refused: The saga's state does not allow what an operator asks.
        PayloadsWanted: The decision reads payloads that are not loaded: ask again with them.
        PayloadLost: A kept payload cannot be read from the journal.
    """
    return transition(definition, saga, event, env, empty=empty, payloads=payloads)[0]


def transition(
    definition: Definition, saga: Saga | None, event: Event, env: Env, *, empty: bytes, payloads: Payloads = NO_PAYLOADS
) -> tuple[tuple[Fact, ...], Saga | None]:
    """Decide as `decide` does, and return the saga that `evolve` would make of the facts.

    The decision folds its facts while it makes them. Without facts the saga is as it was.
    """
    if isinstance(event, Start):
        assert saga is None, "a saga starts once"
        draft = _start(definition, event, env, empty)
    else:
        assert saga is not None
        if saga.final:
            _refuse_if_asked(event, "finished")
            return (), saga
        draft = _decided(limited(definition, saga), saga, event, env, empty, payloads)
        if draft.reading.wanted:
            raise PayloadsWanted(draft.reading.wanted)
    return tuple(draft.facts), draft.result()


def _decided(
    definition: Definition, saga: Saga, event: Reply | WakeUp | Act | Recover, env: Env, empty: bytes, payloads: Payloads
) -> Draft:
    causation_id = event.message_id if isinstance(event, Reply) else None
    draft = Draft(definition, saga, env, empty=empty, payloads=payloads, causation_id=causation_id)
    pausing.count(draft, resuming=isinstance(event, Resume) and saga.paused_at_us is not None)
    match event:
        case Reply():
            _reply(draft, event)
        case WakeUp():
            _wake_up(draft)
        case Recover():
            recovery.begin(draft, event)
        case Resume():
            operating.act(draft, event)
            _wake_up(draft)
        case _:
            operating.act(draft, event)
    if draft.facts or isinstance(event, WakeUp):
        _settle(draft)
    return draft


def _start(definition: Definition, event: Start, env: Env, empty: bytes) -> Draft:
    draft = Draft(definition, None, env, empty=empty, causation_id=event.message_id)
    start_at_us = event.start_at_us if event.start_at_us is not None and event.start_at_us > env.now_us else None
    begins = start_at_us is None
    draft.add(
        Started(
            id=event.id,
            tenant=event.tenant,
            definition=definition.hash,
            key=event.key,
            input=event.input,
            incarnation=event.incarnation,
            steps=tuple(definition.by_name),
            at_us=env.now_us,
            deadline_at_us=env.now_us + definition.deadline_ms * 1000 if begins and definition.deadline_ms is not None else None,
            recovered=event.recovered,
            restarted_from=event.restarted_from,
            start_at_us=start_at_us,
            tick=event.tick,
        )
    )
    if start_at_us is None:
        draft.announce("started")
    else:
        delaying.announce(draft, start_at_us)
    _settle(draft)
    return draft


# --- replies --------------------------------------------------------------------------------------


def _reply(draft: Draft, reply: Reply) -> None:
    step = draft.definition.by_name.get(reply.step)
    if step is None:
        return
    state = draft.step(step.name)
    if reply.incarnation != draft.saga.incarnation:
        return
    if reply.version > draft.saga.version:
        _from_the_future(draft)
        return
    if reply.run != state.run or reply.kind not in state.sent:
        return
    trigger = _trigger(state, reply)
    if trigger is None:
        return
    _note_evidence(draft, step, state, reply)
    if draft.step(step.name).status is Status.CONFLICT:
        if draft.recovering:
            recovery.conflict(draft, step)
        return
    if draft.recovering:
        recovery.answer(draft, step, reply)
        return
    _apply(draft, step, trigger, reply)


def _from_the_future(draft: Draft) -> None:
    """It answers a command this database has not decided: the database went back."""
    if draft.saga.attention is None:
        draft.change_saga("26", attention=recovery.FROM_THE_FUTURE)
        draft.announce("attention", reason=recovery.FROM_THE_FUTURE)


def _trigger(state: StepState, reply: Reply) -> Trigger | None:
    if reply.outcome in _ONLY_CURRENT_ATTEMPT and not (_is_current(state, reply) or _is_later_news(state, reply)):
        return None
    if reply.kind is Kind.COMPENSATION and reply.outcome is Outcome.SUCCEEDED:
        return Trigger.NEWER_RUN if reply.row_run is not None and reply.row_run > state.run else None
    return _TRIGGERS.get((reply.kind, reply.outcome))


def _is_current(state: StepState, reply: Reply) -> bool:
    return reply.kind is state.asking and reply.attempt == state.attempt


def _is_later_news(state: StepState, reply: Reply) -> bool:
    """Accepted work tells of itself under the attempt that began it, however often it was asked
    since.
    """
    known = reply.outcome is Outcome.IN_PROGRESS and reply.kind is state.asking and state.progress > 0
    return known and reply.sequence is not None and is_news(state, reply)


def _note_evidence(draft: Draft, step: Step, state: StepState, reply: Reply) -> None:
    """Row 20, before every other row: one run cannot be two things."""
    if reply.outcome in state.evidence or not reply.is_evidence:
        return
    evidence = state.evidence | {reply.outcome}
    draft.change(step.name, "20", evidence=evidence)
    if state.status is not Status.CONFLICT and contradicts(evidence, compensated=Kind.COMPENSATION in state.sent):
        draft.see(step, reply)
        draft.stick(step.name, "20", Status.CONFLICT, "conflict")


def _apply(draft: Draft, step: Step, trigger: Trigger, reply: Reply) -> None:
    row = row_for(draft, step, trigger, reply)
    if row is None:
        return
    draft.see(step, reply)
    if trigger is not Trigger.EXPIRED:  # an EXPIRED answer is as good as silence: a skewed clock must not look alive
        news = trigger is not Trigger.IN_PROGRESS or is_news(draft.step(step.name), reply)
        draft.heard(step.name, row.number, news=news)
    row.act(draft, step, reply)


# --- time -----------------------------------------------------------------------------------------


def _wake_up(draft: Draft) -> None:
    """Everything that is due.

    While paused nothing is due; while recovering only questions are repeated.
    """
    if draft.paused:
        return
    if draft.recovering:
        recovery.ask_again(draft)
        return
    if draft.phase is Phase.SCHEDULED:
        delaying.begin_if_due(draft)
        return
    _deadline(draft)  # first: the probe of another limit would begin its grace anew
    for step in draft.definition.steps:
        if draft.reading.full:
            return  # the others are due still
        if not draft.is_held(step):
            _step_due(draft, step)


def _step_due(draft: Draft, step: Step) -> None:
    state = draft.step(step.name)
    limit_us = timing.step_limit_at_us(step, state, draft.limiting_phase)
    if limit_us is not None and timing.turns_back(step, state, limit_us, draft.env):
        fire(draft, step, Trigger.TIME_OVER)
    state = draft.step(step.name)
    limit_us = timing.silence_limit_at_us(step, state, draft.env.lived_since_us)
    if limit_us is not None and timing.is_over(step, state, limit_us, draft.env):
        fire(draft, step, Trigger.SILENT)
    state = draft.step(step.name)
    if timing.heartbeat_is_over(step, state, draft.env) and fire(draft, step, Trigger.HEARTBEAT_OVER):
        return
    if _is_due(draft, step, state):
        fire(draft, step, Trigger.DUE)


def _is_due(draft: Draft, step: Step, state: StepState) -> bool:
    if timing.is_due(step, state, draft.env):
        return True
    limits_us = timing.limits_us(draft.saga, draft.limiting_phase, step, state, draft.env.lived_since_us)
    return any(timing.needs_probe(state, limit_us, draft.env) for limit_us in limits_us)


def _deadline(draft: Draft) -> None:
    """Row 11, saga deadline: every open step was asked again after it, and its replies are read.

    So it waits for a participant that is paused.
    """
    deadline = draft.saga.deadline_at_us
    if deadline is None or deadline > draft.env.now_us or draft.limiting_phase is not Phase.RUNNING:
        return
    still_open = [(step, state) for step, state in draft.steps() if is_open(state)]
    held = any(draft.is_held(step) for step, _ in still_open)
    if not held and all(timing.turns_back(step, state, deadline, draft.env) for step, state in still_open):
        draft.go_back("11", "deadline")


def _refuse_if_asked(event: Event, code: str) -> None:
    """Row 25: a finished saga never changes again; a person is told so."""
    if isinstance(event, Act):
        raise Refused(code, "the saga is finished")


# --- what follows within the same transition ------------------------------------------------------


_FORWARD = frozenset({Phase.RUNNING, Phase.COMMITTED})


def _settle(draft: Draft) -> None:
    """Rows 1, 2, 14, 21, 21b until nothing more follows.

    Each pass moves at least one step, and no step moves back: it ends.
    """
    for _ in range(4 * len(draft.definition.steps) + 4):
        if draft.final or draft.recovering:
            return
        before = draft.last
        _go_forward(draft)
        _go_back(draft)
        _finish(draft)
        if draft.last is before:
            return
    raise AssertionError("the settling of a transition did not end")


def _go_forward(draft: Draft) -> None:
    for step in draft.steps_in(Status.IDLE, Status.READY):
        if draft.phase not in _FORWARD:
            return
        status = draft.step(step.name).status
        moves = status is Status.READY or (status is Status.IDLE and draft.all_in(step.after, PASSED))
        if moves and draft.reading.full:
            _next_time(draft, step, "2")
            return
        if moves and status is Status.IDLE:
            fire(draft, step, Trigger.DEPENDENCIES_MET)
        if moves and draft.step(step.name).status is Status.READY and draft.phase in _FORWARD:
            fire(draft, step, Trigger.ADMITTED)


def _go_back(draft: Draft) -> None:
    if draft.phase is not Phase.COMPENSATING:
        return
    for step in reversed(draft.steps_in(Status.UNDO_DUE)):
        if not draft.is_held(step) and draft.all_in(draft.definition.dependents[step.name], SETTLED):
            if draft.reading.full:
                _next_time(draft, step, "14")
                return
            fire(draft, step, Trigger.DEPENDENTS_SETTLED)


def _next_time(draft: Draft, step: Step, row: str) -> None:
    """This transition has sent and read its share: the saga is looked at again at once."""
    if not draft.is_held(step):
        draft.change(step.name, row, due_at_us=draft.env.now_us)


def _finish(draft: Draft) -> None:
    """Rows 21 and 21b."""
    if draft.phase is Phase.COMPENSATING:
        end, row, ended = Phase.COMPENSATED, "21", SETTLED
    elif _past_the_pivot(draft):
        end, row, ended = Phase.COMPLETED, "21b", PASSED
    else:
        return
    if draft.all_in(draft.definition.by_name, ended):
        draft.enter_phase(Phase.FORCED if draft.steps_in(Status.WAIVED) else end, row)


def _past_the_pivot(draft: Draft) -> bool:
    """Behind it, or it is not there or skipped."""
    pivot = draft.definition.pivot
    if draft.phase is not Phase.RUNNING:
        return draft.phase is Phase.COMMITTED
    return pivot is None or draft.step(pivot.name).status is Status.NO_EFFECT


__all__ = ["ENGINE_REV", "decide", "evolve", "transition"]
