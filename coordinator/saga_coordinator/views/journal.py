"""The view of one saga's journal: the facts of each record in words, times and plain JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from saga_coordinator.engine.encoding import BITS, UnreadableState, read_facts, stored_key
from saga_coordinator.engine.facts import (
    Acted,
    Announced,
    CommandSent,
    EffectLeft,
    Fact,
    PhaseChanged,
    ReplySeen,
    SagaChanged,
    Started,
    StepChanged,
)
from saga_coordinator.store.port import JournalRow
from saga_coordinator.views.payloads import Payloads
from saga_schemas.times import format_us

_WORDS: Final[Mapping[type[Fact], str]] = {
    Started: "started",
    PhaseChanged: "phase",
    StepChanged: "step",
    SagaChanged: "saga",
    CommandSent: "command",
    ReplySeen: "reply",
    Announced: "announced",
    Acted: "acted",
    EffectLeft: "left",
}
_TIMES: Final = frozenset({"at", "silent_since", "pauses_counted"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordView:
    """One transition."""

    version: int
    at: str
    kind: str
    """The kind of event that caused it: start, reply, wakeup, cancel, retrystep, waivestep, pause,
    resume, terminate, movestart, recover."""
    actor: str | None
    facts: tuple[dict[str, Any], ...]
    """`fact` says which kind; times are RFC 3339, payloads plain JSON."""
    note: str | None = None
    """Why there are no facts."""


def record_views(rows: Iterable[JournalRow], payloads: Payloads) -> list[RecordView]:
    """The views of these records, in order.

    A record that this release cannot read says so and hides no other.
    """
    return [_record(row, payloads) for row in rows]


def _record(row: JournalRow, payloads: Payloads) -> RecordView:
    try:
        facts, note = tuple(_fact(fact, payloads) for fact in read_facts(row)), None
    except UnreadableState as unreadable:
        facts, note = (), str(unreadable)
    return RecordView(version=row.version, at=format_us(row.at_us), kind=row.kind, actor=row.actor, facts=facts, note=note)


def _fact(fact: Fact, payloads: Payloads) -> dict[str, Any]:
    """One fact. Only what differs from the default is shown, because only that is stored."""
    shown: dict[str, Any] = {"fact": _WORDS[type(fact)]}
    for field in fields(fact):
        value = getattr(fact, field.name)
        if value != field.default:
            key = stored_key(field.name)
            shown[key] = _value(key, value, payloads)
    return shown


def _value(name: str, value: Any, payloads: Payloads) -> Any:
    if isinstance(value, bytes):
        seen = payloads.show(value)
        return seen.value if seen.note is None else {"omitted": seen.note}
    if isinstance(value, Mapping):
        return {key: _value(key, each, payloads) for key, each in ((stored_key(inner), each) for inner, each in value.items())}
    if isinstance(value, frozenset):
        return [word.name.lower() for word in sorted(value, key=BITS.__getitem__)]
    if isinstance(value, int) and not isinstance(value, bool) and (name in _TIMES or name.endswith("_at")):
        return _time(value)
    return list(value) if isinstance(value, tuple) else value


def _time(us: int) -> Any:
    try:
        return format_us(us)
    except ValueError:
        return us  # a row edited by hand: shown as it is
