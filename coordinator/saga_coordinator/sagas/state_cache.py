"""Decoded states: a saga is not read from its journal when its next reply comes to the same
instance.

The cache is a hint, and the row is the truth: a cached state is used only for a row with the very
version and fingerprint of facts that it was written with.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from saga_coordinator.engine.state import Saga
from saga_coordinator.sagas.stored_saga import stored_saga
from saga_coordinator.store.port import JournalRow, SagaRow
from saga_schemas.record_class import record

MAX_SAGAS: Final = 2_048
MAX_BYTES: Final = 24 * 1024
"""Of state and facts since. Sagas with more are read each time, so that the cache stays within some
tens of megabytes."""


@record
class KnownState:
    """A saga, and what its journal holds since its stored state."""

    version: int
    facts_print: int
    saga: Saga
    facts_bytes: int
    """Facts that were written since the stored state."""


def read_state(row: SagaRow, journal: Sequence[JournalRow]) -> KnownState:
    """What a row and its journal after `state_version` say. Raises UnreadableState."""
    return KnownState(
        version=row.version,
        facts_print=row.facts_print,
        saga=stored_saga(row, journal),
        facts_bytes=sum([len(record.facts) for record in journal]),
    )


class StateCache:
    """The states written last, by saga."""

    def __init__(self, max_sagas: int = MAX_SAGAS) -> None:
        self._max = max_sagas
        self._states: OrderedDict[UUID, KnownState] = OrderedDict()

    def of(self, row: SagaRow) -> KnownState | None:
        """The state that this row stands for, if it is known."""
        known = self._states.get(row.id)
        if known is not None and (known.version, known.facts_print) == (row.version, row.facts_print):
            return known
        return None

    def wrote(self, row: SagaRow, saga: Saga, facts_bytes: int) -> None:
        """Remember what was written. The committer calls this once the commit is known.

        A finished saga is forgotten: it is not read again.

        Args:
            row: The saga's row, as it was written.
            saga: Its state.
            facts_bytes: Facts that were written since the state that is stored in the row.
        """
        if saga.final or len(row.state) + facts_bytes > MAX_BYTES:
            self._states.pop(row.id, None)
            return
        self._states[row.id] = KnownState(version=row.version, facts_print=row.facts_print, saga=saga, facts_bytes=facts_bytes)
        self._states.move_to_end(row.id)
        if len(self._states) > self._max:
            self._states.popitem(last=False)
