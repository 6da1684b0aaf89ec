"""`@frozen`: the frozen dataclass of this project, for the classes of which a message or a saga makes many.

For the type checker, hence in `make types`, they are frozen. At run time they are not: `dataclass(frozen=True)` sets each field through
`object.__setattr__`, and makes the twenty fields of a command's headers four times as slow.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

C = TypeVar("C")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def frozen(cls: type[C]) -> type[C]:
    """As `@dataclass(frozen=True, slots=True, kw_only=True)`: equal and hashed by value, and nobody assigns to a field."""
    return dataclass(slots=True, kw_only=True, unsafe_hash=True)(cls)
