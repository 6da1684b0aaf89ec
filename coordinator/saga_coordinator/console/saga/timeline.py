"""The attempts of a saga as the lines of its timeline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from saga_coordinator.console.drawing.waterfall import Bar, Line, attempt_words
from saga_coordinator.console.formatting import OUTCOME_TONES, duration, moment_us
from saga_coordinator.console.saga.step_sides import StepSides, attempts_of
from saga_coordinator.views.saga import SagaView, WaitingView
from saga_coordinator.views.step_history import FIRST_SHOWN, AttemptView
from saga_schemas.outcomes import Outcome

LINES_MOST: Final = 30
_PREFIX: Final = {"action": "", "compensation": "undo ", "resolve": "ask about "}


def timeline(view: SagaView, sides: Sequence[StepSides], href: Callable[[str, str], str]) -> tuple[list[Line], int]:
    """The lines in the order in which they began, and how many there is no room for.

    `href` gives the address of a step's attempts in one direction.
    """
    made = [_line(view, one, way, href(one.view.name, way)) for one in sides for way in ("action", "resolve", "compensation")]
    found = [line for line in made if line is not None]
    found.sort(key=lambda line: line.bars[0].from_us if line.bars else line.waits_from_us or 0)
    if len(found) <= LINES_MOST:
        return found, 0
    first = [line for line in found if line.look.tone == "hot" or line.waits_from_us is not None][:LINES_MOST]
    kept = {id(line) for line in first}
    rest = [line for line in found if id(line) not in kept][: LINES_MOST - len(first)]
    kept |= {id(line) for line in rest}
    return [line for line in found if id(line) in kept], len(found) - len(kept)


def _line(view: SagaView, one: StepSides, direction: str, href: str) -> Line | None:
    made = attempts_of(one.view, direction)
    waiting = _waiting(view, one, direction)
    if not made and waiting is None:
        return None
    side = one.undo if direction == "compensation" and one.undo is not None else one.forward
    begun = None if waiting is None else _waits_from(waiting, made, view)
    return Line(
        name=f"{_PREFIX[direction]}{one.view.name}",
        look=side.look,
        href=href,
        bars=tuple(_bar(f"{_PREFIX[direction]}{one.view.name}", attempt) for attempt in made),
        note=_note(made, one, direction),
        note_tone=_tone(made[-1]) if made and made[-1].outcome is not None else "soft",
        omitted=_omitted(made, one.view.attempts_omitted),
        waits_from_us=begun,
        waits="" if waiting is None else f"waits: {waiting.mover}",
    )


def _waiting(view: SagaView, one: StepSides, direction: str) -> WaitingView | None:
    """What the step waits for, if that is about this direction."""
    if direction != _direction_now(one):
        return None
    return next((waiting for waiting in view.waiting if waiting.step == one.view.name), None)


def _direction_now(one: StepSides) -> str:
    if one.view.status in ("undo_due", "undo_asked", "undo_backoff") or (
        one.view.status == "stuck_back" and one.undo is not None
    ):
        return "compensation"
    return "resolve" if one.view.status == "resolving" else "action"


def _waits_from(waiting: WaitingView, made: Sequence[AttemptView], view: SagaView) -> int:
    answered = [moment_us(one.answered_at) for one in made if one.answered_at is not None]
    if answered and len(answered) == len(made):
        return max(answered)
    return moment_us(waiting.since or (made[-1].asked_at if made else view.started_at))


def _omitted(made: Sequence[AttemptView], omitted: int) -> int:
    """The view says of the step as a whole how many attempts it leaves out."""
    return omitted if len(made) > FIRST_SHOWN and made[-1].attempt != made[-2].attempt + 1 else 0


def _bar(what: str, attempt: AttemptView) -> Bar:
    asked_us = moment_us(attempt.asked_at)
    outcome = attempt.outcome.value if attempt.outcome is not None else attempt.message or "no answer yet"
    if attempt.outcome is not None and attempt.code:
        outcome = f"{outcome} {attempt.code}"
    return Bar(
        from_us=asked_us,
        to_us=asked_us if attempt.outcome is None else moment_us(attempt.answered_at or attempt.asked_at),
        tone=_tone(attempt),
        words=attempt_words(f"{what}, attempt {attempt.attempt}", asked_us, attempt.duration_ms, outcome),
        queue_us=attempt.queue_us,
        handler_us=attempt.handler_us,
    )


def _tone(attempt: AttemptView) -> str:
    return "fwd" if attempt.outcome is None else OUTCOME_TONES.get(attempt.outcome, "wait")


def _note(made: Sequence[AttemptView], one: StepSides, direction: str) -> str:
    if not made:
        return one.undo.detail if direction == "compensation" and one.undo is not None else ""
    last = made[-1]
    if last.outcome is None:
        return "no answer yet" if last.attempt == 1 else f"asked {last.attempt} times"
    if last.outcome in (Outcome.SUCCEEDED, Outcome.UNDONE, Outcome.NOTHING_TO_UNDO):
        return duration(last.duration_ms)
    times = f"{last.attempt} × " if last.attempt > 1 else ""
    return f"{times}{last.outcome.value}" + (f" {last.code}" if last.code else "")
