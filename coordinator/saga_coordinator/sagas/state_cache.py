"""Decoded states: a saga is not decoded again when its next reply comes to the same instance.

The cache is a hint, and the row is the truth: a cached state is used only for exactly the bytes
that it was encoded as. Without it, deciding and writing costs 1.14 to 1.18 of what it does
(`benchmarks/transitions.py`, CPU, one instance).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final
from uuid import UUID

from saga_coordinator.engine.encoding import decode_saga
from saga_coordinator.engine.state import Saga

MAX_SAGAS: Final = 2_048
MAX_BYTES: Final = 16 * 1024
"""Larger states are decoded each time, so that the cache stays within some tens of megabytes."""


class StateCache:
    """The states written last, by saga."""

    def __init__(self, max_sagas: int = MAX_SAGAS) -> None:
        self._max = max_sagas
        self._states: OrderedDict[UUID, tuple[bytes, Saga]] = OrderedDict()

    def read(self, saga_id: UUID, state: bytes, format: int) -> Saga:
        """The state in these bytes. Raises UnreadableState."""
        known = self._states.get(saga_id)
        if known is not None and known[0] == state:
            return known[1]
        return decode_saga(str(saga_id), state, format)

    def wrote(self, saga_id: UUID, state: bytes, saga: Saga) -> None:
        """Remember a state as it was encoded. The committer calls this once the commit is known.

        A finished saga is forgotten: it is not read again.
        """
        if saga.final or len(state) > MAX_BYTES:
            self._states.pop(saga_id, None)
            return
        self._states[saga_id] = (state, saga)
        self._states.move_to_end(saga_id)
        if len(self._states) > self._max:
            self._states.popitem(last=False)
