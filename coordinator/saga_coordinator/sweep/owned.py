"""Listed effects whose sagas are here again, because their starts were read again: each is its
saga's, or stands beside it where the saga's definition has no such step."""

from __future__ import annotations

from dataclasses import replace

from saga_coordinator.registry.definition_cache import DefinitionCache, DefinitionMissing
from saga_coordinator.store.port import LostEffect, Store
from saga_coordinator.store.sweep_tables import ADOPTED

_WHO = "coordinator"
_WHY = "its saga began again"


class OwnedEffects:
    """Takes them off the list."""

    def __init__(self, store: Store, definitions: DefinitionCache, tenant: str) -> None:
        self._store = store
        self._definitions = definitions
        self._tenant = tenant

    async def note(self) -> None:
        """Look once. Raises StoreError."""
        for effect, definition_id in await self._store.open_beside_sagas(self._tenant):
            owned = await self._is_owned(effect, definition_id)
            async with self._store.transaction() as tx:
                if effect not in await tx.lost_of(self._tenant, effect.saga_id):
                    continue  # somebody acted meanwhile
                adopted = replace(effect, status=ADOPTED, settled_at_us=tx.now_us, who=_WHO, why=_WHY)
                await tx.settle_lost(effect, adopted if owned else replace(effect, beside=True))

    async def _is_owned(self, effect: LostEffect, definition_id: int) -> bool:
        """As long as a definition cannot be read, its sagas own what they may have done."""
        try:
            compiled = await self._definitions.get(definition_id)
        except DefinitionMissing:
            return True
        step = compiled.definition.by_name.get(effect.step)
        return step is not None and step.participant == effect.participant
