"""State and facts as stored bytes: JSON, sparse, format 1.

Only what differs from a fresh step is written, so states stay small and a later release can add fields with defaults. Bytes are
base64. A document of another format, or with a word this release does not know, raises `UnreadableState`: the saga is parked, never
guessed.
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

FORMAT = 1


class UnreadableState(Exception):
    """Stored bytes that this release cannot read: another format, a newer release's word, or a row edited by hand."""


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
_DEFAULTS = {kind: {f.name: f.default for f in fields(kind)} for kind in (*_TAGS, StepState, Saga)}
"""MISSING, which nothing equals, for a field without one."""
_CHANGEABLE: dict[type[Fact], frozenset[str]] = {
    StepChanged: frozenset(f.name for f in fields(StepState)),
    SagaChanged: frozenset(f.name for f in fields(Saga)) - {"id", "steps"},
}


def _same(value: Any) -> Any:
    return value


def _default(value: Any) -> Any:
    if isinstance(value, bytes):
        return binascii.b2a_base64(value, newline=False).decode()
    if isinstance(value, Kept):
        return {"version": value.version, "size": value.size}
    if isinstance(value, frozenset):
        return sum(BITS[word] for word in value)
    raise TypeError(f"{type(value).__name__} does not belong in a state")


def encode_facts(facts: Iterable[Fact]) -> bytes:
    """One transition's facts, in order: `[[tag, {…}], …]`. A fact's place is the last number of the command ids it makes."""
    return orjson.dumps([[_TAGS[type(fact)], _sparse(fact)] for fact in facts], default=_default)


def _sparse(record: Fact | StepState | Saga) -> dict[str, Any]:
    """What differs from the defaults."""
    defaults = _DEFAULTS[type(record)]
    return {name: value for name, value in values_of(record).items() if value != defaults[name]}


class StoredFacts(Protocol):
    """A journal record as it is stored."""

    @property
    def format(self) -> int: ...

    @property
    def facts(self) -> bytes: ...


def read_facts(record: StoredFacts) -> tuple[Fact, ...]:
    """The facts of a journal record. Raises UnreadableState."""
    if record.format != FORMAT:
        raise UnreadableState(f"journal format {record.format} is not {FORMAT}: it was written by another release")
    return decode_facts(record.facts)


def decode_facts(document: bytes) -> tuple[Fact, ...]:
    try:
        return tuple(_fact(_FACTS[tag], content) for tag, content in orjson.loads(document))
    except _UNREADABLE as error:
        raise UnreadableState(f"a journal record cannot be read: {type(error).__name__}") from error


def _fact(kind: type[Fact], content: Mapping[str, Any]) -> Fact:
    values = {name: _FACT_READERS.get(name, _same)(value) for name, value in content.items()}
    if kind in _CHANGEABLE:
        unknown = values["changes"].keys() - _CHANGEABLE[kind]
        if unknown:
            raise ValueError(f"unknown fields {sorted(unknown)}")
        values["changes"] = {name: _STEP_READERS.get(name, _same)(value) for name, value in values["changes"].items()}
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
        content["phase"] = Phase(content["phase"])
        content["input"] = _bytes(content["input"])
        return Saga(id=saga_id, steps=steps, **content)
    except _UNREADABLE as error:
        raise UnreadableState(f"the state of saga {saga_id} cannot be read: {type(error).__name__}") from error


def _step(content: Mapping[str, Any]) -> StepState:
    return StepState(**{name: _STEP_READERS.get(name, _same)(value) for name, value in content.items()})
