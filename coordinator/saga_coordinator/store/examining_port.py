"""The part of the store port that looks at the system itself: its instances, and what stands beside
a saga in other tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol
from uuid import UUID

from saga_schemas.record_class import record

MADE_NAME: Final = "~"
"""Begins the name of an instance that was given none. No given name may begin so."""
FORGOTTEN_AFTER_S: Final = 3_600
"""Entries under made names are deleted then: their processes never come back."""


@record
class InstanceState:
    """What an instance says of itself."""

    roles: tuple[str, ...]
    problems: tuple[str, ...] = ()
    """What `/readyz` of it would say."""


@record
class InstanceRow:
    """One instance as it was last seen."""

    name: str
    since_us: int | None
    """When this process was first seen; None: a release that does not say so."""
    seen_at_us: int
    feature_level: int
    state: InstanceState | None
    """None: a release that does not say so."""


@record
class Standing:
    """What other tables say of one saga, read in one statement."""

    due_at_us: int | None
    """Of its wake-up; None: there is none."""
    listed_phase: str | None
    """What lists show; None: it is on no list."""
    listed_attention: int
    attention: int
    """Its attention rows."""
    inbox: int
    """Events left for it."""
    inbox_oldest_us: int | None


class Examined(Protocol):
    """What a store says of itself."""

    async def instances(self) -> Sequence[InstanceRow]:
        """Return the instances that are registered, by name; those seen long ago too."""
        ...

    async def standing(self, saga_id: UUID) -> Standing:
        """Return what other tables say of a saga, all at one moment."""
        ...
