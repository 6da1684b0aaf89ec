"""When things are due: re-ask intervals, backoffs and limits.

Pure arithmetic on a definition's times and a saga's state. Replies may wait unread while a limit
passes, so a limit acts only when three things are true:

1. The step was asked again after the limit (the probe).
2. Twice the re-ask interval has passed since the probe (the grace).
3. The participant's replies are read up to a time after the grace.

Only time in which a coordinator lived proves anything. After a lapse (`env.alive_since_us`) an
earlier probe does not count, because participants may have been down with everything else. Another
probe is sent and its grace begins anew. Silence and heartbeats are counted from the lapse too.

A question that is due again waits for unread replies as well, but not for ever. Whoever is behind
with reading would else ask for what it has already been told, and be further behind.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping

from saga_coordinator.engine.definition import Definition, Retry, Step
from saga_coordinator.engine.events import Env
from saga_coordinator.engine.limited import limited
from saga_coordinator.engine.pauses import NO_PAUSES, Pauses
from saga_coordinator.engine.state import WAITING, Phase, Saga, Status, StepState, is_open

NO_ANSWER = "no_answer"
"""Any answer ends this attention."""
EXPIRED = "expired"
"""It answers, but only that the command came after its time: clocks differ, or it is far behind.

Any other answer ends this one.
"""
TIME_OVER = "time_over"
"""Only the end of the step ends this one: a FAILED in between must not raise it again and again."""
NO_PROGRESS = "no_progress"
"""It answers, but its heartbeat is over and it has no news. News ends this attention."""
UNREAD_AT_LEAST_US = 60_000_000
"""A question waits so long for replies that lie unread: longer than Kafka needs to give a dead
instance's partitions to another one, several times."""
_LOOK_US = 2_000_000
_LOOK_MOST_US = 10_000_000
_SKEW_SEEN_US = 1_000_000
_RETRY_AFTER_MIN_MS = 100
_RETRY_AFTER_MAX_MS = 3_600_000


def reask_delay_us(step: Step, reasks: int) -> int:
    """How long to wait for the answer after `reasks` fruitless asks."""
    timing = step.timing
    return int(min(timing.reask_ms << min(reasks, 30), max(timing.reask_cap_ms, timing.reask_ms)) * 1000)


def backoff_us(retry: Retry, saga_id: str, step: str, spent: int, retry_after_ms: int | None) -> int:
    """How long after the `spent`-th FAILED the command is sent again.

    The participant's wish goes first; jitter is a hash.
    """
    if retry_after_ms is not None:
        return min(max(retry_after_ms, _RETRY_AFTER_MIN_MS), _RETRY_AFTER_MAX_MS) * 1000
    delay = min(retry.first_ms * retry.factor ** min(spent - 1, 60), retry.cap_ms)
    unit = zlib.crc32(f"{saga_id}/{step}/{spent}".encode()) / 0xFFFFFFFF  # 0..1, the same in every replay
    return int(delay * (1 + retry.jitter * (2 * unit - 1)) * 1000)


def only_evidence_turns_back(definition: Definition, recovered: bool, steps: Mapping[str, StepState]) -> bool:
    """Say whether only a participant's answer may turn the saga back.

    A recovered saga may be past its point of no return without knowing it when its pivot has
    `when`. A cancel or a limit must not turn such a saga back.
    """
    pivot = definition.pivot
    if not recovered or pivot is None or pivot.when is None:
        return False
    return steps[pivot.name].status in (Status.IDLE, Status.READY, Status.NO_EFFECT)


def limiting_phase(definition: Definition, saga: Saga) -> Phase:
    """Return the phase whose rules a limit follows.

    Where only evidence turns the saga back, limits follow the rules of a committed saga: they ask
    for a person.
    """
    if saga.phase is Phase.RUNNING and only_evidence_turns_back(definition, saga.recovered, saga.steps):
        return Phase.COMMITTED
    return saga.phase


