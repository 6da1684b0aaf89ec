"""How far the horizon may go, by how many exceptions it would have. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from saga_coordinator.store.identifiers import first_id
from saga_schemas.ids import uuid7_unix_ms
from saga_schemas.record_class import record


@record
class Choice:
    """A horizon that may be announced."""

    below_ms: int
    exceptions: tuple[UUID, ...]
    """In order."""
    held_back: bool
    """More exceptions than the limit keep it from where it could be."""


def choose(below_ms: int, candidates: Sequence[UUID], limit: int) -> Choice:
    """The highest horizon up to `below_ms` that has at most `limit` exceptions.

    Args:
        below_ms: How far it could be.
        candidates: The sagas that would be its exceptions then, in order of their id; of those
            beyond the limit one is enough.
        limit: The most exceptions.
    """
    if len(candidates) <= limit:
        return Choice(below_ms=below_ms, exceptions=tuple(candidates), held_back=False)
    lower_ms = uuid7_unix_ms(candidates[limit])
    least = first_id(lower_ms * 1000)
    return Choice(below_ms=lower_ms, exceptions=tuple(id for id in candidates[:limit] if id < least), held_back=True)
