"""The attempts of a saga as the lines of its timeline."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from saga_coordinator.console.drawing.graph import Side
from saga_coordinator.console.drawing.waterfall import Bar, Line, attempt_words
from saga_coordinator.console.formatting import OUTCOME_TONES, duration, moment_us
from saga_coordinator.console.saga.step_sides import StepSides, attempts_of
from saga_coordinator.views.saga import SagaView, WaitingView
from saga_coordinator.views.step_history import FIRST_SHOWN, AttemptView
from saga_schemas.outcomes import Outcome
from saga_schemas.record_class import record

LINES_MOST: Final = 30
_PREFIX: Final = {"action": "", "compensation": "undo ", "resolve": "ask about "}


def timeline(view: SagaView, sides: Sequence[StepSides], href: Callable[[str, str], str]) -> tuple[list[Line], int]:
    """The lines in the order in which they began, and how many there is no room for.

    `href` gives the address of a step's attempts in one direction.
    """
    waits = {waiting.step: waiting for waiting in reversed(view.waiting)}
    found = [track for one in sides for track in _tracks(view, one, waits.get(one.view.name))]
    found.sort(key=lambda track: track.begins)
    if len(found) > LINES_MOST:
        first = sorted(range(len(found)), key=lambda number: (not found[number].is_told_first, number))[:LINES_MOST]
        shown = [found[number] for number in sorted(first)]
    else:
        shown = found
    return [_line(track, href(track.one.view.name, track.direction)) for track in shown], len(found) - len(shown)


@record
class _Track:
    """What a line is made of."""

    one: StepSides
    direction: str
    made: Sequence[AttemptView]
    waiting: WaitingView | None
    started_at: str

    @property
    def begins(self) -> str:
        return self.made[0].asked_at if self.made else self.waits_from

    @property
    def is_told_first(self) -> bool:
        return self.waiting is not None or self.side.alarm

    @property
    def side(self) -> Side:
        return self.one.undo if self.direction == "compensation" and self.one.undo is not None else self.one.forward

    @property
    def waits_from(self) -> str:
        """Since when it waits: since its last answer, or since it was asked."""
        answered = [one.answered_at for one in self.made if one.answered_at is not None]
        if answered and len(answered) == len(self.made):
            return max(answered)
        since = self.waiting.since if self.waiting is not None else None
        return since or (self.made[-1].asked_at if self.made else self.started_at)


def _tracks(view: SagaView, one: StepSides, waiting: WaitingView | None) -> Iterator[_Track]:
    now = _direction_now(one)
    for direction in ("action", "resolve", "compensation"):
        made, here = attempts_of(one.view, direction), waiting if direction == now else None
        if made or here is not None:
            yield _Track(one=one, direction=direction, made=made, waiting=here, started_at=view.started_at)


def _line(track: _Track, href: str) -> Line:
    made, name = track.made, f"{_PREFIX[track.direction]}{track.one.view.name}"
    return Line(
        name=name,
        look=track.side.look,
        href=href,
        bars=tuple(_bar(name, attempt) for attempt in made),
        note=_note(made, track.one, track.direction),
        note_tone=_tone(made[-1]) if made and made[-1].outcome is not None else "soft",
        omitted=_omitted(made, track.one.view.attempts_omitted),
        waits_from_us=None if track.waiting is None else moment_us(track.waits_from),
        waits="" if track.waiting is None else f"waits: {track.waiting.mover}",
    )


def _direction_now(one: StepSides) -> str:
    if one.view.status in ("undo_due", "undo_asked", "undo_backoff") or (
        one.view.status == "stuck_back" and one.undo is not None
    ):
        return "compensation"
    return "resolve" if one.view.status == "resolving" else "action"


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
