"""The part of the store port that removes what is no longer kept.

A saga is removed when it is finished and nothing of it is left to do: its messages are published,
its spans are sent, its commands have expired. Such a saga never changes again. So whoever found it
may take its time; the transaction that removes it looks once more, under the saga's lock.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol
from uuid import UUID

from saga_coordinator.store.records import SagaRow
from saga_schemas.record_class import record

RESTART_SOURCE: Final = "restart"
"""The scope of the request ids of restarts: each is the id of the saga that was restarted."""
SCHEDULE_SOURCE: Final = "schedule"
"""The scope of the request ids of ticks: each is `<schedule>@<tick>`."""
OWN_SOURCES: Final = frozenset({RESTART_SOURCE, SCHEDULE_SOURCE})
"""Scopes of request ids that the coordinator makes itself: no record gives them as its source."""
REMOVED_SCOPE: Final = "removed"
"""Of the control table: up to when removed sagas had started."""
OldRows = Literal[
    "dead_letter",
    "orphan_reply",
    "audit",
    "batch",
    "confirmation",
    "schedule_tick",
    "schedule_tick_range",
    "schedule_backfill",
    "schedule_version",
]
"""Tables whose rows go by their own age."""


@record
class FinishedOf:
    """Which finished sagas: of one version of a definition, on one shelf."""

    tenant: str
    definition: str
    version: int
    shelf: int
    before_us: int
    """Those that ended before then."""


@record
class FinishedSaga:
    """A finished saga, as the lists know it."""

    id: UUID
    tenant: str
    definition: str
    definition_version: int
    business_key: str | None
    phase: str
    trace_id: str
    started_at_us: int
    closed_at_us: int
    shelf: int


@record
class Leaving:
    """A finished saga that is to be removed."""

    saga: FinishedSaga
    keys_until_us: int | None = None
    """Until when its request ids and business keys are kept; None: they go with it."""


@record
class Stripped:
    """A finished saga whose journal is to be removed; `state` is what that said."""

    saga: FinishedSaga
    version: int
    state_format: int
    state: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """What one transaction removed, and what it left."""

    sagas: tuple[UUID, ...] = ()
    rows: int = 0
    """Of all tables."""
    held: Mapping[str, int]
    """Sagas that stay for now, by what holds them: `locked`, `open`, `unexpired`, `unpublished`,
    `untraced`; of a batch also `horizon`, `recovery` and `unreadable`."""


class Removing(Protocol):
    """What a transaction may do about finished sagas."""

    async def lock_finished(self, ids: Collection[UUID]) -> dict[UUID, SagaRow]:
        """Lock sagas against everybody, in order of their id, and read the clock anew.

        Returns:
            The locked ones. One that somebody else holds, or that a start refers to, is left out.
        """
        ...

    async def remove_sagas(self, leaving: Sequence[Leaving]) -> Removed:
        """Remove finished sagas with all that belongs to them.

        A saga that may not be removed yet stays whole. Later replies to those that are removed are
        known by `removed_until_ms`.
        """
        ...

    async def strip_sagas(self, stripped: Sequence[Stripped]) -> Removed:
        """Remove the journals of finished sagas, and keep their states in their rows."""
        ...

    async def remove_kept_keys(self, tenant: str, limit: int) -> int:
        """Remove request ids and keys that outlived their sagas and are no longer kept.

        Returns how many sagas they were of.
        """
        ...

    async def remove_old(self, table: OldRows, tenant: str, before_us: int, limit: int) -> int:
        """Remove the oldest rows that were made before then; of dead letters those that are on
        their topic, of batches and backfills those that have ended, of versions those of deleted
        schedules. Ticks and ranges of ticks go by their instants, but none that waits or whose saga
        runs; before they go, their schedules note that none before is on record (`ticks_from_us`).

        Returns how many there were.
        """
        ...

    async def removed_until_ms(self, tenant: str) -> int:
        """Return the time in the latest id of any saga that was ever removed; 0: none was.

        A saga that is not here and has an id of up to then was removed, and not lost.
        """
        ...

    async def keep(self, ids: Collection[UUID]) -> dict[UUID, bool]:
        """Keep sagas and their keys from being removed until this transaction ends.

        Returns:
            The sagas that are still here, and those that are removed but have their keys: False.
            One that is absent is gone with all that it had.
        """
        ...


class FinishedSagas(Protocol):
    """What a store says of finished sagas."""

    async def restarted_as(self, tenant: str, saga_id: UUID) -> UUID | None:
        """Return the saga that a person's restart of this one began; None: there was none."""
        ...

    async def finished(self, which: FinishedOf, *, after: tuple[int, UUID] | None, limit: int) -> list[FinishedSaga]:
        """Return finished sagas in order of their end, behind `after` (end, id)."""
        ...

    async def count_finished(self, which: FinishedOf, most: int) -> int:
        """Return how many there are, counted up to `most`."""
        ...

    async def oldest(self, table: OldRows, tenant: str) -> int | None:
        """Return when the oldest row was made that `remove_old` would remove, or None."""
        ...

    async def give_back(self) -> int:
        """Give some of the space that removed rows have left back to the system.

        Returns how many bytes; 0 where the database sees to it by itself.
        """
        ...
