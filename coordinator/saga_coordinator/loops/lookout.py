"""The lookout: one look at the store for all loops of an instance that wait for something there.

Who waits first asks for all. Looks come every second while a saga is open or something is left to
do for one, and at rest every two: new definitions are known by then. A commit of this instance ends
the rest at once, so that what it made due is seen in time.
"""

from __future__ import annotations

import asyncio
import math
from typing import Final

from saga_coordinator.store.look import Look
from saga_coordinator.store.port import Store
from saga_messaging.background import happened
from saga_messaging.clock import Clock

AT_WORK_S: Final = 1.0
AT_REST_S: Final = 2.0
LEAST_S: Final = 0.1
"""Between two looks, however often something is committed."""


class Lookout:
    """Looks of one instance. `scopes`: what it reads of the control table."""

    def __init__(self, store: Store, tenant: str, scopes: frozenset[str], clock: Clock) -> None:
        self._store = store
        self._tenant = tenant
        self._scopes = scopes
        self._clock = clock
        self._turn = asyncio.Lock()
        self._stirred = asyncio.Event()
        self._looked_at_s = -math.inf
        self._error: Exception | None = None
        self.round = 0
        self.latest: Look | None = None
        """None: there was none yet."""

    def looks(self) -> Looks:
        """For one loop."""
        return Looks(self)

    def stir(self) -> None:
        """Something was committed here that ends the rest."""
        if self.latest is None or self.latest.at_rest:
            self._stirred.set()

    async def after(self, seen: int) -> Look:
        """The look of a later round, or what kept it from being made."""
        async with self._turn:
            if self.round == seen:
                await self._pause()
                await self._look()
        if self._error is not None:
            raise self._error
        assert self.latest is not None
        return self.latest

    async def _pause(self) -> None:
        resting = self._error is None and (self.latest is None or self.latest.at_rest)
        left_s = self._looked_at_s + (AT_REST_S if resting else AT_WORK_S) - self._clock.monotonic_s()
        if left_s > 0 and await happened(self._stirred, self._clock, left_s):
            await self._clock.sleep(max(0.0, self._looked_at_s + LEAST_S - self._clock.monotonic_s()))

    async def _look(self) -> None:
        self._stirred.clear()
        try:
            self.latest = await self._store.look(self._tenant, self._scopes)
            self._error = None
        except Exception as error:
            self._error = error
        self._looked_at_s = self._clock.monotonic_s()
        self.round += 1


class Looks:
    """The looks that one loop has seen."""

    def __init__(self, lookout: Lookout) -> None:
        self._lookout = lookout
        self._round = 0

    async def next(self) -> Look:
        """The next one: at once where a loop that was busy has missed it. Raises StoreError."""
        try:
            return await self._lookout.after(self._round)
        finally:
            self._round = self._lookout.round
