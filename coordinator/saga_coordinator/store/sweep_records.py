"""What the store says and is told of a sweep, and of the effects that it found without a saga."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final, Protocol
from uuid import UUID

from saga_coordinator.store.records import StartClaim
from saga_schemas.horizon import Horizon
from saga_schemas.record_class import record

ADOPTING: Final = "saga recover adopt"
"""The source of the request ids of sagas that were adopted."""
Place = tuple[UUID, str]
"""Of a row at a participant: saga and step, in whose order rows are told."""


@record
class ParticipantSweep:
    """How far one participant's rows are read."""

    participant: str
    incarnation: int
    """Under which it is asked."""
    after: Place | None = None
    """The last place that was told; None: none yet."""
    told: int = 0
    """Rows told so far."""
    asked_at_us: int = 0
    """When it was asked for what follows; 0: not yet."""
    asks: int = 0
    """How often it was."""
    done_at_us: int | None = None
    skipped: str | None = None
    """Why it was never read to its end: a person said so."""


@record
class LostEffect:
    """What one step of a saga left at its participant, while no saga owns it."""

    saga_id: UUID
    step: str
    participant: str
    run: int
    state: str
    """Of the participant's row: DONE, or ACCEPTED."""
    beside: bool
    """Its saga is here, and its definition has no such step at this participant."""
    found_at_us: int
    status: str
    settled_at_us: int | None = None
    who: str | None = None
    """Who acted on it last."""
    why: str | None = None
    definition_hash: str | None = None
    """Of the definition that its saga was pinned to, as the row remembers it."""
    command: bytes | None = None
    """Framed: the action's."""
    reply_record: str | None = None
    reply: bytes | None = None
    """Framed: to the action."""
    undo_record: str | None = None
    undo_value: bytes | None = None
    """Framed: the compensation that is asked for."""
    asked_at_us: int = 0
    asks: int = 0
    note: str | None = None
    """The participant's last word on the undo that settles nothing."""


@record
class StartIds:
    """What a store says of the ids that starts would take."""

    now_us: int
    """Its clock."""
    starts_from_ms: int
    """No saga with an earlier id starts."""
    removed_until_ms: int
    """The time in the latest id of any saga that was removed; 0: none was."""
    taken: frozenset[UUID]
    """A saga that a start asked for has the id, or its effects are undone."""
    adopted: frozenset[UUID]
    """A saga has the id that no start asked for: a person adopted it."""


class SweptStore(Protocol):
    """What a store says of sweeps and lost effects outside transactions."""

    async def sweeps(self, tenant: str) -> list[ParticipantSweep]:
        """Return how far each participant's sweep is, by name."""
        ...

    async def begin_sweeps(self, tenant: str, incarnation: int, participants: Collection[str]) -> None:
        """Add those that are not there: the sweep goes on. Nothing is added where the database has
        another incarnation by now.
        """
        ...

    async def ask_sweep(self, tenant: str, one: ParticipantSweep) -> bool:
        """Note that a participant is asked now. Return False where another instance did, or where
        it is further.
        """
        ...

    async def sweeps_done(self, tenant: str, incarnation: int, participants: Collection[str]) -> bool:
        """Note that the sweep is complete, where each of these is done. Return whether it was
        noted now.
        """
        ...

    async def lost_effects(self, tenant: str, *, settled: bool) -> list[LostEffect]:
        """Return the lost effects, by saga and step; `settled`: also those that are settled."""
        ...

    async def undoing(self, tenant: str, limit: int) -> list[LostEffect]:
        """Return effects whose undo is asked for, those that were asked longest ago first."""
        ...

    async def ask_undo(self, effect: LostEffect) -> bool:
        """Note that its undo is asked now. Return False where somebody else did."""
        ...

    async def lost_counts(self, tenant: str) -> Mapping[str, int]:
        """Return how many lost effects are not settled, by status."""
        ...

    async def open_beside_sagas(self, tenant: str) -> list[tuple[LostEffect, int]]:
        """Return the open effects whose sagas are here, each with the id of its saga's definition;
        not those that are known to stand beside them.
        """
        ...

    async def start_ids(self, tenant: str, ids: Collection[UUID]) -> StartIds:
        """Return which of these ids a start cannot take."""
        ...


class Sweeping(Protocol):
    """What a transaction does about sweeps and lost effects."""

    async def move_sweep(self, tenant: str, before: ParticipantSweep, *, after: Place | None, told: int) -> bool:
        """Note a page that was read. Return False where the sweep is not, or no longer, as before.

        Args:
            tenant: Whose sweep it is.
            before: The sweep as the page was asked under.
            after: The last place that was told; None: it was the last page.
            told: How many rows the page had.
        """
        ...

    async def skip_sweep(self, tenant: str, participant: str, why: str) -> bool:
        """Take a participant's sweep for done. Return False where none is open."""
        ...

    async def definitions_of(self, ids: Collection[UUID]) -> Mapping[UUID, int]:
        """Return the definition ids of those of these sagas that are stored."""
        ...

    async def add_lost(self, tenant: str, effects: Sequence[LostEffect]) -> None:
        """Put effects on the list. One that is there stays as it is, but for what its row says."""
        ...

    async def lost_of(self, tenant: str, saga_id: UUID) -> list[LostEffect]:
        """Lock and return the lost effects of a saga."""
        ...

    async def undoing_of(self, tenant: str, ids: Collection[UUID]) -> list[LostEffect]:
        """Lock and return the effects of these sagas that are being undone."""
        ...

    async def settle_lost(self, before: LostEffect, after: LostEffect) -> None:
        """Write what changed of a lost effect that this transaction has locked. Raises
        CountMismatch.
        """
        ...

    async def remove_settled(self, tenant: str, horizon: Horizon, before_us: int, limit: int) -> int:
        """Remove effects that were settled before then and whose sagas a stored horizon covers.

        Returns how many there were.
        """
        ...

    async def hold_starts(self) -> None:
        """Wait until no start is under way, and let none begin until the end of this
        transaction."""
        ...

    async def undone_of(self, ids: Collection[UUID]) -> set[UUID]:
        """Hold the lost effects of sagas that start now, so that nobody undoes one meanwhile.

        Returns:
            Sagas of whose effects one is being undone, or was: they may not start.
        """
        ...

    async def bind_starts(self, claims: Sequence[StartClaim]) -> None:
        """Bind request ids to sagas that are here. An id that is bound already stays as it is."""
        ...
