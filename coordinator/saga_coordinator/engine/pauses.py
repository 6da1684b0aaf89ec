"""What a decision knows of pauses that reach further than one saga: of definitions, and of
participants.

Pure data and arithmetic. What a pause does to a saga stands in `pausing.py`. They are stored, and
read by every instance, by `pauses/`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from typing import NamedTuple

from saga_schemas.record_class import record


class Interval(NamedTuple):
    """One pause, by the database's clock."""

    since_us: int
    until_us: int | None = None
    """None: it goes on."""


Intervals = Sequence[Interval]


@record
class Pauses:
    """The pauses of all definitions and participants, the latest of each, in their order."""

    as_of_us: int | None = None
    """Up to when all of them are known. None: as far as this decision is concerned, there are none.
    """
    definitions: Mapping[str, Intervals] = field(default_factory=dict)
    participants: Mapping[str, Intervals] = field(default_factory=dict)
    paused_definitions: frozenset[str] = frozenset()
    paused_participants: frozenset[str] = frozenset()
    last_end_us: int = 0
    """When the last of those that are over ended; 0: none is."""

    @classmethod
    def of(cls, as_of_us: int, definitions: Mapping[str, Intervals], participants: Mapping[str, Intervals]) -> Pauses:
        ends = [one.until_us for rows in (definitions, participants) for row in rows.values() for one in row]
        return cls(
            as_of_us=as_of_us,
            definitions=definitions,
            participants=participants,
            paused_definitions=_going_on(definitions),
            paused_participants=_going_on(participants),
            last_end_us=max((end for end in ends if end is not None), default=0),
        )

    @property
    def holds_any(self) -> bool:
        return bool(self.paused_definitions or self.paused_participants)


NO_PAUSES = Pauses()


def _going_on(rows: Mapping[str, Intervals]) -> frozenset[str]:
    return frozenset(name for name, row in rows.items() if row and row[-1].until_us is None)


def known_until(intervals: Iterable[Interval], until_us: int) -> list[Interval]:
    """Each with an end: what goes on is known up to then."""
    ended = (Interval(one.since_us, until_us if one.until_us is None else one.until_us) for one in intervals)
    return [one for one in ended if one.since_us < (one.until_us or 0)]


def paused_us(ended: Iterable[Interval], after_us: int) -> int:
    """How much of the time after `after_us` these pauses took; where they overlap it counts once.

    Each must have an end.
    """
    total, counted_us = 0, after_us
    for one in sorted(ended):
        until_us = one.until_us or 0
        total += max(0, until_us - max(one.since_us, counted_us))
        counted_us = max(counted_us, until_us)
    return total


def last_end_us(ended: Iterable[Interval]) -> int:
    """When the last of them ended. Each must have an end."""
    return max((one.until_us or 0 for one in ended), default=0)
