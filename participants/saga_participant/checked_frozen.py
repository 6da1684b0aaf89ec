"""Frozen data of which a command makes many: mypy sees `@dataclass(frozen=True)` and forbids every assignment.

At run time they are ordinary dataclasses with a hash: Python sets the fields of a frozen one through `object.__setattr__`, which costs four
times as much, and a participant would spend a tenth of its time on nothing else. What is handed to handlers (step.py) stays really frozen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as checked_frozen
else:
    from dataclasses import dataclass

    def checked_frozen(*, frozen, slots, kw_only=False):
        """The arguments are dataclass's own; `frozen` is for mypy."""
        return dataclass(unsafe_hash=True, slots=slots, kw_only=kw_only)


__all__ = ["checked_frozen"]
