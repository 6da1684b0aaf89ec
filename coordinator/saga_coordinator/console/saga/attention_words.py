"""What needs a person, in a sentence: what happened, since when, and what moves it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from saga_coordinator.console.formatting import moment_us
from saga_coordinator.console.saga.step_sides import SETTLED, StepSides, is_undoing, last_word
from saga_coordinator.engine.waiting import PAUSED
from saga_coordinator.views.saga import AttentionView, SagaView, WaitingView
from saga_schemas.record_class import record

_RETRIED: Final = frozenset({"stuck_forward", "stuck_back", "asked", "undo_asked", "undo_backoff", "resolving"})
"""States in which a retry does something (row 23)."""
_WAIVED: Final = frozenset({"asked", "stuck_forward", "stuck_back", "undo_asked", "undo_backoff", "resolving", "conflict"})
_MAY_WAIVE: Final = frozenset({"COMMITTED", "COMPENSATING"})


@record
class Alert:
    """One thing that needs a person."""

    headline: str
    detail: str
    since: str
    step: str | None
    undoing: bool
    may_retry: bool
    may_waive: bool
    only_unsafe: bool
    """Asking the participant first is no use: its answers contradict each other."""


@record
class Calm:
    """One thing that the saga waits for, which needs nobody."""

    step: str | None
    what: str
    since: str | None
    until: str | None
    """When it is looked at again; None: nobody knows, or at any moment."""
    mover: str
    may_retry: bool
    """It may be asked again at once."""


def alerts(view: SagaView, sides: Sequence[StepSides]) -> list[Alert]:
    """Everything that needs a person, first what is oldest."""
    by_name = {one.view.name: one for one in sides}
    found = [_alert(one, view, by_name.get(one.step or ""), sides) for one in view.attention]
    return sorted(found, key=lambda alert: moment_us(alert.since))


def _alert(attention: AttentionView, view: SagaView, one: StepSides | None, sides: Sequence[StepSides]) -> Alert:
    status = one.view.status if one is not None else ""
    undoing = one is not None and is_undoing(one.view)
    detail = _way_out(attention, one)
    if attention.note:
        detail = f"«{attention.note}». {_sentence(detail)}"
    behind = _waits_behind(one, sides)
    if behind:
        detail = f"{detail.rstrip('.')}. {behind}"
    return Alert(
        headline=headline(attention, one),
        detail=_sentence(detail),
        since=attention.since,
        step=attention.step,
        undoing=undoing,
        may_retry=status in _RETRIED and view.closed_at is None,
        may_waive=status in _WAIVED and view.phase in _MAY_WAIVE and one is not None and not one.plan.is_pivot,
        only_unsafe=status == "conflict",
    )


def headline(attention: AttentionView, one: StepSides | None) -> str:
    """What happened, as a sentence without its end."""
    if one is None:
        words = _OF_SAGA.get(attention.reason, attention.reason.replace("_", " "))
        return words if attention.step is None else f"{attention.step}: {words}"
    name, participant = one.view.name, one.plan.participant or "its participant"
    of_step = _OF_STEP.get(attention.reason)
    if of_step is not None:
        what = f"to undo {name}" if is_undoing(one.view) else f"to {name}"
        return of_step(name, participant, what) + _how_often(one)
    return f"{name}: {attention.reason.replace('_', ' ')}" + _how_often(one)


def _way_out(attention: AttentionView, one: StepSides | None) -> str:
    """What moves it. Where a person does, the buttons beside it are meant, not commands."""
    if one is None or "`saga step" not in attention.way_out or "`saga step waive --unsafe`" in attention.way_out:
        return attention.way_out
    answer = "UNDONE" if is_undoing(one.view) else "SUCCEEDED"
    return f"it moves when {one.plan.participant or 'its participant'} answers {answer}, or when you act"


def _how_often(one: StepSides) -> str:
    """What the participant said last, and how often it was asked."""
    word = last_word(one.view, "compensation") if is_undoing(one.view) else last_word(one.view, "action", "resolve")
    if word is None or word.outcome is None:
        return ""
    code = f" {word.code}" if word.code else ""
    times = f" {word.attempt} times" if word.attempt > 1 else ""
    return f": {one.plan.participant or 'its participant'} answered {word.outcome.value}{code}{times}"


_OF_STEP: Final[Mapping[str, Callable[[str, str, str], str]]] = {
    "undo_failed": lambda name, _, __: f"{name} cannot be undone",
    "undo_rejected": lambda name, _, __: f"{name} cannot be undone",
    "rejected": lambda name, _, __: f"{name} was refused, and there is no way back",
    "fenced": lambda name, _, __: f"{name} never ran and never will, and there is no way back",
    "unsupported": lambda name, participant, what: f"{participant} does not know the command {what}",
    "no_answer": lambda name, participant, what: f"{participant} does not answer {what}",
    "expired": lambda name, participant, what: f"the commands {what} come too late for {participant}",
    "no_progress": lambda name, participant, what: f"{participant} works on {name} and has no news",
    "time_over": lambda name, _, __: f"the time of {name} is over, and it can only go forward",
    "retries_spent": lambda name, _, __: f"{name} fails again and again",
    "conflict": lambda name, participant, __: f"the answers of {participant} to {name} contradict each other",
    "recovered_without_effect": lambda name, _, __: f"{name} was lost with the restore, and there is no way back",
}
_OF_SAGA: Final = {
    "engine_error": "the coordinator met a bug in this saga and has put it aside",
    "state_unreadable": "the stored state of this saga cannot be read",
    "definition_missing": "the definition of this saga cannot be loaded",
    "saga_unwritable": "the new state of this saga cannot be stored",
    "reply_from_the_future": "a participant answers commands that this database never sent: it was restored from a backup",
}


def _waits_behind(one: StepSides | None, sides: Sequence[StepSides]) -> str:
    """Which undo waits for this one."""
    if one is None or not is_undoing(one.view):
        return ""
    behind = [other.view.name for other in sides if other.view.name in one.plan.after and other.view.status not in SETTLED]
    if not behind:
        return ""
    return f"{', '.join(behind[:5])} {'waits' if len(behind) == 1 else 'wait'} behind it"


# --- waiting --------------------------------------------------------------------------------------

_WAITS: Final = {
    "reply": "has not answered yet",
    "accepted": "works on it",
    "expired": "says that commands come too late",
    "retry": "failed, and is asked again",
    "reply_backlog": "has replies that are not read yet",
    "reply_unreadable": "gave an answer that cannot be read",
    "publish": "has not been asked: the command has not left",
    "kafka_away": "cannot be asked: Kafka does not answer",
    "slot": "is held back",
    "turn": "has its turn next",
    "start_time": "has not begun",
    "definition_missing": "its definition cannot be loaded",
}


def calm(view: SagaView, sides: Sequence[StepSides]) -> list[Calm]:
    """What the saga waits for besides what needs a person. Pauses are told by who made them."""
    by_name = {one.view.name: one for one in sides}
    waits = [waiting for waiting in view.waiting if not waiting.name.startswith("attention:") and waiting.name != PAUSED]
    return [
        Calm(
            step=waiting.step,
            what=_what(waiting, by_name),
            since=waiting.since,
            until=_ahead(waiting.until, view),
            mover=_moves(waiting.mover),
            may_retry=waiting.step in by_name and by_name[waiting.step].view.status in _RETRIED and view.closed_at is None,
        )
        for waiting in waits
    ]


def _what(waiting: WaitingView, sides: Mapping[str, StepSides]) -> str:
    one = sides.get(waiting.step or "")
    words = _WAITS.get(waiting.name, waiting.name.replace("_", " "))
    if one is None:
        return f"it {words}" if waiting.step is None else f"{waiting.step} {words}"
    what = f"undo {waiting.step}" if is_undoing(one.view) else waiting.step
    speaks = waiting.name in ("reply", "accepted", "expired", "reply_backlog", "reply_unreadable", "publish", "kafka_away")
    if not speaks:
        return f"{what} {words}"
    return f"{one.plan.participant or 'its participant'} {words} ({what})"


def _ahead(until: str | None, view: SagaView) -> str | None:
    now_us = moment_us(view.started_at) + view.duration_ms * 1000
    return until if until is not None and moment_us(until) > now_us else None


def _moves(mover: str) -> str:
    return _sentence(f"It moves with {mover}" if mover.startswith("the ") else mover)


def _sentence(text: str) -> str:
    """With a capital and a full stop."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".") if text else ""
