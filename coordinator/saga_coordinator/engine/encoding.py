"""State and facts as stored bytes: JSON.

Of a state only what differs from a fresh step is written, by name (format 1). A fact's values stand
in the order of its fields, without the defaults at its end (format 2). So both stay small, and a
later release can add fields with defaults, a fact's at its end. Bytes are base64. A document of
another format, or with a word this release does not know, raises `UnreadableState`: the saga is
parked, never guessed.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import Any, Final, Protocol, TypeVar, cast

import orjson

from saga_coordinator.engine.copying import values_of
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
from saga_coordinator.engine.state import Kept, Phase, Saga, Status, StepState, StuckFrom
from saga_schemas.outcomes import Kind, Outcome

T = TypeVar("T", Kind, Outcome)

FORMAT: Final = 1
"""Of a state."""
FACTS_FORMAT: Final = 2
"""Of a journal record's facts. Format 1 had names, as states have."""


class UnreadableState(Exception):
    """Stored bytes that this release cannot read: another format, a newer release's word, or a row
    edited by hand.
    """


_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError)
_FACTS: dict[str, type[Fact]] = {
    "started": Started,
    "phase": PhaseChanged,
    "step": StepChanged,
    "saga": SagaChanged,
    "command": CommandSent,
    "reply": ReplySeen,
    "announced": Announced,
    "acted": Acted,
    "left": EffectLeft,
}
_TAGS = {fact: tag for tag, fact in _FACTS.items()}


BITS: Final[Mapping[Kind | Outcome, int]] = {
    Kind.ACTION: 1,
    Kind.COMPENSATION: 2,
    Kind.RESOLVE: 4,
    Outcome.SUCCEEDED: 1,
    Outcome.UNDONE: 2,
    Outcome.REJECTED: 4,
    Outcome.NOTHING_TO_UNDO: 8,
    Outcome.FENCED: 16,
}
"""A set of kinds or of definite answers is stored as one number, the sum of these."""


def _sets(words: type[T]) -> Mapping[int, frozenset[T]]:
    """Every set of these words, by the number that it is stored as."""
    known = [word for word in words if word in BITS]
    return {number: frozenset(word for word in known if number & BITS[word]) for number in range(1 << len(known))}


_KINDS: Final = _sets(Kind)
_OUTCOMES: Final = _sets(Outcome)


