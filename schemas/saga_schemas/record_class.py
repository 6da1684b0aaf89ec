"""`@record`: the dataclass of this project for the classes of which a message or a saga makes many.

For the type checker, hence in `make types`, records are frozen: nobody assigns to a field. At run
time they are not, because `dataclass(frozen=True)` sets each field through `object.__setattr__`,
which makes the twenty fields of a command's headers four times as slow, and adds a fifth to
deciding and writing a saga (`benchmarks/transitions.py`). With `SAGA_TEST_FROZEN=1` in the
environment they are frozen at run time too: the unit tests run so once, and show that nobody
assigns behind the type checker's back. See docs/adr/0015-frozen-for-the-type-checker.md.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Final, TypeVar, dataclass_transform

C = TypeVar("C")

FROZEN_AT_RUN_TIME: Final = os.environ.get("SAGA_TEST_FROZEN") == "1"


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def record(kind: type[C]) -> type[C]:
    """As `@dataclass(frozen=True, slots=True, kw_only=True)`: equal and hashed by value, and nobody
    assigns to a field.

    Example:
        >>> @record
        ... class Charged:
        ...     charge_id: str
        ...     amount: int = 0
        >>> Charged(charge_id="c-1")
        Charged(charge_id='c-1', amount=0)
    """
    if FROZEN_AT_RUN_TIME:
        return dataclass(frozen=True, slots=True, kw_only=True)(kind)
    return dataclass(slots=True, kw_only=True, unsafe_hash=True)(kind)
