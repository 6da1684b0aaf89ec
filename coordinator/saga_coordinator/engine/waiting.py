"""Why a saga does not move, since when, and what will move it: promise 6 in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from saga_coordinator.engine import timing
from saga_coordinator.engine.definition import Definition, Step
from saga_coordinator.engine.limited import limited
from saga_coordinator.engine.state import SETTLED, Phase, Saga, Status, StepState, is_open


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One thing a saga waits for."""

    step: str | None
    name: str
    """`reply` `expired` `accepted` `retry` `reply_backlog` `turn` `paused` `attention:<reason>` …
    """
    since_us: int | None
    until_us: int | None
    """When it is looked at again by itself."""
    mover: str
    """What will move it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A pause that holds a saga, or steps of it."""

    scope: str
    """`saga`, `definition` or `participant`."""
    name: str
    """Of the definition or participant; a saga's id."""
    since_us: int
    who: str
    why: str

    @property
    def end(self) -> str:
        """What ends it, and who began it."""
        what = self.name if self.scope == "saga" else f"--{self.scope} {self.name}"
        return f"`saga resume {what}` ends the pause by {self.who}: {self.why}"


_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
PAUSED = "paused"
START = "start_time"
"""The wait of a saga that has not begun."""
_NOT_ASKED = frozenset({PAUSED, "retry", "turn", "slot"})
_WAY_OUT = {
    "conflict": "two definite answers contradict each other: compare the participant's saga_barrier row;"
    " then `saga step waive --unsafe` with the evidence",
    "no_answer": "the participant does not answer: is it running, does anyone read its command topic? It is asked again by itself",
    "no_progress": "the participant answers that it works on it, without news for longer than the heartbeat: see its note, and what it"
    " waits for. It is asked again by itself; news ends the attention",
    "time_over": "the step's time is over and it can only go forward: it is asked again by itself until it answers",
    "retries_spent": "it is retried by itself without end: mend the participant",
    "reply_from_the_future": "a participant answers commands this database never decided: the database was restored from a backup;"
    " stop the coordinators and run `saga recover`",
}


def waiting_for(definition: Definition, saga: Saga, now_us: int, pauses: Sequence[Held] = ()) -> list[Waiting]:
    """Everything it waits for, in the definition's order; empty for a finished saga.

    Args:
        definition: The saga's.
        saga: The saga.
        now_us: The time.
        pauses: Those that are on of its definition and of participants.
    """
    if saga.final:
        return []
    definition = limited(definition, saga)
    whole, of_participant = held_by(definition, saga, pauses)
    found = []
    for step in definition.steps:
        waiting = _of_step(definition, saga, step, saga.steps[step.name], now_us)
        if waiting is not None:
            held = whole[0] if whole else of_participant.get(step.participant)
            found.append(waiting if held is None else _held(waiting, held))
    if saga.phase is Phase.SCHEDULED:
        found.append(_start_time(saga, now_us, whole))
    if saga.attention is not None:
        found.insert(0, _attention(None, saga.attention, None, None))
    return [*(_paused(None, held) for held in whole), *found]


def held_by(definition: Definition, saga: Saga, pauses: Iterable[Held]) -> tuple[list[Held], Mapping[str, Held]]:
    """The pauses that hold the whole saga, and by participant those that hold steps of it which are
    not settled.
    """
    whole = []
    if saga.paused_at_us is not None:
        who, why = saga.paused_by or "somebody", saga.paused_why or ""
        whole.append(Held(scope="saga", name=saga.id, since_us=saga.paused_at_us, who=who, why=why))
    left = {step.participant for step in definition.steps if saga.steps[step.name].status not in SETTLED | {Status.DONE}}
    known = [held for held in pauses if not saga.final]
    whole += [held for held in known if held.scope == "definition" and held.name == definition.name]
    return whole, {held.name: held for held in known if held.scope == "participant" and held.name in left}


def _start_time(saga: Saga, now_us: int, whole: Sequence[Held]) -> Waiting:
    start_at_us = saga.start_at_us or now_us
    left_us = start_at_us - now_us
    mover = f"its start time: in {about(left_us)}" if left_us > 0 else "its start time, which has come"
    if whole:
        mover += "; not before the pause has ended"
    until_us = start_at_us if not whole or left_us > 0 else None
    return Waiting(step=None, name=START, since_us=saga.started_at_us, until_us=until_us, mover=mover)


def _paused(step: str | None, held: Held) -> Waiting:
    return Waiting(step=step, name=PAUSED, since_us=held.since_us, until_us=None, mover=held.end)


