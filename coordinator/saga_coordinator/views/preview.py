"""What an act would do to a saga now: which effects would be undone and in which order, what must
be settled before, and what stays. Pure: the engine itself says what a cancel does, on a copy.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from saga_coordinator.engine import transition
from saga_coordinator.engine.copying import changed
from saga_coordinator.engine.definition import Definition, Step, StepKind
from saga_coordinator.engine.events import Cancel, Env, Refused
from saga_coordinator.engine.state import Phase, Saga, Status, StepState, is_open
from saga_coordinator.engine.termination import Left, effects_left


class PreviewedAct(StrEnum):
    """Acts that can be previewed."""

    CANCEL = "cancel"
    TERMINATE = "terminate"


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoView:
    """One effect that would be undone."""

    order: int
    """From 1, first to last."""
    step: str
    participant: str
    command: str
    """The record of the compensation."""
    certain: bool
    """False: it was asked and nobody knows whether it was done; its undo settles that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewView:
    """What the act would do."""

    act: PreviewedAct
    allowed: bool
    refusal: str | None
    """The code that it would be refused with."""
    sentences: tuple[str, ...]
    """All of it in words."""
    settle_first: tuple[str, ...]
    """Steps whose participants would be asked first what became of them."""
    undo: tuple[UndoView, ...]
    stays: tuple[str, ...]
    """Steps whose effects would stay."""
    may_stay: tuple[str, ...]
    """Steps of which nobody would know."""


_UNDOING = frozenset({Status.UNDO_DUE, Status.UNDO_ASKED, Status.UNDO_BACKOFF, Status.STUCK_BACK})


def preview(act: PreviewedAct, definition: Definition, saga: Saga, now_us: int) -> PreviewView:
    """What the act would do to the saga if it came now."""
    if saga.final:
        return _refused(act, "finished", "the saga is finished")
    return terminate_preview(definition, saga) if act is PreviewedAct.TERMINATE else cancel_preview(definition, saga, now_us)


def cancel_preview(definition: Definition, saga: Saga, now_us: int) -> PreviewView:
    """What would be undone, in which order, and what would be asked first."""
    held = changed(saga, {"paused_at_us": now_us})  # so that placing the steps asks nobody
    try:
        _, after = transition(definition, held, Cancel(reason="preview", actor="preview"), Env(now_us=now_us), empty=b"")
    except Refused as refused:
        return _refused(PreviewedAct.CANCEL, refused.code, refused.detail)
    assert after is not None
    settling = after.phase is Phase.SETTLING
    states = {step.name: after.steps[step.name] for step in definition.steps}
    first = [step for step in definition.steps if states[step.name].status is Status.RESOLVING]
    back = [step for step in reversed(definition.steps) if _is_undone(step, states[step.name], settling=settling)]
    undo = tuple(
        UndoView(
            order=order,
            step=step.name,
            participant=step.participant,
            command=step.compensation.message.record if step.compensation is not None else "",
            certain=states[step.name].known,
        )
        for order, step in enumerate(back, start=1)
    )
    stays = [step.name for step in definition.steps if _is_kept(step, states[step.name])]
    return PreviewView(
        act=PreviewedAct.CANCEL,
        allowed=True,
        refusal=None,
        sentences=tuple(_cancelled(first, undo, stays, settling=settling)),
        settle_first=tuple(step.name for step in first),
        undo=undo,
        stays=tuple(stays),
        may_stay=(),
    )


def terminate_preview(definition: Definition, saga: Saga) -> PreviewView:
    """What would stay, and what may stay."""
    left = effects_left(definition, saga)
    stays = tuple(name for name, effect in left if effect is Left.STAYS)
    may_stay = tuple(name for name, effect in left if effect is Left.MAY_STAY)
    sentences = ["the saga would end FORCED; nobody would be asked any more, and nothing undone"]
    sentences += [f"{_effects(len(stays))} would stay: {', '.join(stays)}"] * bool(stays)
    sentences += [f"of {', '.join(may_stay)} nobody would know: asked and not settled, it may be done or undone yet"] * bool(
        may_stay
    )
    sentences += ["no effect stays"] * (not left)
    return PreviewView(
        act=PreviewedAct.TERMINATE,
        allowed=True,
        refusal=None,
        sentences=tuple(sentences),
        settle_first=(),
        undo=(),
        stays=stays,
        may_stay=may_stay,
    )


def _refused(act: PreviewedAct, code: str, why: str) -> PreviewView:
    return PreviewView(act=act, allowed=False, refusal=code, sentences=(why,), settle_first=(), undo=(), stays=(), may_stay=())


def _is_undone(step: Step, state: StepState, *, settling: bool) -> bool:
    """Its compensation would be sent, where what must be settled first lets it."""
    if step.compensation is None:
        return False
    return (
        state.status in _UNDOING
        or state.status is Status.RESOLVING
        or (settling and (state.status is Status.DONE or is_open(state)))
    )


def _is_kept(step: Step, state: StepState) -> bool:
    """Nothing undoes it."""
    return step.kind is StepKind.COMPENSATABLE and step.compensation is None and state.status in (Status.KEPT, Status.DONE)


def _cancelled(first: list[Step], undo: Iterable[UndoView], stays: list[str], *, settling: bool) -> Iterable[str]:
    for step in first:
        pivot = step.kind is StepKind.PIVOT and settling
        more = "; if it was done, the saga goes forward and nothing is undone" if pivot else ""
        yield f"first {step.participant} is asked what became of {step.name}{more}"
    names = [one.step if one.certain else f"{one.step} (if it was done)" for one in undo]
    if len(names) > 1:
        yield f"{_effects(len(names))} would be undone, in this order: {', '.join(names)}"
    elif names:
        yield f"one effect would be undone: {names[0]}"
    elif not settling:
        yield "nothing was done that would have to be undone"
    if stays:
        yield f"nothing undoes {', '.join(stays)}: the definition names no compensation"


def _effects(count: int) -> str:
    return "one effect" if count == 1 else f"{count} effects"