def step_limit_at_us(step: Step, state: StepState, phase: Phase) -> int | None:
    """Return when the step's time is over, or None when no limit of its own applies.

    While the saga is SETTLING, the pivot's answer decides and no time does. Past the pivot a limit
    can only ask for a person, once.
    """
    if step.timing.step_ms is None or state.asked_at_us is None or not is_open(state) or phase is Phase.SETTLING:
        return None
    if phase is Phase.COMMITTED and state.attention is not None:
        return None
    return state.asked_at_us + step.timing.step_ms * 1000


def silence_limit_at_us(step: Step, state: StepState, lived_since_us: int = 0) -> int | None:
    """When silence becomes a matter for a person."""
    if state.status not in WAITING or state.silent_since_us is None or state.attention not in (None, NO_PROGRESS):
        return None
    return max(state.silent_since_us, lived_since_us) + step.timing.attention_ms * 1000


def heartbeat_end_us(step: Step, state: StepState, lived_since_us: int) -> int | None:
    """When accepted work without news is asked about."""
    if state.heartbeat_at_us is None:
        return None
    return max(state.heartbeat_at_us, lived_since_us + (step.timing.heartbeat_ms or 0) * 1000)


def heartbeat_is_over(step: Step, state: StepState, env: Env) -> bool:
    """Say whether accepted work is to be asked about."""
    end = heartbeat_end_us(step, state, env.lived_since_us)
    interval_us = (step.timing.heartbeat_ms or 0) * 1000
    return end is not None and end <= env.now_us and not _answer_may_be_there(step, end, interval_us, env)


def is_due(step: Step, state: StepState, env: Env) -> bool:
    """Say whether the time has come at which the step's command is to be sent.

    A command that was sent already waits longer for its answer, while that may lie unread.
    """
    due_us = state.due_at_us
    if due_us is None or due_us > env.now_us:
        return False
    return not _is_asked(state) or not _answer_may_be_there(step, due_us, reask_delay_us(step, state.reasks), env)


def _is_asked(state: StepState) -> bool:
    return state.status in WAITING or not state.answered


def _answer_may_be_there(step: Step, due_us: int, interval_us: int, env: Env) -> bool:
    """Say whether an answer may lie unread that was given in the first half of the interval. Asking
    again would bring it no sooner.

    Once a minute has passed, or the interval again where that is longer, in time that a coordinator
    lived, the answer is no longer waited for: what cannot be measured holds up no question for
    ever.
    """
    if env.caught_up_at_us.get(step.participant, 0) >= due_us - interval_us // 2:
        return False
    return env.now_us < max(due_us, env.lived_since_us) + max(interval_us, UNREAD_AT_LEAST_US)


def skew_us(step: Step, state: StepState, now_us: int, answered_us: int | None) -> int:
    """Return by how much, at least, the clock of a participant that answered EXPIRED is ahead.

    Its clock is ahead when the command's time has not come by our clock, or when the answer bears a
    time that has not come. 0 says that nothing shows a difference.
    """
    not_yet = state.silent_since_us + step.timing.expiry_ms * 1000 - now_us if state.silent_since_us is not None else 0
    ahead = answered_us - now_us if answered_us is not None else 0
    skew = max(not_yet, ahead)
    return skew if skew >= _SKEW_SEEN_US else 0


def has_limits(state: StepState) -> bool:
    """It is one of the steps, few at a time, that a limit may concern."""
    return state.status in WAITING or is_open(state)


def own_limits_us(phase: Phase, step: Step, state: StepState, lived_since_us: int) -> list[int]:
    """The limits of this step alone."""
    both = (step_limit_at_us(step, state, phase), silence_limit_at_us(step, state, lived_since_us))
    return [limit_us for limit_us in both if limit_us is not None]


def limits_us(saga: Saga, phase: Phase, step: Step, state: StepState, lived_since_us: int = 0) -> list[int]:
    """Every limit that concerns this step now: its own, and while it is open the saga's
    deadline."""
    if not has_limits(state):
        return []
    found = own_limits_us(phase, step, state, lived_since_us)
    if phase is Phase.RUNNING and saga.deadline_at_us is not None and is_open(state):
        found.append(saga.deadline_at_us)
    return found


