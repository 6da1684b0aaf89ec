"""The part of the store port that the overview reads: figures over time, and what needs a person
longest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import UUID

from saga_schemas.record_class import record


@record
class TrafficRow:
    """What one process counted for one name in a stretch of minutes. `figures` is opaque here."""

    minute: int
    """The first, counted since 1970 by the database's clock."""
    minutes: int
    """How many."""
    instance: str
    """A token of the process. A restarted one has another, so it writes over nothing."""
    kind: str
    name: str
    figures: bytes


@record
class LongestAttention:
    """A reason why a person must look, with the line of its saga."""

    saga_id: UUID
    business_key: str | None
    definition: str
    phase: str
    step: str
    reason: str
    since_us: int


@record
class LiveInstance:
    """An instance with a name whose row was renewed a moment ago."""

    name: str
    seen_at_us: int


class Overviews(Protocol):
    """What a store says of the whole."""

    async def write_traffic(self, tenant: str, rows: Sequence[TrafficRow]) -> None:
        """Insert or replace rows, in one statement."""
        ...

    async def traffic(self, tenant: str, minutes: int, *, since: int, until: int) -> list[TrafficRow]:
        """Return the rows of so many minutes that begin at minute `since` or later and before
        `until`."""
        ...

    async def forget_traffic(self, tenant: str, before: Mapping[int, int]) -> int:
        """Delete rows: by their minutes, those that begin before this minute.

        Return how many. Where there are none, nothing is written.
        """
        ...

    async def longest_attention(self, tenant: str, limit: int) -> list[LongestAttention]:
        """Return what needs a person longest, among the first ten thousand reasons."""
        ...

    async def dead_letters_since(self, since_us: int) -> int:
        """Return how many records could not be read since then, counted up to 10,000."""
        ...

    async def live_instances(self, *, stale_s: float) -> list[LiveInstance]:
        """Return the named instances whose rows are not older, by name."""
        ...

    async def open_saga_ids(self, tenant: str, limit: int) -> list[UUID]:
        """Return the ids of open sagas, by phase, definition, version and id."""
        ...

    async def size_bytes(self) -> int:
        """Return what the database takes on disk."""
        ...
