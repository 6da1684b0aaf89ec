"""The part of the store port that operators read: their own acts, what needs a person, and which
versions are in use. Every read has a bound, however large its table is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol
from uuid import UUID

from saga_schemas.record_class import record

AUDIT_LOOKED_AT: Final = 10_000
"""Acts that one page of the audit looks through for those that are wanted."""
ATTENTION_LOOKED_AT: Final = 10_000
"""Reasons that are told apart and counted."""
OPEN_LOOKED_AT: Final = 100_000
"""Open sagas of one definition that are counted."""


@record
class AuditRow:
    """One act of an operator."""

    id: int
    at_us: int
    act: str
    """As `cancel`, `retry charge`, `definition.activate`."""
    target: str
    """A saga's id, `order@3`, a subject: what the act was done to."""
    who: str
    why: str


@record
class AuditFilter:
    """Which acts: those that every field agrees to."""

    tenant: str
    act: str | None = None
    """What it begins with; so is `target`."""
    target: str | None = None
    who: str | None = None
    before: int | None = None
    """Only acts with lower ids: `next` of the page before."""
    limit: int = 50


@record
class AuditPage:
    """Newest first."""

    rows: Sequence[AuditRow]
    next: int | None
    """Where the next page begins; it may be there though this one has few lines, or none. None:
    there is nothing older."""


@record
class AlikeAttention:
    """A reason why a person must look, with the line of its saga."""

    saga_id: UUID
    step: str
    """Empty for the saga as a whole."""
    reason: str
    since_us: int
    note: str
    definition: str
    definition_version: int
    business_key: str | None
    phase: str
    alike: int
    """How many have this reason at this step of this version; it is one of them."""


class Oversight(Protocol):
    """What operators read."""

    async def audit(self, wanted: AuditFilter) -> AuditPage:
        """Return a page of acts, among at most AUDIT_LOOKED_AT that it looks at."""
        ...

    async def alike_attention(self, tenant: str, *, of_each: int, limit: int) -> list[AlikeAttention]:
        """Return what needs a person: of each version, step and reason those that wait longest.

        Among the first ATTENTION_LOOKED_AT reasons.

        Args:
            tenant: Whose sagas.
            of_each: The most of one version, step and reason.
            limit: The most of all; those with the most alike come first.
        """
        ...

    async def open_by_version(self, tenant: str, definition: str) -> Mapping[int, int]:
        """Return how many sagas of each version are open, counted up to OPEN_LOOKED_AT."""
        ...