def is_probe(saga: Saga, phase: Phase, step: Step, state: StepState, env: Env) -> bool:
    """A command sent now proves silence for some passed limit that had no probe yet."""
    deadline_us = saga.deadline_at_us if phase is Phase.RUNNING else None
    if deadline_us is not None and _lacks_probe(state, deadline_us, env):
        return True  # also the first command of a step that begins after the saga's deadline
    return any(_lacks_probe(state, limit_us, env) for limit_us in limits_us(saga, phase, step, state, env.lived_since_us))


def needs_probe(state: StepState, limit_us: int, env: Env) -> bool:
    """The limit has passed and the command was not sent again since.

    A step in backoff is probed by its own next attempt.
    """
    return _lacks_probe(state, limit_us, env) and state.status in WAITING


def _lacks_probe(state: StepState, limit_us: int, env: Env) -> bool:
    """While nobody knows that a coordinator lives, a command proves nothing: it may not leave."""
    return env.alive_since_us is not None and limit_us <= env.now_us and not _probed(state, limit_us, env.alive_since_us)


def is_over(step: Step, state: StepState, limit_us: int, env: Env) -> bool:
    """The limit has passed, was probed in this life, the grace is over, and the replies are read up
    to later than that.
    """
    if env.alive_since_us is None or limit_us > env.now_us or not _probed(state, limit_us, env.alive_since_us):
        return False
    settled_us = _settled_at_us(step, state, limit_us)
    return env.now_us > settled_us and env.caught_up_at_us.get(step.participant, 0) > settled_us


def turns_back(step: Step, state: StepState, limit_us: int, env: Env) -> bool:
    """The limit is over, and what it would undo did not say that it is done.

    (Silence is told to a person all the same.)
    """
    return step.name not in env.unread and is_over(step, state, limit_us, env)


def is_paused(definition: Definition, saga: Saga, pauses: Pauses) -> bool:
    """The saga itself or its definition is: nothing of it is due."""
    return saga.paused_at_us is not None or definition.name in pauses.paused_definitions


def due_times_us(
    definition: Definition, saga: Saga, now_us: int, lived_since_us: int = 0, pauses: Pauses = NO_PAUSES
) -> Iterator[int]:
    """Every time at which this saga wants to be looked at. What a pause holds wants none."""
    if is_paused(definition, saga, pauses):
        return
    definition = limited(definition, saga)
    phase = limiting_phase(definition, saga)
    held = pauses.paused_participants
    waits = bool(held) and any(step.participant in held and is_open(saga.steps[step.name]) for step in definition.steps)
    if phase is Phase.RUNNING and saga.deadline_at_us is not None and not saga.recovering and not waits:
        yield from _deadline_look_us(definition, saga, saga.deadline_at_us, lived_since_us)
    for step in definition.steps:
        state = saga.steps[step.name]
        if step.participant in held:
            continue
        if state.due_at_us is not None and not _is_asked(state):
            yield state.due_at_us
        for question_us in _questions_us(step, state, lived_since_us):
            yield question_us if question_us > now_us else _next_look_us(question_us, now_us)
        if saga.recovering or not has_limits(state):
            continue
        for limit_us in own_limits_us(phase, step, state, lived_since_us):
            if _probed(state, limit_us, lived_since_us):
                yield _settled_at_us(step, state, limit_us) + 1
            elif state.status in WAITING:  # else its own next attempt is the probe, and that is due at due_at_us
                yield limit_us


def _next_look_us(due_us: int, now_us: int) -> int:
    """When to look again whether replies are read, for a question that waits for that: the longer
    it has waited, the later.

    All open sagas may wait, and looking at them takes the time that reading needs.
    """
    return now_us + min(max(now_us - due_us, _LOOK_US), _LOOK_MOST_US)