def _maybe(convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else convert(value)


def _same(value: Any) -> Any:
    return value


def _bytes(value: str) -> bytes:
    return base64.b64decode(value, validate=True)


def _payload(value: str | dict[str, int]) -> bytes | Kept:
    return Kept(**value) if isinstance(value, dict) else _bytes(value)


_STEP_READERS: dict[str, Callable[[Any], Any]] = {
    "status": Status,
    "asking": _maybe(Kind),
    "sent": _KINDS.__getitem__,
    "evidence": _OUTCOMES.__getitem__,
    "stuck_from": _maybe(StuckFrom),
    "command": _maybe(_payload),
    "reply": _maybe(_payload),
}
_FACT_READERS: dict[str, Callable[[Any], Any]] = {
    "phase": Phase,
    "kind": Kind,
    "outcome": Outcome,
    "status": Status,
    "input": _bytes,
    "payload": _maybe(_bytes),
    "steps": tuple,
}
_STORED_KEYS: Final[Mapping[str, str]] = {
    "at_us": "at",
    "asked_at_us": "asked_at",
    "begun_at_us": "begun_at",
    "closed_at_us": "closed_at",
    "deadline_at_us": "deadline_at",
    "due_at_us": "due_at",
    "expiry_at_us": "expiry_at",
    "heartbeat_at_us": "heartbeat_at",
    "paused_at_us": "paused_at",
    "pauses_counted_us": "pauses_counted",
    "probed_at_us": "probed_at",
    "silent_since_us": "silent_since",
    "start_at_us": "start_at",
    "started_at_us": "started_at",
    "taken_at_us": "taken_at",
}
"""These fields are stored without their unit, every other field under its own name."""


def stored_key(field: str) -> str:
    """The key that a field of a fact or of a state is stored and shown under."""
    return _STORED_KEYS.get(field, field)


_DEFAULTS: Final = {kind: {f.name: f.default for f in fields(kind)} for kind in (StepState, Saga)}
"""MISSING, which nothing equals, for a field without one."""
_KEYS: Final = {kind: {f.name: stored_key(f.name) for f in fields(kind)} for kind in (StepState, Saga)}
_FIELDS: Final = {kind: {key: name for name, key in keys.items()} for kind, keys in _KEYS.items()}
_PLACES: Final = {
    kind: tuple((f.name, _FACT_READERS.get(stored_key(f.name), _same), f.default) for f in fields(kind)) for kind in _TAGS
}
"""A fact's values in their order: field, how it is read, default or MISSING."""
_CHANGED: Final[Mapping[type[Fact], type[StepState] | type[Saga]]] = {StepChanged: StepState, SagaChanged: Saga}
"""Whose fields a fact's `changes` are."""
_UNCHANGEABLE: Final = frozenset({"id", "steps"})


def _default(value: Any) -> Any:
    if isinstance(value, bytes):
        return binascii.b2a_base64(value, newline=False).decode()
    if isinstance(value, Kept):
        return {"version": value.version, "size": value.size}
    if isinstance(value, frozenset):
        return sum(BITS[word] for word in value)
    raise TypeError(f"{type(value).__name__} does not belong in a state")


def encode_facts(facts: Iterable[Fact]) -> bytes:
    """One transition's facts, in order: `[[tag, value, …], …]`.

    A fact's place is the last number of the command ids it makes.
    """
    return orjson.dumps([_by_place(fact) for fact in facts], default=_default)


def _by_place(fact: Fact) -> list[Any]:
    """Its tag and its values, without the defaults at its end."""
    kind = type(fact)
    document = [_TAGS[kind], *values_of(fact).values()]
    if isinstance(fact, (StepChanged, SagaChanged)):
        keys = _KEYS[_CHANGED[kind]]
        document[-1] = {keys[name]: value for name, value in fact.changes.items()}
        return document
    places = _PLACES[kind]
    while document[-1] is places[len(document) - 2][-1]:
        document.pop()
    return document


def _sparse(record: StepState | Saga) -> dict[str, Any]:
    """What differs from the defaults."""
    kind = type(record)
    defaults, keys = _DEFAULTS[kind], _KEYS[kind]
    return {keys[name]: value for name, value in values_of(record).items() if value != defaults[name]}


class StoredFacts(Protocol):
    """A journal record as it is stored."""

    @property
    def format(self) -> int: ...

    @property
    def facts(self) -> bytes: ...


def read_facts(record: StoredFacts) -> tuple[Fact, ...]:
    """The facts of a journal record. Raises UnreadableState."""
    if record.format != FACTS_FORMAT:
        raise UnreadableState(f"journal format {record.format} is not {FACTS_FORMAT}: it was written by another release")
    return decode_facts(record.facts)


def decode_facts(document: bytes) -> tuple[Fact, ...]:
    try:
        return tuple(_fact(_FACTS[tag], content) for tag, *content in orjson.loads(document))
    except _UNREADABLE as error:
        raise UnreadableState(f"a journal record cannot be read: {type(error).__name__}") from error


def _fact(kind: type[Fact], content: list[Any]) -> Fact:
    places = _PLACES[kind]
    if len(content) > len(places):
        raise ValueError("more values than the fact has")
    values = {name: read(value) for (name, read, _), value in zip(places, content, strict=False)}
    if kind in _CHANGED:
        names = _FIELDS[_CHANGED[kind]]
        changes = {names[key]: _STEP_READERS.get(key, _same)(value) for key, value in values["changes"].items()}
        if not _UNCHANGEABLE.isdisjoint(changes):
            raise ValueError("changes of what never changes")
        values["changes"] = changes
    return kind(**values)


def encode_saga(saga: Saga) -> bytes:
    """The state, without the id (it is the row's key)."""
    document = _sparse(saga)
    del document["id"], document["steps"]
    document["steps"] = {name: _sparse(step) for name, step in saga.steps.items()}
    return orjson.dumps(document, default=_default)


def decode_saga(saga_id: str, document: bytes, format: int = FORMAT) -> Saga:
    if format != FORMAT:
        raise UnreadableState(f"state format {format} is not {FORMAT}: it was written by another release")
    try:
        content = cast(dict[str, Any], orjson.loads(document))
        steps = {name: _step(step) for name, step in content.pop("steps").items()}
        names = _FIELDS[Saga]
        values = {names[key]: value for key, value in content.items()}
        values["phase"] = Phase(values["phase"])
        values["input"] = _bytes(values["input"])
        return Saga(id=saga_id, steps=steps, **values)
    except _UNREADABLE as error:
        raise UnreadableState(f"the state of saga {saga_id} cannot be read: {type(error).__name__}") from error


def _step(content: Mapping[str, Any]) -> StepState:
    names = _FIELDS[StepState]
    return StepState(**{names[key]: _STEP_READERS.get(key, _same)(value) for key, value in content.items()})
