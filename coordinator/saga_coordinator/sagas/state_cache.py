"""Decoded states: a saga is not read from its journal when its next reply comes to the same
instance.

The cache is a hint, and the row is the truth: a cached state is used only for a row with the very
version and fingerprint of facts that it was written with.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Sequence
from typing import Final
from uuid import UUID

from saga_coordinator.engine.state import Saga
from saga_coordinator.sagas.stored_saga import stored_saga
from saga_coordinator.store.port import JournalRow, SagaRow
from saga_schemas.record_class import record

MAX_SAGAS: Final = 2_048
MAX_BYTES: Final = 16 * 1024 * 1024
"""Of all states, as they are stored, with the facts since. Decoded they take some seven times as
much.
"""
LARGEST_BYTES: Final = MAX_BYTES // 8
"""Of one saga. One with more is read each time."""


@record
class KnownState:
    """A saga, and what its journal holds since its stored state."""

    row: SagaRow
    """Its row, as it was written or read."""
    saga: Saga
    facts_bytes: int
    """Facts that were written since the stored state."""

    @property
    def bytes(self) -> int:
        """What it takes in the store."""
        return len(self.row.state) + self.facts_bytes


def read_state(row: SagaRow, journal: Sequence[JournalRow]) -> KnownState:
    """What a row and its journal after `state_version` say. Raises UnreadableState."""
    return KnownState(
        row=row,
        saga=stored_saga(row, journal),
        facts_bytes=sum([len(record.facts) for record in journal]),
    )


class StateCache:
    """The states written last, by saga."""

    def __init__(self, max_sagas: int = MAX_SAGAS, max_bytes: int = MAX_BYTES) -> None:
        self._max = max_sagas
        self._max_bytes = max_bytes
        self._bytes = 0
        self._states: OrderedDict[UUID, KnownState] = OrderedDict()

    def of(self, row: SagaRow) -> KnownState | None:
        """The state that this row stands for, if it is known."""
        known = self._states.get(row.id)
        if known is not None and (known.row.version, known.row.facts_print) == (row.version, row.facts_print):
            return known
        return None

    def rows(self, ids: Collection[UUID]) -> dict[UUID, SagaRow] | None:
        """The rows of these sagas as they were written last; None when one is not known."""
        states = self._states
        if not all(id in states for id in ids):
            return None
        return {id: states[id].row for id in ids}

    def wrote(self, row: SagaRow, saga: Saga, facts_bytes: int) -> None:
        """Remember what was written. The committer calls this once the commit is known.

        A finished saga is forgotten: it is not read again.

        Args:
            row: The saga's row, as it was written.
            saga: Its state.
            facts_bytes: Facts that were written since the state that is stored in the row.
        """
        self._forget(row.id)
        known = KnownState(row=row, saga=saga, facts_bytes=facts_bytes)
        if saga.final or known.bytes > LARGEST_BYTES:
            return
        self._states[row.id] = known
        self._bytes += known.bytes
        while len(self._states) > self._max or self._bytes > self._max_bytes:
            self._forget(next(iter(self._states)))

    def _forget(self, id: UUID) -> None:
        known = self._states.pop(id, None)
        if known is not None:
            self._bytes -= known.bytes
