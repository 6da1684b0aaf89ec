"""The counts beside the entries of the navigation."""

from __future__ import annotations

import asyncio
from typing import Final

from saga_coordinator.api.facade import Facade
from saga_coordinator.store.port import ListFilter, StoreError

_FRESH_S: Final = 2.0
_MOST: Final = 99


class Badges:
    """What many pages show, asked of the database once in a while, not once a page."""

    def __init__(self, coordinator: Facade) -> None:
        self._coordinator = coordinator
        self._asked_s = float("-inf")
        self._attention = ""

    async def attention(self) -> str:
        """How many sagas and schedules need a person, as `3` or `99+`; empty for none or when
        nobody knows."""
        now_s = asyncio.get_running_loop().time()
        if now_s - self._asked_s >= _FRESH_S:
            self._asked_s = now_s
            self._attention = await self._asked()
        return self._attention

    async def _asked(self) -> str:
        store, tenant = self._coordinator.store, self._coordinator.settings.tenant
        wanted = ListFilter(tenant=tenant, attention=True, limit=_MOST + 1)
        try:
            found, _ = await store.list_sagas(wanted)
            count = len(found) + (await store.schedule_counts(tenant)).attention
        except (StoreError, TimeoutError):
            return ""
        return "" if not count else str(count) if count <= _MOST else f"{_MOST}+"
