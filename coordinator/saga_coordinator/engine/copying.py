"""Records that are copied, or taken apart, with every event: `@copyable` classes, and changed
copies of them.

`@copyable` is `@record` without slots. The fields stand in a `__dict__`, in the order they are
declared, so a copy is two merges of dicts. Nothing else looks into that dict, and nothing writes to
one that exists.

What it gains (`benchmarks/transitions.py`, CPU of deciding and writing one order saga, median of
the ratios): with `dataclasses.replace` on the same classes it costs 1.17, with `replace` on frozen
classes with slots 1.39.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, dataclass_transform

from saga_schemas.record_class import FROZEN_AT_RUN_TIME

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def copyable(kind: type[T]) -> type[T]:
    """Equal and hashed by value, and for the type checker nobody assigns to a field."""
    if FROZEN_AT_RUN_TIME:
        return dataclass(kw_only=True, frozen=True)(kind)
    return dataclass(kw_only=True, unsafe_hash=True)(kind)


def values_of(record: object) -> Mapping[str, Any]:
    """The fields of a copyable record by name, to be read only."""
    return record.__dict__


def changed(given: T, changes: Mapping[str, Any]) -> T:
    """A copy of a copyable record with these fields changed.

    They are taken as they are, `__post_init__` is not called.
    """
    made = object.__new__(type(given))
    values = made.__dict__
    values |= given.__dict__
    values |= changes
    assert len(values) == len(given.__dict__), f"{type(given).__name__} has no such field: {changes.keys()}"
    return made
