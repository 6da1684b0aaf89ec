"""What a query may ask for: the fields of a saga, the kind of each, and how each is compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from saga_coordinator.query.tree import Operator


class Kind(Enum):
    """The kind of a field's values, as messages name it."""

    ID = "an id (a UUID)"
    TEXT = 'a text, as "o-17"'
    PHASE = "a phase"
    NUMBER = "a whole number"
    FLAG = "true or false"
    TIME = "a time, as 2026-11-01, 2026-11-01T09:30:00Z, -1h or now"
    DURATION = "a duration, as 500ms, 30s, 10m, 2h or 1d"
    LABEL = "a text, a number, true or false, or a time"


_ONE_OF: Final[tuple[Operator, ...]] = ("=", "in")
_ORDERED: Final[tuple[Operator, ...]] = ("=", "in", "<", "<=", ">", ">=", "between")
_TEXT: Final[tuple[Operator, ...]] = (*_ORDERED, "starts with")
_NULL: Final[tuple[Operator, ...]] = ("is null",)


@dataclass(frozen=True, slots=True)
class Field:
    """One field."""

    kind: Kind
    operators: tuple[Operator, ...]


FIELDS: Final[Mapping[str, Field]] = {
    "id": Field(Kind.ID, _ONE_OF),
    "key": Field(Kind.TEXT, _TEXT + _NULL),
    "definition": Field(Kind.TEXT, _TEXT),
    "version": Field(Kind.NUMBER, _ORDERED),
    "phase": Field(Kind.PHASE, _ONE_OF),
    "open": Field(Kind.FLAG, _ONE_OF),
    "attention": Field(Kind.FLAG, _ONE_OF),
    "reason": Field(Kind.TEXT, ("=", "in", "starts with", "is null")),
    "started": Field(Kind.TIME, _ORDERED),
    "begins": Field(Kind.TIME, _ORDERED + _NULL),
    "closed": Field(Kind.TIME, _ORDERED + _NULL),
    "duration": Field(Kind.DURATION, _ORDERED),
    "trace": Field(Kind.TEXT, _ONE_OF),
    "imported": Field(Kind.FLAG, _ONE_OF),
}
"""By name. A new one also stands in the table of `store.query_conditions`."""
ALIASES: Final[Mapping[str, str]] = {"state": "phase"}
LABEL: Final = "label"
"""The field of a comparison with a label."""
LABELS: Final = Field(Kind.LABEL, _TEXT + _NULL)
LABEL_PREFIXES: Final = ("label.", "input.")
"""`input.customer` is the label `customer`: labels that a definition computes of its input have the
names of its fields."""


def fields_text() -> str:
    """The names, for people."""
    return f"{', '.join(FIELDS)}, label.NAME"