def _deadline_look_us(definition: Definition, saga: Saga, deadline_us: int, lived_since_us: int) -> Iterator[int]:
    """When the saga's deadline passes for the steps to be asked again, and when it may act: after
    the last of their graces.
    """
    still_open = [(step, state) for step in definition.steps if is_open(state := saga.steps[step.name])]
    unproved = [state for _, state in still_open if not _probed(state, deadline_us, lived_since_us)]
    if not still_open or any(state.status in WAITING for state in unproved):
        yield deadline_us
    elif not unproved:
        yield max(_settled_at_us(step, state, deadline_us) for step, state in still_open) + 1


def next_wake_up_us(
    definition: Definition, saga: Saga, now_us: int, lived_since_us: int = 0, pauses: Pauses = NO_PAUSES
) -> int | None:
    """The earliest of them: what the wake-up row must hold at the latest.

    None only for a finished saga.

    A saga that waits only for an operator, or for the end of a pause, is looked at once an hour all
    the same (promise 6).
    """
    if saga.final:
        return None
    if saga.start_at_us is not None and saga.phase is Phase.SCHEDULED:
        held = saga.start_at_us <= now_us and is_paused(definition, saga, pauses)
        return now_us + _LOOK_AT_LEAST_US if held else saga.start_at_us
    return min(due_times_us(definition, saga, now_us, lived_since_us, pauses), default=now_us + _LOOK_AT_LEAST_US)


_LOOK_AT_LEAST_US = 3_600_000_000


def limits_passed(
    definition: Definition, saga: Saga, now_us: int, lived_since_us: int = 0, pauses: Pauses = NO_PAUSES
) -> frozenset[str]:
    """Participants whose replies must be read up to now before a passed limit of this saga may
    act."""
    if saga.recovering:
        return frozenset()
    definition = limited(definition, saga)
    phase = limiting_phase(definition, saga)
    return frozenset(
        step.participant
        for step, state in _not_held(definition, saga, pauses)
        if any(limit_us <= now_us for limit_us in limits_us(saga, phase, step, state, lived_since_us))
    )


def catch_up_wanted(
    definition: Definition, saga: Saga, now_us: int, lived_since_us: int = 0, pauses: Pauses = NO_PAUSES
) -> frozenset[str]:
    """Participants whose replies must be read before a passed limit of this saga may act, or before
    they are asked again."""
    due = frozenset(
        step.participant
        for step, state in _not_held(definition, saga, pauses)
        if any(time_us <= now_us for time_us in _questions_us(step, state, lived_since_us))
    )
    return due | limits_passed(definition, saga, now_us, lived_since_us, pauses)


def _questions_us(step: Step, state: StepState, lived_since_us: int) -> Iterator[int]:
    """When what was asked already is asked again."""
    if state.due_at_us is not None and _is_asked(state):
        yield state.due_at_us
    if (heartbeat := heartbeat_end_us(step, state, lived_since_us)) is not None:
        yield heartbeat


def _not_held(definition: Definition, saga: Saga, pauses: Pauses) -> Iterator[tuple[Step, StepState]]:
    """The steps of a saga that is under way, but for those that a pause holds."""
    if saga.final or is_paused(definition, saga, pauses):
        return
    for step in definition.steps:
        if step.participant not in pauses.paused_participants:
            yield step, saga.steps[step.name]


def _probed(state: StepState, limit_us: int, alive_since_us: int) -> bool:
    return state.probed_at_us is not None and state.probed_at_us >= max(limit_us, alive_since_us)


def _settled_at_us(step: Step, state: StepState, limit_us: int) -> int:
    """When the grace of a probed limit is over: twice the re-ask interval after the probe."""
    assert state.probed_at_us is not None
    return max(limit_us, state.probed_at_us + 2 * step.timing.reask_ms * 1000)


__all__ = [
    "EXPIRED",
    "NO_ANSWER",
    "NO_PROGRESS",
    "TIME_OVER",
    "backoff_us",
    "catch_up_wanted",
    "has_limits",
    "heartbeat_is_over",
    "is_due",
    "is_over",
    "is_paused",
    "is_probe",
    "limiting_phase",
    "limits_passed",
    "needs_probe",
    "next_wake_up_us",
    "only_evidence_turns_back",
    "reask_delay_us",
    "silence_limit_at_us",
    "step_limit_at_us",
    "turns_back",
]
