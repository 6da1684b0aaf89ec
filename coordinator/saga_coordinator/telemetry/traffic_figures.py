"""The figures of a stretch of time: what a definition, a participant or an instance did in it.

They are counts alone, so those of many instances and minutes are merged by adding them up. Stored
they are compact JSON. A reader takes what it knows of a row that another release wrote, and passes
over one that is none. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from saga_coordinator.telemetry.log_buckets import LAST, Buckets, add

DEFINITION: Final = "definition"
PARTICIPANT: Final = "participant"
INSTANCE: Final = "instance"
MOST_CODES: Final = 20
"""Distinct codes of one outcome in one stretch; the rest are `other`."""
OTHER: Final = "other"

Counts = dict[str, int]


@dataclass(slots=True)
class DefinitionFigures:
    """Of the sagas of one definition."""

    started: int = 0
    ended: dict[str, Buckets] = field(default_factory=dict)
    """By final phase: how long they took, from start to end."""
    dirty: bool = False
    """Something was counted that is not stored yet."""

    def add(self, more: DefinitionFigures) -> None:
        self.started += more.started
        _add_buckets(self.ended, more.ended)

    def plain(self) -> dict[str, Any]:
        return {"started": self.started, "ended": _flat(self.ended)}

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> DefinitionFigures:
        return cls(started=_count(plain.get("started", 0)), ended=_buckets(plain.get("ended", {})))


@dataclass(slots=True)
class ParticipantFigures:
    """Of the commands to one participant, and of its answers."""

    commands: int = 0
    """Sent, with those that asked again."""
    replies: dict[str, Counts] = field(default_factory=dict)
    """By outcome and code; the code is empty where there is none."""
    parts: dict[str, Buckets] = field(default_factory=dict)
    """What answered commands took: `queue`, `handler` and `wire`."""
    sent_at_us: int = 0
    """When the last command was sent; 0: none was."""
    heard_at_us: int = 0
    """When the last reply was applied."""
    dirty: bool = False

    def add(self, more: ParticipantFigures) -> None:
        self.commands += more.commands
        for outcome, codes in more.replies.items():
            known = self.replies.setdefault(outcome, {})
            for code, count in codes.items():
                known[code] = known.get(code, 0) + count
        _add_buckets(self.parts, more.parts)
        self.sent_at_us = max(self.sent_at_us, more.sent_at_us)
        self.heard_at_us = max(self.heard_at_us, more.heard_at_us)

    def plain(self) -> dict[str, Any]:
        return {
            "commands": self.commands,
            "replies": {str(outcome): codes for outcome, codes in self.replies.items()},
            "parts": _flat(self.parts),
            "sent_at_us": self.sent_at_us,
            "heard_at_us": self.heard_at_us,
        }

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> ParticipantFigures:
        return cls(
            commands=_count(plain.get("commands", 0)),
            replies={str(outcome): _counts(codes) for outcome, codes in _mapping(plain.get("replies", {})).items()},
            parts=_buckets(plain.get("parts", {})),
            sent_at_us=_count(plain.get("sent_at_us", 0)),
            heard_at_us=_count(plain.get("heard_at_us", 0)),
        )


@dataclass(slots=True)
class InstanceFigures:
    """Of what concerns no saga alone."""

    commits: Buckets = field(default_factory=dict)
    """How long saving and committing a batch took."""
    late: Buckets = field(default_factory=dict)
    """By how much wake-ups were late."""
    letters: Counts = field(default_factory=dict)
    """Records that could not be read, by reason."""
    dirty: bool = False

    def add(self, more: InstanceFigures) -> None:
        add(self.commits, more.commits)
        add(self.late, more.late)
        for reason, count in more.letters.items():
            self.letters[reason] = self.letters.get(reason, 0) + count

    def plain(self) -> dict[str, Any]:
        return {**_flat({"commits": self.commits, "late": self.late}), "letters": self.letters}

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> InstanceFigures:
        found = _buckets({name: plain.get(name, []) for name in ("commits", "late")})
        return cls(commits=found["commits"], late=found["late"], letters=_counts(plain.get("letters", {})))


AnyFigures = DefinitionFigures | ParticipantFigures | InstanceFigures
KINDS: Final[Mapping[str, type[AnyFigures]]] = {
    DEFINITION: DefinitionFigures,
    PARTICIPANT: ParticipantFigures,
    INSTANCE: InstanceFigures,
}


def encode(figures: AnyFigures) -> bytes:
    """As they are stored."""
    return orjson.dumps(figures.plain())


def decode(kind: str, stored: bytes) -> AnyFigures | None:
    """From what is stored; None where it is nothing of this kind that this release can read."""
    if kind not in KINDS:
        return None
    try:
        return KINDS[kind].of(_mapping(orjson.loads(stored)))
    except (ValueError, TypeError, OverflowError):
        return None


def count_code(replies: dict[str, Counts], outcome: str, code: str) -> None:
    """Count one reply. Beyond `MOST_CODES` a new code is `other`."""
    codes = replies.get(outcome)
    if codes is None:
        codes = replies[outcome] = {}
    if code not in codes and len(codes) >= MOST_CODES:
        code = OTHER
    codes[code] = codes.get(code, 0) + 1


def _add_buckets(to: dict[str, Buckets], more: Mapping[str, Buckets]) -> None:
    for name, buckets in more.items():
        add(to.setdefault(name, {}), buckets)


def _flat(named: Mapping[str, Buckets]) -> dict[str, list[int]]:
    """Bucket, count, bucket, count: half the bytes of an object."""
    return {str(name): [number for pair in sorted(buckets.items()) for number in pair] for name, buckets in named.items()}


def _buckets(plain: Any) -> dict[str, Buckets]:
    return {str(name): _pairs(flat) for name, flat in _mapping(plain).items()}


def _pairs(flat: Any) -> Buckets:
    if not isinstance(flat, list) or len(flat) % 2:
        raise ValueError("expected bucket, count, …")
    return {min(_count(bucket), LAST): _count(count) for bucket, count in zip(flat[::2], flat[1::2], strict=True)}


def _counts(plain: Any) -> Counts:
    return {str(name): _count(count) for name, count in _mapping(plain).items()}


def _mapping(plain: Any) -> Mapping[str, Any]:
    if not isinstance(plain, dict):
        raise ValueError("expected an object")
    return plain


def _count(plain: Any) -> int:
    if type(plain) is not int or plain < 0:
        raise ValueError("expected a count")
    return plain
