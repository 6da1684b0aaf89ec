"""A query whose relative times count from one moment, however often it is asked. Pure.

A batch of `closed < -1h` that takes an hour must not come to sagas that ended meanwhile.
"""

from __future__ import annotations

from dataclasses import replace

from saga_coordinator.query import Query, parse
from saga_coordinator.query.tree import All, Comparison, Condition, FromNow, Instant, Not, Some, Value


def pinned(text: str, at_us: int) -> Query:
    """The query, as it was meant then.

    Args:
        text: The query.
        at_us: The moment, in microseconds since 1970.

    Raises:
        QueryRefused: It is none.
    """
    query = parse(text)
    return replace(query, condition=_at(query.condition, at_us))


def _at(condition: Condition, at_us: int) -> Condition:
    match condition:
        case Comparison():
            return replace(condition, values=tuple(_fixed(value, at_us) for value in condition.values))
        case Not():
            return Not(_at(condition.part, at_us))
        case All():
            return All(tuple(_at(part, at_us) for part in condition.parts))
        case Some():
            return Some(tuple(_at(part, at_us) for part in condition.parts))


def _fixed(value: Value, at_us: int) -> Value:
    return Instant(at_us + value.us) if isinstance(value, FromNow) else value
