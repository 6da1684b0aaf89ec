"""The part of the store port that pauses of definitions and participants need: their rows of the
control table, and the sagas that they hold.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Literal, Protocol
from uuid import UUID

from saga_schemas.record_class import record

PauseScope = Literal["definition", "participant"]
CONTROL_SCOPES: Final[dict[PauseScope, str]] = {"definition": "paused definition", "participant": "paused participant"}
"""Of the control table."""


@record
class PauseRow:
    """A definition or participant that is or was paused."""

    scope: PauseScope
    name: str
    value: str
    """As `pauses/stored.py` writes it."""
    who: str
    """Of the latest act, as `why`."""
    why: str


class PausedScopes(Protocol):
    """What a store says of pauses, outside transactions."""

    async def pause_rows(self, tenant: str) -> list[PauseRow]:
        """Return every definition and participant that is or was paused, by name."""
        ...

    async def open_sagas(self, tenant: str, definitions: Collection[str], *, after: UUID | None, limit: int) -> list[UUID]:
        """Return open sagas of these definitions, in order of their ids.

        Args:
            tenant: Whose.
            definitions: By name; all versions of each.
            after: Those behind this id; None: from the first.
            limit: At most so many.
        """
        ...


class Pausing(Protocol):
    """What a transaction may do about pauses. They are written by `set_control`."""

    async def pause_row(self, tenant: str, scope: PauseScope, name: str) -> PauseRow | None:
        """Return the row, and keep others from writing it until the transaction ends."""
        ...
