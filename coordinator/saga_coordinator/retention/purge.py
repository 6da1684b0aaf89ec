"""Finished sagas are removed by hand: those of a definition that ended before some time.

One call removes one batch, so that no request takes long; whoever asks repeats it until nothing is
left. It goes the loop's own way: archived first, and only what the loop might remove, too, once its
time has come.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from saga_coordinator.definitions.document import Document
from saga_coordinator.definitions.fields import duration_text, parsed_duration
from saga_coordinator.definitions.horizon import HorizonTerms
from saga_coordinator.definitions.retention import Shelf, Terms, longest_expiry_ms
from saga_coordinator.retention.lines import terms_of
from saga_coordinator.retention.removal import Audited, Removal
from saga_coordinator.store.horizon_port import StoredHorizon
from saga_coordinator.store.port import DefinitionRow, Store
from saga_coordinator.store.removal_port import FinishedOf, FinishedSaga

COUNTED_MOST: Final = 100_000
SAMPLE: Final = 5
PASSED_OVER_MOST: Final = 2_000
"""Sagas that stay, and are passed over in one call."""
_PAGE: Final = 100
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)")


class PurgeRefused(Exception):
    """Nothing was removed; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Purged:
    """What a purge found, or what one call of it removed."""

    before_us: int
    found: int
    """Finished sagas that ended before then, counted up to COUNTED_MOST."""
    sample: Sequence[FinishedSaga] = ()
    """Those that ended first."""
    removed: int = 0
    rows: int = 0
    held: dict[str, int]
    """Sagas that stay for now, by why."""
    waiting: int = 0
    """Those of `found` that the horizon does not let go yet; of a call that removed some, 0."""
    waiting_until_us: int | None = None
    """When it lets the last of them go, if nothing holds it back. None: nobody knows."""
    more: bool = False
    """Ask again: there may be others."""


def moment_us(text: str, now_us: int) -> int:
    """A time, as `2026-05-01T00:00:00Z`, or an age, as `90d`. Raises PurgeRefused."""
    age_ms = parsed_duration(text)
    if age_ms is not None:
        return now_us - age_ms * 1000
    try:
        if _TIME.fullmatch(text) is None:
            raise ValueError
        return int(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1_000_000)
    except (ValueError, OverflowError):
        raise PurgeRefused("before: write an age (90d, 12h) or a time (2026-05-01T00:00:00Z)") from None


class Purge:
    """Purges of one tenant."""

    def __init__(self, store: Store, removal: Removal, tenant: str, terms: Terms, horizon: HorizonTerms) -> None:
        self._store = store
        self._removal = removal
        self._tenant = tenant
        self._terms = terms
        self._horizon = horizon

    async def look(self, rows: Sequence[DefinitionRow], before: str) -> Purged:
        """What there is to remove.

        Args:
            rows: The versions of the definition.
            before: A time or an age.

        Raises:
            PurgeRefused: The time is none, or some command may still be accepted.
            StoreError: The store is away.
        """
        before_us = await self._checked(rows, before)
        found = await self._count(rows, before_us)
        sample: list[FinishedSaga] = []
        for which, _ in self._lines(rows, before_us):
            sample += await self._store.finished(which, after=None, limit=SAMPLE)
        sample.sort(key=lambda saga: (saga.closed_at_us, saga.id))
        horizon = await self._store.horizon(self._tenant)
        waiting = found - await self._count(rows, min(before_us, horizon.forgets_before_us))
        until_us = await self._until_us(horizon, before_us) if waiting else None
        return Purged(
            before_us=before_us, found=found, sample=sample[:SAMPLE], held={}, waiting=waiting, waiting_until_us=until_us
        )

    async def _count(self, rows: Sequence[DefinitionRow], before_us: int) -> int:
        count = 0
        for which, _ in self._lines(rows, before_us):
            count += await self._store.count_finished(which, COUNTED_MOST - count)
        return count

    async def _until_us(self, horizon: StoredHorizon, before_us: int) -> int | None:
        """When the horizon lets go what ended before then: the lag later, and with the round after
        that.
        """
        lag_ms = self._horizon.lag_ms(row.document for row in await self._store.definitions(self._tenant))
        if horizon.recovering or lag_ms is None:
            return None
        return before_us + (lag_ms + self._horizon.interval_ms) * 1000

    async def run(self, rows: Sequence[DefinitionRow], before: str, *, who: str, why: str, target: str) -> Purged:
        """Remove one batch. Raises PurgeRefused, ArchiveError, StoreError."""
        before_us = await self._checked(rows, before)
        horizon = await self._store.horizon(self._tenant)
        held: dict[str, int] = {}
        for which, terms in self._lines(rows, min(before_us, horizon.forgets_before_us)):
            after = None
            while sum(held.values()) < PASSED_OVER_MOST:
                found = await self._store.finished(which, after=after, limit=_PAGE)
                if not found:
                    break
                taken = await self._removal.take("remove", found, terms, Audited(who=who, why=why, target=target))
                if taken.removed.sagas:
                    count, gone = len(taken.removed.sagas), taken.removed.rows
                    return Purged(before_us=before_us, found=0, removed=count, rows=gone, held=held, more=True)
                for reason, number in taken.removed.held.items():
                    held[reason] = held.get(reason, 0) + number
                last = taken.looked_at[-1]
                after = (last.closed_at_us, last.id)
        waiting = await self._count(rows, before_us) - await self._count(rows, min(before_us, horizon.forgets_before_us))
        until_us = await self._until_us(horizon, before_us) if waiting else None
        return Purged(before_us=before_us, found=sum(held.values()), held=held, waiting=waiting, waiting_until_us=until_us)

    def _lines(self, rows: Sequence[DefinitionRow], before_us: int) -> list[tuple[FinishedOf, Terms]]:
        return [
            (
                FinishedOf(tenant=self._tenant, definition=row.name, version=row.version, shelf=int(shelf), before_us=before_us),
                terms_of(row, self._terms),
            )
            for row in rows
            for shelf in Shelf
        ]

    async def _checked(self, rows: Sequence[DefinitionRow], before: str) -> int:
        now_us = await self._store.now_us()
        before_us = moment_us(before, now_us)
        expiry_ms = max(longest_expiry_ms(Document.parse(row.document)) for row in rows)
        if before_us > now_us - expiry_ms * 1000:
            raise PurgeRefused(
                f"before: at least {duration_text(expiry_ms)} ago, for so long a command of a saga may be accepted (timeout.expiry)"
            )
        return before_us
