"""Which effects of a saga stand at this moment: what a person must know before acting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from saga_coordinator.console.formatting import Look
from saga_coordinator.console.saga.step_sides import StepSides, attempts_of, is_undoing, last_word, was_done
from saga_schemas.outcomes import Outcome
from saga_schemas.record_class import record

_NEVER: Final = frozenset({"idle", "ready", "no_effect", "unknown"})
_STANDS: Final = Look(shape="done", tone="done", words="stands")
_KEPT: Final = Look(shape="done", tone="soft", words="stays: nothing undoes it")
_STUCK: Final = Look(shape="alert", tone="hot", words="stands, and could not be undone yet")
_BEING_UNDONE: Final = Look(shape="back", tone="back", words="stands until it is undone")
_UNDONE: Final = Look(shape="undone", tone="back", words="undone")
_NEVER_CAME: Final = Look(shape="none", tone="soft", words="never came about")
_REFUSED: Final = Look(shape="no", tone="hot", words="does not stand: it was refused")
_UNKNOWN: Final = Look(shape="settle", tone="wait", words="not known: it was asked, and has not said")
_WAIVED: Final = Look(shape="forced", tone="wait", words="waived: a person answers for it")
_CONFLICT: Final = Look(shape="alert", tone="hot", words="not known: its answers contradict each other")


SINGLE_MOST: Final = 12
"""So many effects have a line each; of more, those that are alike share one."""


@record
class Effect:
    """What became of the effect of a step, or of several steps that do the same."""

    effect: str
    steps: str
    standing: str
    """How many stand: `1`, `0`, or `?`."""
    look: Look


def effects(sides: Sequence[StepSides]) -> list[Effect]:
    """The effects of all steps that were ever asked; what is not known and what stands first."""
    found: dict[tuple[str, Look, str, str], list[str]] = {}
    asked = [one for one in sides if one.view.attempts or one.view.status not in _NEVER]
    for one in asked:
        standing, look = _standing(one)
        alone = one.view.name if len(asked) <= SINGLE_MOST else ""
        found.setdefault((one.plan.effect, look, standing, alone), []).append(one.view.name)
    told = [_effect(effect, look, standing, names) for (effect, look, standing, _), names in found.items()]
    return sorted(told, key=lambda effect: (effect.standing != "?", effect.standing == "0"))


def _effect(effect: str, look: Look, standing: str, names: list[str]) -> Effect:
    steps = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
    count = f"{len(names):,}" if standing == "1" else standing
    return Effect(effect=effect, steps=steps, standing=count, look=look)


def _standing(one: StepSides) -> tuple[str, Look]:
    status, done = one.view.status, was_done(one.view)
    if status == "done":
        return "1", _STANDS
    if status == "kept":
        return "1", _KEPT
    if status == "waived":
        return ("1" if done and not is_undoing(one.view) else "?"), _WAIVED
    if status == "conflict":
        return "?", _CONFLICT
    if status in ("undone", "no_effect"):
        undone = bool(attempts_of(one.view, "compensation")) or done
        return "0", _UNDONE if undone else _NEVER_CAME
    word = last_word(one.view, "action")
    if status == "stuck_forward" and word is not None and word.outcome in (Outcome.REJECTED, Outcome.FENCED):
        return "0", _REFUSED
    if status == "stuck_back" and done:
        return "1", _STUCK
    if status in ("undo_due", "undo_asked", "undo_backoff") and done:
        return "1", _BEING_UNDONE
    return "?", _UNKNOWN
