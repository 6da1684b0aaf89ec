"""A journal record in words: a sentence for each fact that people care about. Pure.

It reads facts as `views/journal.py` shows them, so a client of the API says the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

Fact = Mapping[str, Any]
_TEXT_CHARS: Final = 300
_UNDO: Final = "compensation"
_TOLD: Final = {
    "done": "is done",
    "no_effect": "has no effect",
    "undone": "is undone",
    "kept": "is kept: it has no compensation",
    "waived": "is waived",
    "accepted": "is accepted; its answer comes later",
    "backoff": "is tried again later",
    "undo_backoff": "is undone later: the undo failed",
    "stuck_forward": "is stuck, and the saga can only go forward",
    "stuck_back": "is stuck on the way back",
    "conflict": "has two answers that contradict each other",
}
"""Of a step, by its new status; the others only lead there."""


def record_words(facts: Iterable[Fact]) -> tuple[str, ...]:
    """The sentences of one record, in order; none where nothing is worth a word."""
    return tuple(sentence for fact in facts for sentence in _sentences(fact))


def _sentences(fact: Fact) -> Iterator[str]:
    match fact.get("fact"):
        case "started":
            yield "began again after a restore" if fact.get("recovered") else "started"
        case "command":
            yield _command(fact)
        case "reply":
            yield _reply(fact)
        case "phase":
            yield f"the saga is {fact.get('phase')}{_because(fact.get('reason'))}"
        case "acted":
            step = f" {fact['step']}" if fact.get("step") else ""
            yield f"{_short(fact.get('actor'))}: {fact.get('act')}{step}{_because(fact.get('reason'))}"
        case "step":
            yield from _changes(str(fact.get("step")), fact.get("changes") or {})
        case "saga":
            yield from _changes("the saga", fact.get("changes") or {})


def _command(fact: Fact) -> str:
    step, participant, attempt = fact.get("step"), fact.get("participant"), fact.get("attempt", 1)
    again = f" again (attempt {attempt})" if isinstance(attempt, int) and attempt > 1 else ""
    if fact.get("kind") == _UNDO:
        return f"{step}: {participant} is asked{again} to undo it ({fact.get('record')})"
    if fact.get("kind") == "resolve":
        return f"{step}: {participant} is asked{again} whether it happened"
    return f"{step}: {participant} is asked{again} ({fact.get('record')})"


def _reply(fact: Fact) -> str:
    why = ": ".join(_short(fact[name]) for name in ("code", "message") if fact.get(name))
    return f"{fact.get('step')}: {fact.get('outcome')}{f' ({why})' if why else ''}"


def _changes(of: str, changes: Fact) -> Iterator[str]:
    if (told := _TOLD.get(str(changes.get("status")))) is not None:
        yield f"{of} {told}"
    if "attention" in changes:
        reason = changes["attention"]
        yield f"{of} needs a person: {reason}" if reason else f"{of} needs nobody any more"
    if "recovering" in changes:
        yield (
            "the saga asks its participants again after a restore"
            if changes["recovering"]
            else "all have answered after the restore"
        )


def _because(reason: object) -> str:
    return f": {_short(reason)}" if reason else ""


def _short(text: object) -> str:
    said = str(text)
    return said if len(said) <= _TEXT_CHARS else f"{said[:_TEXT_CHARS]}…"
