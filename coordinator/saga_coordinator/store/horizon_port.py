"""The part of the store port that knows the horizon: what may be forgotten (ADR 0030).

A horizon says: every saga whose id is below it, and that is no exception, ended longer ago than the
lag. Once true, it stays true. So whoever read a stored horizon may go by it for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from saga_coordinator.store.records import StoreError
from saga_schemas.horizon import Horizon
from saga_schemas.record_class import record


class BelowHorizon(StoreError):
    """A saga was to start with an id below the horizon: nothing happened.

    It may start with another id.
    """


@record
class StoredHorizon:
    """What the database holds of the horizon."""

    starts_from_ms: int
    """No saga with an earlier id starts. The horizon follows up to here."""
    horizon: Horizon
    stored_at_us: int
    """When it was last looked at; 0: never."""
    announced_at_us: int | None
    recovering: bool
    """The database was restored, and not all that was lost is known yet. Nothing is forgotten and
    no horizon announced or raised meanwhile."""

    @property
    def forgets_before_us(self) -> int:
        """Sagas that ended before then may be removed, where the horizon covers them."""
        return 0 if self.recovering else self.horizon.below_ms * 1000

    def lets_go(self, saga_id: UUID) -> bool:
        """Whether this finished saga may be removed."""
        return not self.recovering and self.horizon.covers(saga_id)


@record
class Raise:
    """How far the horizon may be raised."""

    up_to_ms: int
    """No start may commit any more whose id is lower."""
    ended_before_us: int
    """A saga that ended then or later is an exception."""
    limit: int
    """The most exceptions."""
    sagas: int
    """The most sagas that one transaction looks at."""


@record
class Raised:
    """What a step has come to."""

    below_ms: int
    exceptions: int
    held_back: bool
    """The limit of exceptions keeps it lower than it could be."""
    complete: bool
    """There is no further step to make."""


@record
class ParticipantMemory:
    """The horizon that a participant says it remembers."""

    participant: str
    below_ms: int
    heard_at_us: int
    """When its answer was read, by the database's clock."""


class RaisingHorizon(Protocol):
    """What a transaction may do about the horizon."""

    async def horizon(self, tenant: str) -> StoredHorizon:
        """Return the stored horizon, locked until the end of the transaction."""
        ...

    async def refuse_starts_below(self, below_ms: int) -> int:
        """Let no saga start whose id is lower, from the commit on.

        Return from where on sagas may start then: it never falls.
        """
        ...

    async def raise_horizon(self, stored: StoredHorizon, by: Raise) -> Raised:
        """Look for exceptions, and store the horizon that they allow: one step.

        `stored` is what `horizon` returned in this transaction.
        """
        ...

    async def let_adopt(self, tenant: str, saga_id: UUID) -> bool:
        """Let a lost saga begin in this transaction, also where no other starts any more.

        The horizon is locked until its end. False: it covers the saga, which is no exception.
        """
        ...

    async def note_heard(self, heard: Sequence[ParticipantMemory]) -> None:
        """Write what participants say they remember; of each the last."""
        ...


class Horizons(Protocol):
    """What a store says of the horizon."""

    async def horizon(self, tenant: str) -> StoredHorizon:
        """Return the stored horizon."""
        ...

    async def starts_under_way(self) -> frozenset[str]:
        """Return the transactions that may still commit a start by what they know now.

        One that begins later, or has not begun to write, knows all that is committed by now. When
        none of the returned ones is under way any more, every start knows it.
        """
        ...

    async def any_saga_below(self, below_ms: int) -> bool:
        """Return whether there is a saga with a lower id."""
        ...

    async def note_announced(self) -> None:
        """Note that the horizon was announced now."""
        ...

    async def participant_memories(self) -> dict[str, ParticipantMemory]:
        """Return what each participant says it remembers."""
        ...
