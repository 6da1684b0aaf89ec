"""What one instance knows of pauses: by the latest look of its lookout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from saga_coordinator.engine.pauses import NO_PAUSES, Intervals, Pauses
from saga_coordinator.pauses.stored import read
from saga_coordinator.store.look import Look
from saga_coordinator.store.pause_port import CONTROL_SCOPES, PauseScope
from saga_coordinator.store.port import Store

SCOPES: Final = frozenset(CONTROL_SCOPES.values())


class KnownPauses:
    """Called, it says what is paused, for a decision."""

    def __init__(self, latest: Callable[[], Look | None]) -> None:
        """`latest`: the lookout's."""
        self._latest = latest
        self._look: Look | None = None
        self._pauses = NO_PAUSES

    async def begin(self, store: Store, tenant: str) -> None:
        """Read what is paused before anything is decided. Raises StoreError."""
        self._take(await store.look(tenant, SCOPES))

    def __call__(self) -> Pauses:
        look = self._latest()
        if look is not None and look is not self._look:
            self._take(look)
        return self._pauses

    def _take(self, look: Look) -> None:
        self._look = look
        definitions, participants = _of(look, "definition"), _of(look, "participant")
        anything = definitions or participants
        self._pauses = Pauses.of(look.now_us, definitions, participants) if anything else NO_PAUSES


def _of(look: Look, scope: PauseScope) -> Mapping[str, Intervals]:
    return {name: read(value).intervals for name, value in look.control.get(CONTROL_SCOPES[scope], {}).items()}
