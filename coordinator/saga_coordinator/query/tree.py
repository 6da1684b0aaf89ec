"""What a query says, as frozen records.

A comparison is true or false of a saga, never unknown: one with something that the saga does not
have is false, and its negation is true.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

Operator = Literal["=", "<", "<=", ">", ">=", "in", "between", "starts with", "is null"]
"""The others are negations: `!=`, `not in`, `not between`, `is not null`."""


@dataclass(frozen=True, slots=True)
class Instant:
    """A time."""

    us: int
    """Microseconds since 1970."""


@dataclass(frozen=True, slots=True)
class FromNow:
    """A time as far from the one at which the query is answered, by the database's clock."""

    us: int
    """Negative: before."""


@dataclass(frozen=True, slots=True)
class Lasting:
    """A duration."""

    us: int


Value = str | bool | int | float | UUID | Instant | FromNow | Lasting


@dataclass(frozen=True, slots=True)
class Comparison:
    """One field beside values of its kind."""

    field: str
    """One of `fields.FIELDS`, or `label`."""
    operator: Operator
    values: tuple[Value, ...] = ()
    """None for `is null`, two for `between`, some for `in`, else one. Those of a label have one
    type: a text, a bool, a float, or a time (Instant or FromNow)."""
    label: str | None = None
    """The label's name; None for another field."""


@dataclass(frozen=True, slots=True)
class Not:
    """The part is false."""

    part: Condition


@dataclass(frozen=True, slots=True)
class All:
    """Every part is true: two at least."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """A part is true: of two at least."""

    parts: tuple[Condition, ...]


Condition = Comparison | Not | All | Some


@dataclass(frozen=True, slots=True)
class Query:
    """A query that was read."""

    text: str
    condition: Condition


def narrowed(query: Query | None, further: Sequence[Comparison]) -> Query | None:
    """The sagas of a query that these comparisons hold of as well; None for all."""
    parts = [*([] if query is None else [query.condition]), *further]
    if not further or not parts:
        return query
    return Query("" if query is None else query.text, parts[0] if len(parts) == 1 else All(tuple(parts)))