def _held(waiting: Waiting, held: Held) -> Waiting:
    """The wait of a step whose participant is not asked for now."""
    if waiting.name in _NOT_ASKED:
        return _paused(waiting.step, held)
    if waiting.until_us is None:
        return waiting
    return replace(waiting, until_us=None, mover=f"{waiting.mover}; not before the pause has ended")


def _of_step(definition: Definition, saga: Saga, step: Step, state: StepState, now_us: int) -> Waiting | None:
    if state.attention is not None:
        waiting = _attention(step.name, state.attention, state.silent_since_us, state.due_at_us)
        return waiting if state.attention != timing.EXPIRED else replace(waiting, mover=_expired(step, state))
    if not state.answered:
        mover = f"{step.participant}'s answer after a restore; until all have answered nothing moves; asked again by itself"
        return Waiting(step=step.name, name="reply", since_us=state.silent_since_us, until_us=state.due_at_us, mover=mover)
    if state.due_at_us is not None and state.status in (Status.IDLE, Status.READY, Status.UNDO_DUE):
        mover = "the next transition: one sends, and reads of what the saga carries, no more than a share"
        return Waiting(step=step.name, name="turn", since_us=None, until_us=state.due_at_us, mover=mover)
    match state.status:
        case Status.ASKED | Status.ACCEPTED | Status.UNDO_ASKED | Status.RESOLVING:
            return _reply(definition, saga, step, state, now_us)
        case Status.BACKOFF | Status.UNDO_BACKOFF:
            return Waiting(step=step.name, name="retry", since_us=None, until_us=state.due_at_us, mover="the retry's time")
        case Status.READY:
            return Waiting(step=step.name, name=state.hold or "slot", since_us=None, until_us=None, mover="admission")
        case Status.UNDO_DUE if all(saga.steps[name].status in SETTLED for name in definition.dependents[step.name]):
            return Waiting(step=step.name, name=PAUSED, since_us=None, until_us=None, mover="the end of the pause")
        case _:
            return None


def _reply(definition: Definition, saga: Saga, step: Step, state: StepState, now_us: int) -> Waiting:
    limits_us = timing.limits_us(saga, timing.limiting_phase(definition, saga), step, state)
    if is_open(state) and any(limit_us <= now_us for limit_us in limits_us):
        mover = f"a limit has passed; it acts once {step.participant} was asked again, and its replies are read up to then"
        return Waiting(
            step=step.name, name="reply_backlog", since_us=state.silent_since_us, until_us=state.due_at_us, mover=mover
        )
    if _is_accepted(state):
        note = f": «{state.message}»" if state.message else ""
        mover = f"{step.participant} has accepted it and will answer{note}; asked again by itself"
        return Waiting(step=step.name, name="accepted", since_us=state.asked_at_us, until_us=state.due_at_us, mover=mover)
    if state.skew_us is not None:
        return Waiting(
            step=step.name, name="expired", since_us=state.silent_since_us, until_us=state.due_at_us, mover=_expired(step, state)
        )
    mover = f"the reply of {step.participant}; asked again by itself"
    if state.due_at_us is not None and state.due_at_us <= now_us:
        mover = f"the replies of {step.participant} that came meanwhile: they are read first, then it is asked again by itself"
    return Waiting(step=step.name, name="reply", since_us=state.silent_since_us, until_us=state.due_at_us, mover=mover)


def _expired(step: Step, state: StepState) -> str:
    """What EXPIRED most likely means, and the way out."""
    if state.skew_us:
        ahead = f"{step.participant}'s is ahead of the coordinator's database"
        cause = f"clocks differ by about {about(state.skew_us)}: {ahead}; set them right"
    else:
        expiry = about(step.timing.expiry_ms * 1000)
        cause = (
            f"{step.participant} takes commands after their time ({expiry}): it is far behind, or `timeout.expiry` is too short"
        )
    return f"{cause}. It is asked again by itself"


def about(us: int) -> str:
    """A duration in its largest unit."""
    size, unit = next(((size, unit) for size, unit in _UNITS if us >= size * 1_000_000), (1, "s"))
    return f"{round(us / size / 1_000_000)} {unit}"


def _is_accepted(state: StepState) -> bool:
    """Its last word is IN_PROGRESS."""
    return state.status is Status.ACCEPTED or (state.progress > 0 and state.silent_since_us is None)


def _attention(step: str | None, reason: str, since_us: int | None, until_us: int | None) -> Waiting:
    default = "`saga step retry` once the cause is mended, or `saga step waive` with evidence"
    return Waiting(
        step=step, name=f"attention:{reason}", since_us=since_us, until_us=until_us, mover=_WAY_OUT.get(reason, default)
    )


__all__ = ["PAUSED", "START", "Held", "Waiting", "about", "held_by", "waiting_for"]
