"""What waits to be removed, as lines: finished sagas of one version on one shelf, in order of their
end.

A line remembers when its first saga will be due, so that nothing is asked of the store before; an
index gives the first ones. Sagas that may not go yet are passed over, and looked at again after a
while.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from saga_coordinator.definitions.document import Document
from saga_coordinator.definitions.retention import FOREVER, Action, Shelf, Terms
from saga_coordinator.store.horizon_port import StoredHorizon
from saga_coordinator.store.port import DefinitionRow
from saga_coordinator.store.removal_port import FinishedOf, FinishedSaga

LOOK_AGAIN_US: Final = 3_600_000_000
"""An empty line is looked at again after this, or after its term where that is shorter."""
HELD_AGAIN_US: Final = 60_000_000
"""Sagas that were passed over are looked at again."""
LEAST_US: Final = 500_000


@dataclass(slots=True, kw_only=True)
class Line:
    """The sagas of one version on one shelf."""

    definition: str
    version: int
    shelf: Shelf
    terms: Terms
    look_at_us: int = 0
    after: tuple[int, UUID] | None = None
    """Those up to here were looked at in this pass."""
    due_since_us: int | None = None
    """Since when the first that is still there is due."""
    held: dict[str, int] = field(default_factory=dict)
    """Sagas that were passed over in this pass, by why."""
    held_before: Mapping[str, int] = field(default_factory=dict)
    """The same of the pass before."""

    @property
    def action(self) -> Action:
        return self.terms.next_step(self.shelf)[0]

    @property
    def kept_us(self) -> int:
        return self.terms.next_step(self.shelf)[1] * 1000

    def due(self, tenant: str, now_us: int, horizon: StoredHorizon) -> FinishedOf:
        """Which sagas are due now; none goes before the horizon lets it."""
        before_us = now_us - self.kept_us
        return self._before(tenant, before_us if self.action == "strip" else min(before_us, horizon.forgets_before_us))

    def waits_for(self, horizon: StoredHorizon, saga: FinishedSaga | None) -> bool:
        """Whether the horizon is not there yet."""
        return self.action == "remove" and saga is not None and saga.closed_at_us >= horizon.forgets_before_us

    def all(self, tenant: str) -> FinishedOf:
        return self._before(tenant, FOREVER)

    def _before(self, tenant: str, before_us: int) -> FinishedOf:
        return FinishedOf(
            tenant=tenant, definition=self.definition, version=self.version, shelf=int(self.shelf), before_us=before_us
        )

    def seen(self, sagas: Sequence[FinishedSaga], held: Mapping[str, int]) -> None:
        """These were looked at; some of them stay."""
        self.after = (sagas[-1].closed_at_us, sagas[-1].id)
        for why, count in held.items():
            self.held[why] = self.held.get(why, 0) + count

    def ended(self, first: FinishedSaga | None, now_us: int, again_us: int = LEAST_US) -> None:
        """A pass is over; `first` is the first saga of the line that is left. It is not looked at
        sooner than after `again_us`.
        """
        if self.held:
            self.look_at_us = now_us + HELD_AGAIN_US
        elif first is None:
            self.look_at_us = now_us + max(LEAST_US, min(self.kept_us, LOOK_AGAIN_US))
        else:
            # Others may come before it: those that are brought from elsewhere.
            self.look_at_us = min(max(first.closed_at_us + self.kept_us, now_us + again_us), now_us + LOOK_AGAIN_US)
        if not self.held:
            self.due_since_us = None
        self.after, self.held, self.held_before = None, {}, self.held


class Lines:
    """The lines of all versions of all definitions."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._lines: dict[tuple[int, Shelf], Line] = {}
        self._known: dict[int, Terms] = {}

    def of(self, rows: Iterable[DefinitionRow]) -> list[Line]:
        """Those in which something may ever be due."""
        for row in rows:
            if row.id in self._known:
                continue
            terms = self._known[row.id] = terms_of(row, self._terms)
            for shelf in Shelf:
                if terms.next_step(shelf)[1] < FOREVER:
                    self._lines[row.id, shelf] = Line(definition=row.name, version=row.version, shelf=shelf, terms=terms)
        return list(self._lines.values())


def terms_of(row: DefinitionRow, terms: Terms) -> Terms:
    """The terms of a version.

    One that cannot be read is of another release, and keeps its sagas for ever.
    """
    try:
        return terms.with_policy(Document.parse(row.document).retention)
    except ValueError:
        return Terms.of(FOREVER, None, None, FOREVER)
